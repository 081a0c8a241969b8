"""Exercises of the chapters on transactions."""
