"""Figures of the chapters on fault tolerance."""
