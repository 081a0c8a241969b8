r"""Queues: how long jobs wait, from how often they come, how long they take, and how many workers there are.

Theory of operation
-------------------
*Little's law* needs no assumption but that things settle: the mean number in a system is the rate at which they come
times the mean time that they stay, L = λ W. It is a way of counting the same area twice, once by the moment and once by
the job.

*One worker, Poisson arrivals, any law of service S.* A job that comes finds the work that is left, and by
Poisson arrivals it finds it as it is at a random moment. The job in service has, if there is one, E[S²] / (2 E[S]) left
in the mean (the paradox of the bus stop), and the line has λ W_q jobs of E[S] each. So W_q = ρ E[S²]/(2 E[S]) +
λ W_q E[S], which gives the formula of Pollaczek and Khinchine:

    W_q  =  λ E[S²] / (2 (1 - ρ)),      ρ = λ E[S] < 1.

*Several workers, exponential service.* The probability that all c are busy is Erlang's C; then a job waits, and how
long is exponential with the rate c μ - λ at which the line shrinks.

Sources: L. Kleinrock, *Queueing Systems* I, 1975, section 2.1 for Little's law, 5.6 for Pollaczek and Khinchine, 3.5
for Erlang's C.

Examples
--------
A worker who is busy four fifths of the time, with jobs of 10 ms each; first all alike, then exponential:

>>> from distlib.models.latency import Constant, Exponential
>>> for service in (Constant(0.010), Exponential(0.010)):
...     print(f"{1000 * waiting_seconds_mean(80, service):.0f} ms")
20 ms
40 ms
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.models.latency import Law, require_law

__all__ = [
    "in_system_mean",
    "multi_server_response_seconds_mean",
    "multi_server_response_sf",
    "naive_waiting_seconds",
    "queueing_probability",
    "response_seconds_mean",
    "utilisation",
    "waiting_seconds_mean",
]

Floats = NDArray[np.float64]


def utilisation(arrivals_per_second: float, service: Law, *, worker_count: int = 1) -> float:
    """Return the share of the time for which a worker is busy, ρ = λ E[S] / c.

    Parameters
    ----------
    arrivals_per_second
        λ, at least 0.
    service
        Law of the time that a job takes, in seconds.
    worker_count
        c, at least 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain, or more comes than the workers can do: ρ must be below 1.

    Examples
    --------
    >>> from distlib.models.latency import Constant
    >>> utilisation(80, Constant(0.010))
    0.8
    """
    _require_rate("arrivals_per_second", arrivals_per_second)
    require_law("service", service)
    _require_count("worker_count", worker_count)
    share = arrivals_per_second * float(service.mean()) / worker_count
    if not share < 1:
        raise ValueError(
            f"`arrivals_per_second` must be below {worker_count / float(service.mean()):.6g}, what the workers can do, "
            f"got {arrivals_per_second!r}: the line would grow for ever"
        )
    return share


def waiting_seconds_mean(arrivals_per_second: float, service: Law) -> float:
    """Return the mean time in the line of one worker, W_q = λ E[S²] / (2 (1 - ρ)), in seconds.

    Parameters
    ----------
    arrivals_per_second, service
        As in :func:`utilisation`; arrivals are Poisson.

    Returns
    -------
    float
        Infinite if the service has no variance that is finite.

    See Also
    --------
    naive_waiting_seconds : What is commonly taken instead.

    Examples
    --------
    Nobody waits if hardly anybody comes, and twice the load is more than twice the wait:

    >>> from distlib.models.latency import Exponential
    >>> [round(1000 * waiting_seconds_mean(rate, Exponential(0.010)), 1) for rate in (1, 40, 80)]
    [0.1, 6.7, 40.0]
    """
    busy = utilisation(arrivals_per_second, service)
    second_moment = float(service.std()) ** 2 + float(service.mean()) ** 2
    return arrivals_per_second * second_moment / (2 * (1 - busy))


def naive_waiting_seconds(arrivals_per_second: float, service: Law) -> float:
    """Return ρ E[S], in seconds: as if a job found at most the one in service, and all of it. Too low when busy."""
    return utilisation(arrivals_per_second, service) * float(service.mean())


def response_seconds_mean(arrivals_per_second: float, service: Law) -> float:
    """Return the mean time from a job's arrival until it is done by one worker, W = W_q + E[S], in seconds.

    Examples
    --------
    With exponential service it is E[S] / (1 - ρ):

    >>> from distlib.models.latency import Exponential
    >>> round(response_seconds_mean(90, Exponential(0.010)), 9)
    0.1
    """
    return waiting_seconds_mean(arrivals_per_second, service) + float(service.mean())


def in_system_mean(arrivals_per_second: float, response_seconds: float) -> float:
    """Return the mean number in a system by Little's law, L = λ W.

    Parameters
    ----------
    arrivals_per_second
        λ, at least 0: what comes, is let in and goes out again.
    response_seconds
        W, the mean time that it stays; at least 0.

    Examples
    --------
    A thousand requests a second that stay for 50 ms are 50 at a time:

    >>> in_system_mean(1000, 0.050)
    50.0
    """
    _require_rate("arrivals_per_second", arrivals_per_second)
    _require_rate("response_seconds", response_seconds)
    return arrivals_per_second * response_seconds


def queueing_probability(worker_count: int, offered_load: float) -> float:
    """Return the probability that all workers are busy when a job comes, Erlang's C.

    By the recursion of Erlang's B, which neither overflows nor subtracts: B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1)),
    and C = B / (1 - ρ (1 - B)).

    Parameters
    ----------
    worker_count
        c, at least 1.
    offered_load
        a = λ E[S], in workers; in [0, c).

    Examples
    --------
    >>> round(queueing_probability(20, 17), 10)
    0.3850562299
    """
    _require_count("worker_count", worker_count)
    if not 0 <= offered_load < worker_count:
        raise ValueError(f"`offered_load` must be in [0, {worker_count}), got {offered_load!r}")
    blocked = 1.0
    for busy in range(1, worker_count + 1):
        blocked = offered_load * blocked / (busy + offered_load * blocked)
    share = offered_load / worker_count
    return blocked / (1 - share * (1 - blocked))


def multi_server_response_seconds_mean(
    worker_count: int, arrivals_per_second: float, service_seconds_mean: float
) -> float:
    """Return the mean time until a job is done by one of c workers with one line, in seconds: E[S] + C / (c μ - λ).

    Parameters
    ----------
    worker_count
        c, at least 1.
    arrivals_per_second
        λ, Poisson; below c μ.
    service_seconds_mean
        E[S] = 1 / μ, of an exponential service; above 0.

    Examples
    --------
    Ten lines of one worker each would take 10 s at that load; one line takes a sixth of it:

    >>> round(multi_server_response_seconds_mean(10, 9.0, 1.0), 9)
    1.668731524
    """
    waits, drain = _line(worker_count, arrivals_per_second, service_seconds_mean)
    return service_seconds_mean + waits / drain


def multi_server_response_sf(
    worker_count: int, arrivals_per_second: float, service_seconds_mean: float, seconds: ArrayLike
) -> Any:
    """Return P(T > seconds), elementwise, for the time T until a job is done by one of c workers.

    With θ = c μ - λ: (1 - C) e^(-μ t) + C (μ e^(-θ t) - θ e^(-μ t)) / (μ - θ), and its limit where μ = θ.

    Parameters
    ----------
    worker_count, arrivals_per_second, service_seconds_mean
        As in :func:`multi_server_response_seconds_mean`.
    seconds
        Times, at least 0.

    Examples
    --------
    >>> from scipy.optimize import brentq
    >>> p99 = brentq(lambda t: multi_server_response_sf(20, 1700, 0.010, t) - 0.01, 0, 1)
    >>> f"{1000 * p99:.4f} ms"
    '47.8123 ms'
    """
    waits, drain = _line(worker_count, arrivals_per_second, service_seconds_mean)
    times = np.asarray(seconds, float)
    if np.any(times < 0):
        raise ValueError(f"`seconds` must be at least 0, got {float(times.min())!r}")
    rate = 1 / service_seconds_mean
    # (μ e^(-θt) - θ e^(-μt)) / (μ - θ) is e^(-μt) + μ (e^(-θt) - e^(-μt)) / (μ - θ): no difference of like powers.
    gap = abs(rate - drain)
    part = times if gap == 0 else -np.expm1(-gap * times) / gap
    return np.exp(-rate * times) + waits * rate * part * np.exp(-min(rate, drain) * times)


def _line(worker_count: int, arrivals_per_second: float, service_seconds_mean: float) -> tuple[float, float]:
    """Return the probability to wait, and the rate at which the line shrinks while all are busy."""
    _require_rate("arrivals_per_second", arrivals_per_second)
    _require_rate("service_seconds_mean", service_seconds_mean)
    if service_seconds_mean == 0:
        raise ValueError("`service_seconds_mean` must be above 0, got 0")
    waits = queueing_probability(worker_count, arrivals_per_second * service_seconds_mean)
    return waits, worker_count / service_seconds_mean - arrivals_per_second


def _require_rate(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")


def _require_count(name: str, value: int) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` must be a whole number of at least 1, got {value!r}")
