r"""What a Chandy-Lamport snapshot costs: its markers, its duration, and what it finds on the channels.

Model: n branches, a channel from each to each other one, every message takes the same time d. Transfers on each channel
are a Poisson process of rate :math:`\lambda`, independent of the snapshot.

Source: K. M. Chandy and L. Lamport, "Distributed snapshots: determining global states of distributed systems", *ACM
Transactions on Computer Systems* 3(1), 1985. The counts are derived here from its rules.

Examples
--------
>>> marker_count(8), snapshot_seconds(0.004)
(56, 0.008)
>>> round(recorded_messages_mean(8, 50, 0.004), 6)
11.2
"""

from __future__ import annotations

import math

__all__ = ["marker_count", "recorded_messages_mean", "snapshot_seconds"]


def _require_branches(branches: int) -> None:
    if isinstance(branches, bool) or not isinstance(branches, int) or branches < 2:
        raise ValueError(f"`branches` must be a whole number of at least 2, got {branches!r}")


def _require_at_least_0(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")


def marker_count(branches: int) -> int:
    r"""Return the number of markers: one on each channel, :math:`n(n - 1)`.

    Parameters
    ----------
    branches
        n, at least 2.

    Raises
    ------
    ValueError
        If there are fewer than two branches.

    Examples
    --------
    >>> marker_count(3)
    6
    """
    _require_branches(branches)
    return branches * (branches - 1)


def snapshot_seconds(delay_seconds: float) -> float:
    """Return the time from the first recording to the last marker, 2 d, where every message takes d.

    Parameters
    ----------
    delay_seconds
        d in seconds, at least 0.

    Raises
    ------
    ValueError
        If the delay is negative or infinite.

    Examples
    --------
    >>> snapshot_seconds(0.004)
    0.008
    """
    _require_at_least_0("delay_seconds", delay_seconds)
    return 2 * delay_seconds


def recorded_messages_mean(branches: int, rate_per_second: float, delay_seconds: float) -> float:
    r"""Return the mean number of transfers that a snapshot records on the channels, :math:`\lambda d\, n (n - 1)`.

    A channel to the initiator is open for 2 d, one from it never, each of the others for d.

    Parameters
    ----------
    branches
        n, at least 2.
    rate_per_second
        Transfers on each channel, in 1/s, at least 0.
    delay_seconds
        d in seconds, at least 0.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> recorded_messages_mean(2, 100, 0.01)
    2.0
    """
    _require_branches(branches)
    _require_at_least_0("rate_per_second", rate_per_second)
    _require_at_least_0("delay_seconds", delay_seconds)
    to_initiator, others = branches - 1, (branches - 1) * (branches - 2)
    return rate_per_second * delay_seconds * (2 * to_initiator + others)
