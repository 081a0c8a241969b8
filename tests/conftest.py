"""What all tests share: Hypothesis tries the same examples in every run, and gives none of them a time limit."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("book", derandomize=True, deadline=None, database=None)
settings.load_profile("book")
