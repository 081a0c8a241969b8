"""Experiments on the protocols in :mod:`distlib.protocols.fault_tolerance`."""
