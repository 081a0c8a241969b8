"""Exercises of the chapters on fault tolerance."""
