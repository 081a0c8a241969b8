r"""What it costs to wait until a stamp has passed for certain.

Theory of operation
-------------------
A leader takes the latest that it may be, its reading plus ε, and waits until the earliest that it may be, its reading
minus ε, is above that: 2 ε after it chose. If it replicates meanwhile, which takes L, the write is done after the
longer of the two. For L exponential with the mean m,

.. math:: \mathbb E[\max(2\varepsilon, L)] = 2\varepsilon + m\, e^{-2\varepsilon/m}.

It is the larger of the two and never their sum, however late somebody begins to look at the clock: what is waited for
is a moment, and the moment is fixed when the stamp is chosen.

Between two synchronisations the uncertainty grows with the drift, so that over time it looks like the teeth of a saw,
and at a random moment it is uniform between its ends.

Source: Corbett et al., *Spanner: Google's Globally-Distributed Database* (OSDI 2012), sections 3 and 4.2.1.
"""

from __future__ import annotations

import math

__all__ = [
    "commit_latency_mean",
    "extra_wait_mean",
    "sawtooth_commit_latency_mean",
    "serial_writes_per_second",
]


def _require(epsilon_seconds: float, replication_mean_seconds: float) -> None:
    if not 0 <= epsilon_seconds < math.inf:
        raise ValueError(f"`epsilon_seconds` must be finite and at least 0, got {epsilon_seconds!r}")
    if not 0 < replication_mean_seconds < math.inf:
        raise ValueError(f"`replication_mean_seconds` must be finite and above 0, got {replication_mean_seconds!r}")


def commit_latency_mean(epsilon_seconds: float, replication_mean_seconds: float) -> float:
    r"""Return the mean time from the choice of a stamp until the write is done: :math:`2ε + m e^{-2ε/m}`.

    Parameters
    ----------
    epsilon_seconds
        ε, at least 0.
    replication_mean_seconds
        m, the mean of the exponential time that replication takes; above 0.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(commit_latency_mean(0.004, 0.005) * 1000, 6)
    9.009483
    """
    _require(epsilon_seconds, replication_mean_seconds)
    wait, m = 2 * epsilon_seconds, replication_mean_seconds
    return wait + m * math.exp(-wait / m)


def extra_wait_mean(epsilon_seconds: float, replication_mean_seconds: float) -> float:
    r"""Return how much longer a write takes than without the wait, in the mean: :math:`2ε - m (1 - e^{-2ε/m})`.

    Parameters
    ----------
    epsilon_seconds, replication_mean_seconds
        As for :func:`commit_latency_mean`.

    Examples
    --------
    >>> round(extra_wait_mean(0.004, 0.005) * 1000, 6)
    4.009483
    """
    _require(epsilon_seconds, replication_mean_seconds)
    wait, m = 2 * epsilon_seconds, replication_mean_seconds
    return wait + m * math.expm1(-wait / m)


def sawtooth_commit_latency_mean(
    least_epsilon_seconds: float, largest_epsilon_seconds: float, replication_mean_seconds: float
) -> float:
    r"""Return the mean of :func:`commit_latency_mean` over an ε that is uniform between two values.

    It is :math:`ε_0 + ε_1 + \frac{m^2}{2} (e^{-2ε_0/m} - e^{-2ε_1/m}) / (ε_1 - ε_0)`.

    Parameters
    ----------
    least_epsilon_seconds, largest_epsilon_seconds
        ε₀ < ε₁.
    replication_mean_seconds
        m, above 0.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(sawtooth_commit_latency_mean(0.001, 0.007, 0.005) * 1000, 6)
    9.269812
    """
    _require(least_epsilon_seconds, replication_mean_seconds)
    _require(largest_epsilon_seconds, replication_mean_seconds)
    if not least_epsilon_seconds < largest_epsilon_seconds:
        raise ValueError(
            f"`largest_epsilon_seconds` must be above {least_epsilon_seconds!r}, got {largest_epsilon_seconds!r}"
        )
    low, high, m = least_epsilon_seconds, largest_epsilon_seconds, replication_mean_seconds
    return low + high + m**2 / 2 * (math.exp(-2 * low / m) - math.exp(-2 * high / m)) / (high - low)


def serial_writes_per_second(epsilon_seconds: float, replication_mean_seconds: float) -> float:
    """Return how many writes of one key a second are possible, one after another: 1 / E[max(2 ε, L)].

    Parameters
    ----------
    epsilon_seconds, replication_mean_seconds
        As for :func:`commit_latency_mean`.

    Examples
    --------
    >>> round(serial_writes_per_second(0.004, 0.005))
    111
    """
    return 1 / commit_latency_mean(epsilon_seconds, replication_mean_seconds)
