"""What a log costs in normal operation and after a crash: the forced commit, and redo against the checkpoint interval.

Theory of operation
-------------------
Changes come as a Poisson process of rate u and hit one of D pages each; a checkpoint every τ seconds leaves all pages
clean. The crash comes at a moment that is uniform in the interval. Then the log since the checkpoint holds uτ/2 records
in the mean. But a page that was changed a hundred times is read and written once. Page i, changed at the rate u_i, is
untouched for an age a with probability exp(-u_i a); averaged over an age uniform in [0, τ], with x_i = u_i τ,

    P(page i needs redo) = 1 - (1 - exp(-x_i)) / x_i .

For D pages that are equally hot the sum is D [1 - (1 - exp(-x))/x] with x = uτ/D.

Sources: the formulas are derived in the chapter; the square root of the best interval is that of Young, "A first order
approximation to the optimum checkpoint interval", *Communications of the ACM* 17(9), 1974.

Examples
--------
>>> round(distinct_redo_pages_mean(100_000, 500, 300), 3)
48208.677
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from distlib.models.latency import Law, require_law

__all__ = [
    "best_checkpoint_interval",
    "checkpoint_cost_per_second",
    "distinct_redo_pages_mean",
    "distinct_redo_pages_of",
    "forced_commit_latency_mean",
    "linear_best_checkpoint_interval",
    "redo_records_mean",
    "undo_records_mean",
    "zipf_update_rates",
]

Floats = NDArray[np.float64]


def forced_commit_latency_mean(leg: Law, force_seconds: float, back: Law | None = None) -> float:
    """Return the mean time from a client's request to its answer on one server: E[A] + f + E[B], in seconds.

    One-phase commit: one server, its log forced once, nobody else to ask.

    Parameters
    ----------
    leg
        Law of the leg to the server, in seconds; also of the leg back, unless `back` is given.
    force_seconds
        What it takes to force the log, at least 0.
    back
        Law of the leg back.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> round(forced_commit_latency_mean(Exponential(0.001), 0.002), 9)
    0.004
    """
    _require_at_least("force_seconds", force_seconds)
    there, returning = require_law("leg", leg), require_law("back", back or leg)
    return float(there.mean()) + force_seconds + float(returning.mean())


# --------------------------------------------------------------------------------------------------------------- redo


def redo_records_mean(updates_per_second: float, interval_seconds: float) -> float:
    """Return the mean number of records since the last checkpoint, uτ/2."""
    _require_at_least("updates_per_second", updates_per_second)
    _require_at_least("interval_seconds", interval_seconds)
    return updates_per_second * interval_seconds / 2


def distinct_redo_pages_mean(page_count: int, updates_per_second: float, interval_seconds: float) -> float:
    """Return the mean number of pages that redo has to read, where all are equally hot.

    Parameters
    ----------
    page_count
        D, at least 1.
    updates_per_second
        u, at least 0.
    interval_seconds
        τ between checkpoints, at least 0.

    Examples
    --------
    Rare changes hit different pages, so there are as many pages as records; many changes hit all pages:

    >>> round(distinct_redo_pages_mean(1_000_000, 2, 10), 3), round(distinct_redo_pages_mean(10, 10, 1000), 3)
    (10.0, 9.99)
    """
    if page_count < 1:
        raise ValueError(f"`page_count` must be at least 1, got {page_count!r}")
    _require_at_least("updates_per_second", updates_per_second)
    one = distinct_redo_pages_of(np.array([updates_per_second / page_count]), interval_seconds)
    return page_count * one


def distinct_redo_pages_of(updates_per_second: ArrayLike, interval_seconds: float) -> float:
    """Return the mean number of pages that redo has to read, each changed at a rate of its own.

    Parameters
    ----------
    updates_per_second
        u_i for each page.
    interval_seconds
        τ between checkpoints, at least 0.

    Examples
    --------
    >>> round(distinct_redo_pages_of(zipf_update_rates(1000, 1.0, 100), 10), 3)
    198.555
    """
    rates = np.asarray(updates_per_second, dtype=float)
    if rates.ndim != 1 or not np.all(np.isfinite(rates) & (rates >= 0)):
        raise ValueError("`updates_per_second` must hold a finite rate of at least 0 for each page")
    _require_at_least("interval_seconds", interval_seconds)
    x = rates * interval_seconds
    # For small x the difference would lose its digits: 1 - (1 - exp(-x))/x = x/2 - x²/6 + …
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(x < 1e-5, x / 2 - x**2 / 6, 1 + np.expm1(-x) / x)
    return float(shares.sum())


def zipf_update_rates(page_count: int, exponent: float, updates_per_second: float) -> Floats:
    """Return rates in proportion to 1/i^exponent for pages i = 1 … D that add up to `updates_per_second`.

    Examples
    --------
    >>> [float(rate) for rate in zipf_update_rates(3, 1.0, 11.0)]
    [6.0, 3.0, 2.0]
    """
    if page_count < 1:
        raise ValueError(f"`page_count` must be at least 1, got {page_count!r}")
    _require_at_least("exponent", exponent)
    _require_at_least("updates_per_second", updates_per_second)
    weights = np.arange(1.0, page_count + 1) ** -exponent
    return np.asarray(updates_per_second * weights / weights.sum())


def undo_records_mean(transactions_per_second: float, duration_seconds: float, records: float) -> float:
    """Return the mean number of records to be undone: those that are active (Little), each with half its records.

    Parameters
    ----------
    transactions_per_second, duration_seconds
        How many begin a second, and how long each is active in the mean.
    records
        How many records each writes, evenly over its life.

    Examples
    --------
    >>> undo_records_mean(100, 0.05, 8)
    20.0
    """
    for name, value in (
        ("transactions_per_second", transactions_per_second),
        ("duration_seconds", duration_seconds),
        ("records", records),
    ):
        _require_at_least(name, value)
    return transactions_per_second * duration_seconds * records / 2


# ----------------------------------------------------------------------------------------------------------- interval


def checkpoint_cost_per_second(
    interval_seconds: float,
    checkpoint_seconds: float,
    crashes_per_second: float,
    recovery_seconds: Callable[[float], float],
) -> float:
    """Return the share of time that goes into checkpoints and recoveries: C/τ + λ R(τ).

    Parameters
    ----------
    interval_seconds
        τ, above 0.
    checkpoint_seconds
        C, what a checkpoint costs.
    crashes_per_second
        λ.
    recovery_seconds
        R, the mean time of a recovery as a function of τ.
    """
    if not interval_seconds > 0:
        raise ValueError(f"`interval_seconds` must be above 0, got {interval_seconds!r}")
    _require_at_least("checkpoint_seconds", checkpoint_seconds)
    _require_at_least("crashes_per_second", crashes_per_second)
    return checkpoint_seconds / interval_seconds + crashes_per_second * recovery_seconds(interval_seconds)


def linear_best_checkpoint_interval(
    checkpoint_seconds: float, crashes_per_second: float, redo_seconds_per_second: float
) -> float:
    """Return √(2C / (λ r)), the best interval if recovery takes r τ/2: redo in proportion to the log.

    Examples
    --------
    >>> round(linear_best_checkpoint_interval(2.0, 1 / 86400, 0.5), 3)
    831.384
    """
    for name, value in (
        ("crashes_per_second", crashes_per_second),
        ("redo_seconds_per_second", redo_seconds_per_second),
    ):
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0, got {value!r}")
    _require_at_least("checkpoint_seconds", checkpoint_seconds)
    return math.sqrt(2 * checkpoint_seconds / (crashes_per_second * redo_seconds_per_second))


def best_checkpoint_interval(
    checkpoint_seconds: float,
    crashes_per_second: float,
    recovery_seconds: Callable[[float], float],
    *,
    longest_seconds: float,
) -> float:
    """Return the interval up to `longest_seconds` with the least :func:`checkpoint_cost_per_second`.

    Examples
    --------
    In proportion to the log it is the square root:

    >>> best = best_checkpoint_interval(2.0, 1 / 86400, lambda tau: 0.5 * tau / 2, longest_seconds=86400)
    >>> abs(best / linear_best_checkpoint_interval(2.0, 1 / 86400, 0.5) - 1) < 1e-3
    True
    """
    if not longest_seconds > 0:
        raise ValueError(f"`longest_seconds` must be above 0, got {longest_seconds!r}")

    def cost(logarithm: float) -> float:
        interval = math.exp(logarithm)
        return checkpoint_cost_per_second(interval, checkpoint_seconds, crashes_per_second, recovery_seconds)

    # A cost with pages that saturate can have two valleys: look on a grid first, then in the best valley.
    grid = np.linspace(math.log(longest_seconds) - 25, math.log(longest_seconds), 501)
    best = int(np.argmin([cost(point) for point in grid]))
    if best == len(grid) - 1:
        return longest_seconds
    around = (float(grid[max(best - 1, 0)]), float(grid[best + 1]))
    minimize: Any = minimize_scalar
    found = minimize(cost, bounds=around, method="bounded", options={"xatol": 1e-9})
    return math.exp(float(found.x))


def _require_at_least(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
