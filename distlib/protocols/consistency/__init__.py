"""Protocols of the chapters on consistency."""
