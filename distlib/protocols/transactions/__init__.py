"""Protocols that make the nodes of a transaction agree on its outcome."""
