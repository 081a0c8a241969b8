"""Verdicts on what runs leave behind."""
