"""Figures of the chapters on transactions that carry dials."""
