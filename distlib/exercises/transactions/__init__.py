"""Exercises on distributed transactions."""
