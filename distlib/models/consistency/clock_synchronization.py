r"""How wrong a clock is after it has asked for the time.

Theory of operation
-------------------
An answer takes two legs, and the midpoint is right if they were equally long. So its error is half of their difference.
Let each leg take a fixed time and, on top, an exponential time of mean m. The difference of two of these has Laplace's
law, and half of it has the mean size m / 2.

Of k answers the one with the shortest legs is kept. Given the sum of two exponential times, one of them is uniform on
it: so the error, given the smallest sum J, is uniform on ± J / 2, and its mean size is E[J] / 4. The sum of two is
above x with probability :math:`e^{-x/m} (1 + x/m)`, the smallest of k with the k-th power of that, and the area under
it is a finite sum.

Sources: Cristian, *Probabilistic clock synchronization* (Distributed Computing 3(3), 1989); the sum is known from the
birthday problem: Flajolet, Grabner, Kirschenhofer and Prodinger, *On Ramanujan's Q-function* (Journal of Computational
and Applied Mathematics 58(1), 1995).
"""

from __future__ import annotations

import math

__all__ = ["agreed_width_mean", "best_of_error_mean", "error_bound_seconds", "resynchronization_seconds"]


def best_of_error_mean(probe_count: int, jitter_mean_seconds: float) -> float:
    r"""Return the mean size of the error of the best of k answers.

    It is :math:`\frac m4 \sum_{j=0}^k \binom kj j! / k^{j+1}`, and falls like :math:`\frac m4 \sqrt{\pi / (2 k)}`.

    Parameters
    ----------
    probe_count
        k, at least 1.
    jitter_mean_seconds
        m, the mean of the exponential part of each leg; at least 0.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> best_of_error_mean(1, 0.001)
    0.0005
    >>> round(best_of_error_mean(8, 1.0), 6)
    0.132657
    """
    if probe_count < 1:
        raise ValueError(f"`probe_count` must be at least 1, got {probe_count!r}")
    if not 0 <= jitter_mean_seconds < math.inf:
        raise ValueError(f"`jitter_mean_seconds` must be finite and at least 0, got {jitter_mean_seconds!r}")
    k, term, total = probe_count, 1 / probe_count, 0.0
    for j in range(k + 1):
        total += term
        term *= (k - j) / k
    return jitter_mean_seconds / 4 * total


def error_bound_seconds(delay_seconds: float, shortest_leg_seconds: float = 0.0) -> float:
    """Return the largest error of an answer: half of both its legs, less the shortest that a leg can take.

    Parameters
    ----------
    delay_seconds
        Both legs together, without the time that the question lay at the server.
    shortest_leg_seconds
        In [0, `delay_seconds` / 2].

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(error_bound_seconds(0.010, 0.002), 6)
    0.003
    """
    if not 0 <= delay_seconds < math.inf:
        raise ValueError(f"`delay_seconds` must be finite and at least 0, got {delay_seconds!r}")
    if not 0 <= shortest_leg_seconds <= delay_seconds / 2:
        raise ValueError(f"`shortest_leg_seconds` must be in [0, {delay_seconds / 2:g}], got {shortest_leg_seconds!r}")
    return delay_seconds / 2 - shortest_leg_seconds


def resynchronization_seconds(difference_seconds: float, drift: float) -> float:
    """Return how often two clocks must be set so that they never differ by more: D / (2 ρ).

    Parameters
    ----------
    difference_seconds
        D, at least 0.
    drift
        ρ, the largest share by which a clock runs fast or slow; above 0. Two clocks may run in opposite directions.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(resynchronization_seconds(0.012, 200e-6), 6)
    30.0
    """
    if not 0 <= difference_seconds < math.inf:
        raise ValueError(f"`difference_seconds` must be finite and at least 0, got {difference_seconds!r}")
    if not 0 < drift < 1:
        raise ValueError(f"`drift` must be in (0, 1), got {drift!r}")
    return difference_seconds / (2 * drift)


def agreed_width_mean(server_count: int, radius_seconds: float) -> float:
    """Return the mean width of the intersection of m true intervals: 4 ε / (m + 1).

    Each has the half-width ε, and a centre that is off by anything from -ε to ε with the same probability. The
    intersection reaches from the largest centre less ε to the smallest plus ε, and the centres' range is 2 ε (m - 1) /
    (m + 1) in the mean.

    Parameters
    ----------
    server_count
        m, at least 1.
    radius_seconds
        ε, at least 0.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> agreed_width_mean(7, 0.005)
    0.0025
    """
    if server_count < 1:
        raise ValueError(f"`server_count` must be at least 1, got {server_count!r}")
    if not 0 <= radius_seconds < math.inf:
        raise ValueError(f"`radius_seconds` must be finite and at least 0, got {radius_seconds!r}")
    return 4 * radius_seconds / (server_count + 1)
