"""Models of the protocols in :mod:`distlib.protocols.transactions`."""
