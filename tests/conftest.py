"""What all tests share: the same examples and the same names in every process."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings

# Hypothesis tries the same examples in every run, and gives none of them a time limit.
settings.register_profile("book", derandomize=True, deadline=None, database=None)
settings.load_profile("book")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Take addresses in memory out of a test's name: processes that share the tests must agree on the names."""
    item._nodeid = re.sub(r" at 0x[0-9a-f]+", "", item.nodeid)
