r"""What many machines cost and gain: sums over a network, rounds that do not wait for all, poor links, laws of scale.

Theory of operation
-------------------
*All-reduce.* B bytes on each of n workers, a start-up α for each message, a bandwidth w. A ring takes 2 (n - 1) steps
of B / n bytes each; halving and doubling moves as much in 2 log₂ n steps; a tree sends the whole up and down; s
parameter servers each take B / s from and to every worker, one after another.

*Rounds.* A worker takes a fixed time and an exponential one. The k-th of n exponentials has the mean
(H_n - H_(n-k)) / μ. A round that goes on with n - b gradients yields (n - b) / (a + (H_n - H_b) / μ) of them a second.

*A link that is mostly down.* Readings come at a rate r, and the link carries C while it is up; it goes down at a rate β
and up at a rate α. As a fluid, what waits has an atom at 0 and beyond it is exponential, with z = α / r - β / (C - r).

*Scale.* A share σ of the work that must be done by one at a time bounds the speed-up by 1 / σ (Amdahl); if the work
grows with the machines it does not (Gustafson); and if n machines have to agree in pairs, κ n (n - 1) turns the curve
down at √((1 - σ) / κ) (Gunther's universal scalability law).

Sources: R. Thakur, R. Rabenseifner and W. Gropp, *Optimization of Collective Communication Operations in MPICH*, 2005,
section 4.5, for all-reduce; D. Anick, D. Mitra and M. M. Sondhi, *Stochastic Theory of a Data-Handling System with
Multiple Sources*, BSTJ 61(8), 1982, for the fluid; G. Amdahl 1967; J. Gustafson 1988; N. Gunther, *A General Theory of
Computational Scalability Based on Rational Functions*, 2008.

Examples
--------
Sixteen workers sum up 400 MB each, at 10 GB/s and 10 µs a message:

>>> f"{1000 * ring_seconds(16, 400e6, 10e9, 10e-6):.1f} ms"
'75.3 ms'
>>> f"{1000 * parameter_server_seconds(16, 400e6, 10e9, server_count=4):.0f} ms"
'320 ms'
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.models.latency import Exponential
from distlib.models.order_statistics import order_statistic_mean

__all__ = [
    "amdahl_speed_up",
    "backlog_mean",
    "backlog_sf",
    "best_machine_count",
    "best_spare_count",
    "gradients_per_second",
    "gustafson_speed_up",
    "halving_doubling_seconds",
    "naive_ring_seconds",
    "parameter_server_seconds",
    "ring_seconds",
    "scan_seconds",
    "tree_seconds",
    "universal_speed_up",
]

Floats = NDArray[np.float64]

# --------------------------------------------------------------------------------------------------------- all-reduce


def ring_seconds(worker_count: int, byte_count: float, bytes_per_second: float, startup_seconds: float = 0.0) -> float:
    """Return the time of an all-reduce around a ring, in seconds: 2 (n - 1) (α + B / (n w)).

    Parameters
    ----------
    worker_count
        n, at least 1.
    byte_count
        B, what each worker holds; at least 0.
    bytes_per_second
        w, of each link in each direction; above 0.
    startup_seconds
        α, of each message; at least 0.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    However many workers there are, no link carries more than the whole twice:

    >>> round(ring_seconds(1000, 1e9, 1e9), 3)
    1.998
    """
    _require_transfer(worker_count, byte_count, bytes_per_second, startup_seconds)
    return 2 * (worker_count - 1) * (startup_seconds + byte_count / worker_count / bytes_per_second)


def naive_ring_seconds(
    worker_count: int, byte_count: float, bytes_per_second: float, startup_seconds: float = 0.0
) -> float:
    """Return n (α + B / (n w)), in seconds: as if the sums did not have to go round as well. Too low by almost half."""
    _require_transfer(worker_count, byte_count, bytes_per_second, startup_seconds)
    return worker_count * (startup_seconds + byte_count / worker_count / bytes_per_second)


def halving_doubling_seconds(
    worker_count: int, byte_count: float, bytes_per_second: float, startup_seconds: float = 0.0
) -> float:
    """Return the time by recursive halving and doubling, in seconds: 2 log2(n) α + 2 (n - 1) / n · B / w.

    The number of workers is a power of two.

    Examples
    --------
    It moves as much as a ring, in far fewer messages:

    >>> for startup in (0, 1e-4):
    ...     ring, halving = (f(64, 1e8, 1e10, startup) for f in (ring_seconds, halving_doubling_seconds))
    ...     print(f"{1000 * ring:.1f} ms, {1000 * halving:.1f} ms")
    19.7 ms, 19.7 ms
    32.3 ms, 20.9 ms
    """
    _require_transfer(worker_count, byte_count, bytes_per_second, startup_seconds)
    if worker_count & (worker_count - 1):
        raise ValueError(f"`worker_count` must be a power of two, got {worker_count}")
    moved = 2 * (worker_count - 1) / worker_count * byte_count / bytes_per_second
    return 2 * math.log2(worker_count) * startup_seconds + moved


def tree_seconds(worker_count: int, byte_count: float, bytes_per_second: float, startup_seconds: float = 0.0) -> float:
    """Return the time up and down a binary tree, in seconds: 2 ceil(log2 n) (α + B / w)."""
    _require_transfer(worker_count, byte_count, bytes_per_second, startup_seconds)
    depth = math.ceil(math.log2(worker_count))
    return 2 * depth * (startup_seconds + byte_count / bytes_per_second)


def parameter_server_seconds(
    worker_count: int, byte_count: float, bytes_per_second: float, *, server_count: int = 1
) -> float:
    """Return the time through parameter servers, in seconds: 2 max(n B / (s w), B / w).

    Each of s servers holds a part of the parameters and hears from all workers; start-ups are left out.

    Examples
    --------
    As many servers as workers, and no link is the bottleneck:

    >>> parameter_server_seconds(16, 1e9, 1e9, server_count=16)
    2.0
    """
    _require_transfer(worker_count, byte_count, bytes_per_second, 0.0)
    _require_count("server_count", server_count)
    whole = byte_count / bytes_per_second
    return 2 * max(worker_count * whole / server_count, whole)


def scan_seconds(byte_count: float, disk_count: int, bytes_per_second: float) -> float:
    """Return how long disks take to read something that is spread over them evenly, in seconds: B / (k w).

    Examples
    --------
    A petabyte from one disk, and from a thousand:

    >>> f"{scan_seconds(1e15, 1, 200e6) / 86400:.0f} days, {scan_seconds(1e15, 1000, 200e6) / 60:.0f} minutes"
    '58 days, 83 minutes'
    """
    _require_transfer(disk_count, byte_count, bytes_per_second, 0.0)
    return byte_count / disk_count / bytes_per_second


# -------------------------------------------------------------------------------------------------------------- rounds


def gradients_per_second(
    worker_count: int, spare_count: int, fixed_seconds: float, random_seconds_mean: float
) -> float:
    """Return how many gradients a second training uses that waits for all workers but b of them.

    (n - b) / (a + (H_n - H_b) m), for a fixed time a and an exponential one of mean m.

    Parameters
    ----------
    worker_count, spare_count
        n, at least 1, and b, in [0, n).
    fixed_seconds, random_seconds_mean
        a and m; at least 0, and not both 0.

    Examples
    --------
    >>> f"{gradients_per_second(100, 31, 1.0, 1.0):.5f}"
    '31.94249'
    """
    _require_count("worker_count", worker_count)
    if not 0 <= spare_count < worker_count:
        raise ValueError(f"`spare_count` must be in [0, {worker_count}), got {spare_count!r}")
    _require_at_least("fixed_seconds", fixed_seconds)
    _require_at_least("random_seconds_mean", random_seconds_mean)
    used = worker_count - spare_count
    wait = 0.0
    if random_seconds_mean > 0:
        wait = float(order_statistic_mean(Exponential(random_seconds_mean), used, worker_count))
    if fixed_seconds + wait == 0:
        raise ValueError("`fixed_seconds` or `random_seconds_mean` must be above 0: rounds of no time have no rate")
    return used / (fixed_seconds + wait)


def best_spare_count(worker_count: int, fixed_seconds: float, random_seconds_mean: float) -> int:
    """Return the number of workers that it is best not to wait for.

    Examples
    --------
    >>> best_spare_count(100, 1.0, 1.0)
    31
    """
    rates = [
        gradients_per_second(worker_count, spare, fixed_seconds, random_seconds_mean) for spare in range(worker_count)
    ]
    return int(np.argmax(rates))


# ----------------------------------------------------------------------------------------------- a link that is down


def _decay(readings_per_second: float, link_per_second: float, up_seconds: float, down_seconds: float) -> float:
    """Return z, the rate at which the law of the backlog falls; the arguments are checked here."""
    for name, value in (("up_seconds", up_seconds), ("down_seconds", down_seconds)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")
    if not (math.isfinite(readings_per_second) and readings_per_second > 0):
        raise ValueError(f"`readings_per_second` must be finite and above 0, got {readings_per_second!r}")
    carried = link_per_second * up_seconds / (up_seconds + down_seconds)
    if not readings_per_second < carried:
        raise ValueError(
            f"`readings_per_second` must be below {carried:.6g}, what the link carries on the whole, "
            f"got {readings_per_second!r}: the backlog would grow for ever"
        )
    if link_per_second <= readings_per_second:
        raise ValueError(f"`link_per_second` must be above `readings_per_second`, got {link_per_second!r}")
    return 1 / down_seconds / readings_per_second - 1 / up_seconds / (link_per_second - readings_per_second)


def backlog_sf(
    readings: ArrayLike, readings_per_second: float, link_per_second: float, up_seconds: float, down_seconds: float
) -> Any:
    """Return the probability that more than so many readings wait at a random moment, elementwise.

    β / (α + β) · C / (C - r) · e^(-z x), where the link is up for 1/β and down for 1/α in the mean, exponentially.

    Parameters
    ----------
    readings
        x, at least 0.
    readings_per_second
        r, of the device, as a fluid.
    link_per_second
        C, what the link carries while it is up.
    up_seconds, down_seconds
        Means of how long it is up, and down.

    Raises
    ------
    ValueError
        If an argument is out of its domain, or more comes than the link carries on the whole.

    Examples
    --------
    >>> f"{backlog_sf(1000, 10, 40, up_seconds=300, down_seconds=60):.10f}"
    '0.0469049084'
    """
    decay = _decay(readings_per_second, link_per_second, up_seconds, down_seconds)
    waiting = np.asarray(readings, float)
    if np.any(waiting < 0):
        raise ValueError(f"`readings` must be at least 0, got {float(waiting.min())!r}")
    down = down_seconds / (up_seconds + down_seconds)
    chance = down * link_per_second / (link_per_second - readings_per_second) * np.exp(-decay * waiting)
    return float(chance) if chance.ndim == 0 else chance


def backlog_mean(readings_per_second: float, link_per_second: float, up_seconds: float, down_seconds: float) -> float:
    """Return the mean number of readings that wait: the area under :func:`backlog_sf`.

    Examples
    --------
    >>> round(backlog_mean(10, 40, up_seconds=300, down_seconds=60), 1)
    142.9
    """
    decay = _decay(readings_per_second, link_per_second, up_seconds, down_seconds)
    at_zero = backlog_sf(0.0, readings_per_second, link_per_second, up_seconds, down_seconds)
    return float(at_zero) / decay


# --------------------------------------------------------------------------------------------------------------- scale


def amdahl_speed_up(machine_count: ArrayLike, serial_share: float) -> Any:
    """Return how many times as fast n machines do the same work: 1 / (σ + (1 - σ) / n), elementwise.

    Examples
    --------
    One twentieth of the work is done by one at a time, and a thousand machines are worth twenty:

    >>> f"{amdahl_speed_up(1000, 0.05):.1f}"
    '19.6'
    """
    return universal_speed_up(machine_count, serial_share, 0.0)


def gustafson_speed_up(machine_count: ArrayLike, serial_share: float) -> Any:
    """Return how many times as much n machines do in the same time, if the work grows with them: n - σ (n - 1).

    `serial_share` is that of the time on the n machines.
    """
    machines = _machines(machine_count)
    _require_share("serial_share", serial_share)
    return _like(machines - serial_share * (machines - 1))


def universal_speed_up(machine_count: ArrayLike, serial_share: float, pair_share: float) -> Any:
    """Return the speed-up where n machines also have to agree in pairs: n / (1 + σ (n - 1) + κ n (n - 1)), elementwise.

    Parameters
    ----------
    machine_count
        n, at least 1.
    serial_share
        σ, in [0, 1].
    pair_share
        κ, at least 0.
    """
    machines = _machines(machine_count)
    _require_share("serial_share", serial_share)
    _require_at_least("pair_share", pair_share)
    return _like(machines / (1 + serial_share * (machines - 1) + pair_share * machines * (machines - 1)))


def best_machine_count(serial_share: float, pair_share: float) -> float:
    """Return the number of machines beyond which more of them are slower: the root of (1 - σ) / κ.

    Examples
    --------
    >>> round(best_machine_count(0.05, 0.0001))
    97
    """
    _require_share("serial_share", serial_share)
    _require_at_least("pair_share", pair_share)
    return math.inf if pair_share == 0 else max(1.0, math.sqrt((1 - serial_share) / pair_share))


# --------------------------------------------------------------------------------------------------------- arguments


def _like(values: Floats) -> Any:
    return float(values) if np.ndim(values) == 0 else values


def _machines(count: ArrayLike) -> Floats:
    machines = np.asarray(count, float)
    if np.any(machines < 1):
        raise ValueError(f"`machine_count` must be at least 1, got {float(machines.min())!r}")
    return machines


def _require_transfer(count: int, byte_count: float, bytes_per_second: float, startup_seconds: float) -> None:
    _require_count("worker_count", count)
    _require_at_least("byte_count", byte_count)
    _require_at_least("startup_seconds", startup_seconds)
    if not (math.isfinite(bytes_per_second) and bytes_per_second > 0):
        raise ValueError(f"`bytes_per_second` must be finite and above 0, got {bytes_per_second!r}")


def _require_count(name: str, value: int) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` must be a whole number of at least 1, got {value!r}")


def _require_at_least(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be in [0, 1], got {value!r}")
