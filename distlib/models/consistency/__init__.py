"""Models of the chapters on consistency."""
