"""Variants of the protocols on consistency with a mistake each."""
