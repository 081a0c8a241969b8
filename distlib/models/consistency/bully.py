"""What the bully algorithm costs in messages: exact, for each starter.

Theory of operation
-------------------
Ranks are 1 … n, the old leader n is dead, and the process of rank k < n
misses it; let m = n - k. Each of the processes k … n - 1 holds one election and asks all above it, n included: m (m
+ 1) / 2 messages. Each that is up answers each that asked it: m (m - 1) / 2. The process n - 1 gets no answer and
tells the n - 2 below it. In all m² + n - 2.

Source: Garcia-Molina (1982) for the algorithm; the counts are derived in the chapter.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Messages", "message_count", "message_count_mean", "messages"]


class Messages(NamedTuple):
    """How many messages of each kind an election takes."""

    election: int
    answer: int
    coordinator: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def messages(process_count: int, starter_rank: int) -> Messages:
    """Return the messages of an election after the leader, the process of the highest rank, has crashed.

    Parameters
    ----------
    process_count
        n, the dead leader included; at least 2.
    starter_rank
        k, the rank of the only process that misses the leader, in [1, n - 1].

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> messages(5, starter_rank=1)
    Messages(election=10, answer=6, coordinator=3)
    """
    if process_count < 2:
        raise ValueError(f"`process_count` must be at least 2, got {process_count}")
    if not 1 <= starter_rank < process_count:
        raise ValueError(f"`starter_rank` must be in [1, {process_count - 1}], got {starter_rank}")
    above = process_count - starter_rank
    return Messages(above * (above + 1) // 2, above * (above - 1) // 2, process_count - 2)


def message_count(process_count: int, starter_rank: int) -> int:
    """Return m² + n - 2 with m = n - k: all messages of :func:`messages`.

    Examples
    --------
    Worst and best of ten:

    >>> message_count(10, 1), message_count(10, 9)
    (89, 9)
    """
    return messages(process_count, starter_rank).total


def message_count_mean(process_count: int) -> float:
    """Return the mean over a starter that is any of the n - 1 live processes alike: n (2n - 1) / 6 + n - 2.

    Raises
    ------
    ValueError
        If `process_count` is below 2.

    Examples
    --------
    >>> message_count_mean(5)
    10.5
    """
    if process_count < 2:
        raise ValueError(f"`process_count` must be at least 2, got {process_count}")
    return process_count * (2 * process_count - 1) / 6 + process_count - 2
