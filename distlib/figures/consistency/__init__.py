"""Figures of the chapters on consistency."""
