"""Figures of the chapters on consistency that carry dials."""
