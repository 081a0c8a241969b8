"""What Chang and Roberts' election costs in messages: exact, for each arrangement of the numbers on the ring.

Theory of operation
-------------------
All start: the probe of a process travels to the first higher number, and no
further. Of the arrangements of n numbers, the probe of the k-th highest gets past its first j - 1 neighbours with
the chance that these are all lower; summed over everybody, n times the harmonic number H_n. The best arrangement
takes 2n - 1 probes, the worst n (n + 1) / 2.

One starts: whatever lies between the starter and the highest number is passed once, by this probe or that; then
the highest goes around. With d steps from the starter to the highest: d + n.

In both cases the announcement takes n messages more.

Sources: Chang and Roberts (1979) for the mean; Coulouris et al. (2012), section 15.3, for one starter.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "announcement_count",
    "harmonic_number",
    "probe_count",
    "probe_count_best",
    "probe_count_mean",
    "probe_count_worst",
    "total_with_one_starter",
    "total_with_one_starter_mean",
]


def _require_size(process_count: int) -> int:
    if process_count < 1:
        raise ValueError(f"`process_count` must be at least 1, got {process_count}")
    return process_count


def probe_count(numbers: Sequence[int]) -> int:
    """Return how many times a probe is sent if all start at once.

    Parameters
    ----------
    numbers
        Those of the processes, in the order in which probes travel; all different.

    Raises
    ------
    ValueError
        If there is none, or two are equal.

    Examples
    --------
    >>> probe_count([1, 2, 3, 4]), probe_count([4, 3, 2, 1])
    (7, 10)
    """
    size = _require_size(len(numbers))
    if len(set(numbers)) < size:
        raise ValueError(f"`numbers` must differ, got {list(numbers)}")
    steps = 0
    for place, number in enumerate(numbers):
        steps += next(step for step in range(1, size + 1) if numbers[(place + step) % size] >= number)
    return steps


def harmonic_number(count: int) -> float:
    """Return 1 + 1/2 + … + 1/count."""
    return sum(1 / k for k in range(1, count + 1))


def probe_count_mean(process_count: int) -> float:
    """Return n H_n, the mean number of probes over all arrangements, if all start.

    Examples
    --------
    >>> round(probe_count_mean(10), 6)
    29.289683
    """
    return _require_size(process_count) * harmonic_number(process_count)


def probe_count_best(process_count: int) -> int:
    """Return 2n - 1: each probe but the winner's is swallowed by the first neighbour."""
    return 2 * _require_size(process_count) - 1


def probe_count_worst(process_count: int) -> int:
    """Return n (n + 1) / 2: each probe travels until it meets the winner."""
    return _require_size(process_count) * (process_count + 1) // 2


def announcement_count(process_count: int) -> int:
    """Return n: the announcement goes around once."""
    return _require_size(process_count)


def total_with_one_starter(process_count: int, steps_to_highest: int) -> int:
    """Return all messages if only one process starts: d + 2n.

    Parameters
    ----------
    process_count
        n, at least 1.
    steps_to_highest
        d, from the starter to the highest number, in [0, n - 1].

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> total_with_one_starter(10, 9)
    29
    """
    _require_size(process_count)
    if not 0 <= steps_to_highest < process_count:
        raise ValueError(f"`steps_to_highest` must be in [0, {process_count - 1}], got {steps_to_highest}")
    return steps_to_highest + 2 * process_count


def total_with_one_starter_mean(process_count: int) -> float:
    """Return 2n + (n - 1) / 2, the mean over a starter that is any process alike.

    Examples
    --------
    >>> total_with_one_starter_mean(10)
    24.5
    """
    return 2 * _require_size(process_count) + (process_count - 1) / 2
