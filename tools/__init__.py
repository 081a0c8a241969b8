"""What authors of the book use; readers do not need it."""
