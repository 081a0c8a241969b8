"""Protocols for transactions with one mistake each."""
