"""Experiments on the protocols in :mod:`distlib.protocols.transactions`."""
