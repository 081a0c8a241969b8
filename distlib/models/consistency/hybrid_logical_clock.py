"""How far a hybrid logical clock can be from physical time, and how large its counter can grow.

Theory of operation
-------------------
The logical time l of an event is the largest reading in its past. If no two clocks ever differ by more than E, then the
node with that reading was at most E ahead when it read, and has not been overtaken by more than E since: the own
reading is at least l - E. A bound on the *error* of each clock, half as large, gives the same bound on l: two clocks
that are both within ε of true time differ by up to 2 ε.

The counter grows along a chain of events that all have the same l. If each node's clock moves by at least a tick
between two of its events, a node can have at most E + 1 events with that l, and there are N nodes.

Source: Kulkarni, Demirbas, Madappa, Avva and Leone, *Logical Physical Clocks* (OPODIS 2014), section 3.2.
"""

from __future__ import annotations

import math

__all__ = ["counter_bound", "lead_bound_seconds", "lead_seconds"]


def lead_bound_seconds(error_seconds: float) -> float:
    """Return the bound on l - p: 2 ε.

    Parameters
    ----------
    error_seconds
        ε, by how much any clock may be off true time, to either side; at least 0.

    Raises
    ------
    ValueError
        If it is below 0 or not finite.

    Examples
    --------
    >>> lead_bound_seconds(0.004)
    0.008
    """
    if not 0 <= error_seconds < math.inf:
        raise ValueError(f"`error_seconds` must be finite and at least 0, got {error_seconds!r}")
    return 2 * error_seconds


def lead_seconds(ahead_seconds: float, behind_seconds: float, delay_seconds: float) -> float:
    """Return l - p at a node whose clock is behind, when it hears from one whose clock is ahead.

    Parameters
    ----------
    ahead_seconds, behind_seconds
        By how much the sender's clock is ahead of true time, and the receiver's behind it.
    delay_seconds
        How long the message takes; at least 0.

    Raises
    ------
    ValueError
        If `delay_seconds` is below 0.

    Examples
    --------
    >>> round(lead_seconds(0.004, 0.004, 0.001), 6)
    0.007
    """
    if not delay_seconds >= 0:
        raise ValueError(f"`delay_seconds` must be at least 0, got {delay_seconds!r}")
    return max(0.0, ahead_seconds + behind_seconds - delay_seconds)


def counter_bound(node_count: int, difference_ticks: int) -> int:
    """Return the bound on the counter: N (E + 1).

    Parameters
    ----------
    node_count
        N, at least 1.
    difference_ticks
        E, the largest difference between two clocks, in ticks; at least 0. Each clock moves by at least a tick between
        two events of its node.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> counter_bound(4, 8)
    36
    """
    if node_count < 1:
        raise ValueError(f"`node_count` must be at least 1, got {node_count!r}")
    if difference_ticks < 0:
        raise ValueError(f"`difference_ticks` must be at least 0, got {difference_ticks!r}")
    return node_count * (difference_ticks + 1)
