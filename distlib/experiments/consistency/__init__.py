"""Runs that the chapters on consistency and their tests share."""
