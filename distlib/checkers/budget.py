"""What a check may spend: an exponential search needs an end.

Theory of operation
-------------------
To decide whether a history is linearizable is NP-complete, so a checker must be able to say that it does not know. A
:class:`Budget` is shared by all searches of a check; each takes off it what it uses, a batch at a time, and the first
to find it empty raises. Configurations and memory are counted, so that a check says the same on every machine; time is
for those who need an answer by then.
"""

from __future__ import annotations

import time
from math import inf

__all__ = ["Budget", "BudgetExhaustedError"]


class BudgetExhaustedError(Exception):
    """Something ran out; the argument says what."""


class Budget:
    """What a check may spend before it gives up.

    Parameters
    ----------
    configurations
        How many may be explored.
    seconds
        For how long, by a monotonic clock; None for any time.
    byte_count
        How much memory all searches together may hold, by their own estimates, which are on the high side.
    """

    def __init__(self, configurations: int, seconds: float | None, byte_count: int) -> None:
        self.configurations = configurations
        self.byte_count = byte_count
        self._deadline = inf if seconds is None else time.monotonic() + seconds

    def limited(self, configurations: int) -> Budget:
        """Return a budget for a part of the work: at most so many configurations, the same deadline and memory."""
        part = Budget(min(configurations, self.configurations), None, self.byte_count)
        part._deadline = self._deadline
        return part

    def spend(self, configurations: int = 0, byte_count: int = 0) -> None:
        """Take something off the budget. A negative amount gives it back.

        Raises
        ------
        BudgetExhaustedError
            If there is not so much left.
        """
        self.configurations -= configurations
        self.byte_count -= byte_count
        if self.configurations < 0:
            raise BudgetExhaustedError("configurations")
        if self.byte_count < 0:
            raise BudgetExhaustedError("memory")
        if time.monotonic() > self._deadline:
            raise BudgetExhaustedError("time")
