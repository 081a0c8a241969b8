"""What nodes do: one module a family, each importing :mod:`distlib.node` only."""
