"""The mistakes that the book makes on purpose, each of them caught by a test."""
