"""Protocols for fault tolerance with one mistake each."""
