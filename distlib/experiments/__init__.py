"""Experiments: the instances of a protocol that the book runs, and how a quantity of its model is read off a run."""
