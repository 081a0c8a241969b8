"""What group commit costs and gains: batches and latencies of a log with one disk and random arrivals.

Theory of operation
-------------------
Records come in as a Poisson process of rate λ. The disk forces one batch at a time; a batch of b takes f(b) = s + b t.

*Greedy.* During a flush of a batch of b come K records, Poisson with mean μ(b) = λ f(b). They make the next batch; if
there are none, the next record makes a batch of its own when it comes. So batch sizes are a Markov chain, max(1, K).
For t = 0 its steps do not depend on each other, and the means have a closed form. A record that comes during a flush
waits half of it in the mean, and then for its own flush: with the stationary probabilities π(b),

    E[latency] = Σ π(b) [ μ f/2 + s μ + t (μ + μ²) + exp(-μ) f(1) ]  /  Σ π(b) [ μ + exp(-μ) ]

with f = f(b) and μ = μ(b): the sum of the latencies of a flush, over the records of a flush.

*Count.* Batches of exactly B are full after an Erlang time, and queue for the disk: E_B/D/1. Give every B-th record to
the same of B servers, and the same queue is seen by the records of M/D/B, served in turn; so the wait of a full batch
is that of a customer in M/D/B, for which Crommelin (1932) has a formula. It is *not* the wait in M/D/1: batches come
more regularly than at random.

Sources: Crommelin, "Delay probability formulae when the holding times are constant", *Post Office Electrical Engineers'
Journal* 25 (1932), in the form of Tijms, *A First Course in Stochastic Models* (2003), section 9.6.2; the rest is
derived here and in the chapter.

Examples
--------
1,000 commits a second on a disk that forces 500 times a second:

>>> f"{1000 * greedy_latency_mean(1000, 0.002):.4f} ms, {greedy_batch_mean(1000, 0.002):.4f} a batch"
'2.9366 ms, 2.1353 a batch'
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, pdtrc, xlogy

__all__ = [
    "best_count",
    "closed_loop_commits_per_force",
    "constant_service_wait_mean",
    "count_latency_mean",
    "greedy_batch_mean",
    "greedy_batch_probabilities",
    "greedy_latency_mean",
    "naive_count_latency_mean",
    "naive_greedy_latency",
    "saturated_throughput",
    "timer_added_seconds_mean",
    "timer_batch_mean",
]

Floats = NDArray[np.float64]
_LARGEST_CHAIN = 3000


# ------------------------------------------------------------------------------------------------------------- greedy


def greedy_batch_mean(arrivals_per_second: float, flush_seconds: float, record_seconds: float = 0.0) -> float:
    """Return the mean number of records in a batch: for t = 0, λs + exp(-λs).

    Parameters
    ----------
    arrivals_per_second
        λ, above 0.
    flush_seconds
        s, the time of a flush whatever is in it; above 0.
    record_seconds
        t, what each record adds; at least 0. Stable below 1/λ.

    Raises
    ------
    ValueError
        If an argument is out of range, or the disk cannot keep up.

    Examples
    --------
    Nobody is there to share with when arrivals are rare:

    >>> round(greedy_batch_mean(0.001, 0.002), 6)
    1.0
    """
    _require_greedy(arrivals_per_second, flush_seconds, record_seconds)
    if record_seconds == 0:
        load = arrivals_per_second * flush_seconds
        return load + math.exp(-load)
    sizes, shares = greedy_batch_probabilities(arrivals_per_second, flush_seconds, record_seconds)
    return float(sizes @ shares)


def greedy_latency_mean(arrivals_per_second: float, flush_seconds: float, record_seconds: float = 0.0) -> float:
    """Return the mean time from a record's arrival until it is on disk, in seconds.

    For t = 0 it is s (1.5 ρ + exp(-ρ)) / (ρ + exp(-ρ)) with ρ = λs: from s, when nobody is there, to 1.5 s, when
    somebody always is.

    Parameters
    ----------
    arrivals_per_second, flush_seconds, record_seconds
        See :func:`greedy_batch_mean`.

    See Also
    --------
    naive_greedy_latency : What is commonly said instead.

    Examples
    --------
    >>> round(1000 * greedy_latency_mean(1000, 0.002, 0.0002), 6)
    3.932268
    """
    _require_greedy(arrivals_per_second, flush_seconds, record_seconds)
    if record_seconds == 0:
        load = arrivals_per_second * flush_seconds
        alone = math.exp(-load)
        return flush_seconds * (1.5 * load + alone) / (load + alone)
    sizes, shares = greedy_batch_probabilities(arrivals_per_second, flush_seconds, record_seconds)
    seconds = flush_seconds + sizes * record_seconds
    met = arrivals_per_second * seconds
    alone_in = np.exp(-met)
    total = met * seconds / 2 + flush_seconds * met + record_seconds * (met + met**2)
    total += alone_in * (flush_seconds + record_seconds)
    return float(shares @ total) / float(shares @ (met + alone_in))


def greedy_batch_probabilities(
    arrivals_per_second: float, flush_seconds: float, record_seconds: float = 0.0
) -> tuple[Floats, Floats]:
    """Return the sizes of batches, 1, 2, …, and the share of batches that have each.

    The chain is cut off where a batch is as rare as rounding.

    Examples
    --------
    >>> sizes, shares = greedy_batch_probabilities(1000, 0.002)
    >>> [round(float(share), 4) for share in shares[:3]]
    [0.406, 0.2707, 0.1804]
    """
    _require_greedy(arrivals_per_second, flush_seconds, record_seconds)
    # The mean step from b leads to λs + λt b, whose fixed point the chain keeps to; its deviations are Poissonian.
    centre = arrivals_per_second * flush_seconds / (1 - arrivals_per_second * record_seconds)
    spread = math.sqrt((centre + 1) / (1 - (arrivals_per_second * record_seconds) ** 2))
    count = math.ceil(centre + 12 * spread + 30)
    if count > _LARGEST_CHAIN:
        raise ValueError(
            f"`arrivals_per_second` must leave batches of at most {_LARGEST_CHAIN}, got {arrivals_per_second!r}, "
            f"with which they grow to {count}"
        )
    sizes = np.arange(1.0, count + 1)
    met = arrivals_per_second * (flush_seconds + sizes * record_seconds)
    steps = np.exp(xlogy(sizes[None, :], met[:, None]) - met[:, None] - gammaln(sizes[None, :] + 1))
    steps[:, 0] += np.exp(-met)
    steps[:, -1] += 1 - steps.sum(axis=1)
    balance = steps.T - np.eye(count)
    balance[-1, :] = 1.0
    shares = np.linalg.solve(balance, np.append(np.zeros(count - 1), 1.0))
    return sizes, np.maximum(shares, 0.0)


def naive_greedy_latency(flush_seconds: float) -> float:
    """Return s/2 + s: as if a flush were always under way. Right for a busy disk, half too much for an idle one."""
    _require_above("flush_seconds", flush_seconds)
    return 1.5 * flush_seconds


def saturated_throughput(batch: int, flush_seconds: float, record_seconds: float) -> float:
    """Return how many records a second a disk makes durable in batches of b: b / (s + b t).

    Examples
    --------
    >>> round(saturated_throughput(1, 0.002, 0.0001)), round(saturated_throughput(64, 0.002, 0.0001))
    (476, 7619)
    """
    if batch < 1:
        raise ValueError(f"`batch` must be at least 1, got {batch!r}")
    _require_above("flush_seconds", flush_seconds)
    _require_at_least("record_seconds", record_seconds)
    return batch / (flush_seconds + batch * record_seconds)


def closed_loop_commits_per_force(client_count: int) -> float:
    """Return the commits per flush of clients that each commit again as soon as they may: n/2, and 1 for one.

    The first client that is told hands in its next commit at once, and the disk begins with that one. The others come
    back while it is busy, and are in the flush after it. So whoever is in a flush is not in the next one, but in the
    one after it, and two flushes in a row hold each client once. That needs answers that take different times: where
    all clients are back at the same instant, each flush holds all of them.
    """
    if client_count < 1:
        raise ValueError(f"`client_count` must be at least 1, got {client_count!r}")
    return max(1.0, client_count / 2)


# -------------------------------------------------------------------------------------------------------------- count


def constant_service_wait_mean(arrivals_per_second: float, service_seconds: float, servers: int) -> float:
    """Return the mean wait for one of several servers that each take a constant time, M/D/B, in seconds.

    With a = λs < B:  W = s Σ over i ≥ 1 of [ P(N(ia) ≥ iB) - (B/a) P(N(ia) ≥ iB + 1) ],  N(m) Poisson with mean m.

    Parameters
    ----------
    arrivals_per_second
        λ, above 0.
    service_seconds
        s, above 0.
    servers
        B, above λs.

    Raises
    ------
    ValueError
        If an argument is out of range, or the servers cannot keep up.

    Examples
    --------
    One server: the formula of Pollaczek and Khinchine, s ρ / (2 (1 - ρ)):

    >>> round(constant_service_wait_mean(0.5, 1.0, 1), 12)
    0.5
    """
    _require_above("arrivals_per_second", arrivals_per_second)
    _require_above("service_seconds", service_seconds)
    busy = arrivals_per_second * service_seconds
    if servers < 1 or busy >= servers:
        raise ValueError(f"`servers` must be a whole number above λs = {busy:.6g}, got {servers!r}")
    total, first, block = 0.0, 1, 256
    while True:
        i = np.arange(first, first + block, dtype=float)
        terms = pdtrc(i * servers - 1, i * busy) - servers / busy * pdtrc(i * servers, i * busy)
        total += float(terms.sum())
        # The terms fall geometrically in the end, so the last one bounds what is left.
        if abs(terms[-1]) * block <= 1e-13 * abs(total) or terms[-1] == 0.0:
            return service_seconds * total
        first, block = first + block, min(2 * block, 65536)


def count_latency_mean(arrivals_per_second: float, flush_seconds: float, count: int) -> float:
    """Return the mean latency in batches of exactly B, in seconds: (B-1)/(2λ) to fill, the wait of M/D/B, and s.

    See Also
    --------
    naive_count_latency_mean : What is commonly said instead.

    Examples
    --------
    >>> round(1000 * count_latency_mean(1000, 0.002, 3), 6)
    3.46853
    """
    fill = (count - 1) / (2 * arrivals_per_second)
    return fill + constant_service_wait_mean(arrivals_per_second, flush_seconds, count) + flush_seconds


def naive_count_latency_mean(arrivals_per_second: float, flush_seconds: float, count: int) -> float:
    """Return the latency as if full batches came at random, M/D/1 with rate λ/B: they come more evenly than that.

    Examples
    --------
    >>> round(1000 * naive_count_latency_mean(1000, 0.002, 3), 6)
    5.0
    """
    fill = (count - 1) / (2 * arrivals_per_second)
    return fill + constant_service_wait_mean(arrivals_per_second / count, flush_seconds, 1) + flush_seconds


def best_count(arrivals_per_second: float, flush_seconds: float, most: int = 200) -> int:
    """Return the batch size with the least mean latency, among those up to `most` with which the disk keeps up.

    Examples
    --------
    >>> best_count(1000, 0.002)
    3
    """
    least = math.floor(arrivals_per_second * flush_seconds) + 1
    if most < least:
        raise ValueError(f"`most` must be at least {least}, with which the disk keeps up, got {most!r}")
    counts = range(least, most + 1)
    return min(counts, key=lambda count: count_latency_mean(arrivals_per_second, flush_seconds, count))


# -------------------------------------------------------------------------------------------------------------- timer


def timer_batch_mean(arrivals_per_second: float, wait_seconds: float) -> float:
    """Return the mean batch of a timer that the first record starts: that record, and λT more."""
    _require_above("arrivals_per_second", arrivals_per_second)
    _require_at_least("wait_seconds", wait_seconds)
    return 1 + arrivals_per_second * wait_seconds


def timer_added_seconds_mean(arrivals_per_second: float, wait_seconds: float) -> float:
    """Return the mean time that records wait for the timer: T (1 + λT/2) / (1 + λT), in seconds.

    The first of a batch waits for all of T, the λT others for half of it. What the flush takes comes on top.

    Examples
    --------
    >>> round(1000 * timer_added_seconds_mean(1000, 0.005), 6)
    2.916667
    """
    met = timer_batch_mean(arrivals_per_second, wait_seconds) - 1
    return wait_seconds * (1 + met / 2) / (1 + met)


# ---------------------------------------------------------------------------------------------------------- arguments


def _require_greedy(arrivals_per_second: float, flush_seconds: float, record_seconds: float) -> None:
    _require_above("arrivals_per_second", arrivals_per_second)
    _require_above("flush_seconds", flush_seconds)
    _require_at_least("record_seconds", record_seconds)
    if arrivals_per_second * record_seconds >= 1:
        raise ValueError(
            f"`record_seconds` must be below 1/λ = {1 / arrivals_per_second:.6g}, or the disk cannot keep up, "
            f"got {record_seconds!r}"
        )


def _require_above(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")


def _require_at_least(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
