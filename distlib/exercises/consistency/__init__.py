"""Exercises of the chapters on consistency."""
