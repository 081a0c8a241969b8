"""Protocols that go on when a machine does not."""
