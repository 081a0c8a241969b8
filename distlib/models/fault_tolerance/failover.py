r"""What a failover costs: acknowledged writes that are lost, time for which nobody serves, time with two primaries.

Theory of operation
-------------------
*Lost writes.* Under asynchronous replication the primary answers at once, and the write is safe when the backup has it,
a *lag* later. Writes are a Poisson process of rate :math:`\lambda`, lags are independent with law L, and the primary
dies at an instant that has nothing to do with them. What is lost depends on how the log is shipped:

- *one by one*: each write in a message of its own, and each that arrives counts. Those under way are the customers of a
  queue with infinitely many servers, so their number is Poisson with mean :math:`\lambda E[L]`, for any law of the lag.
- *in order*: a stream, such as a TCP connection. What overtakes has to wait, so everything from the oldest write under
  way on is lost. The age A of that one: none that is older than x is still under way,

  .. math:: P(A \le x) = \exp\Bigl(-\lambda \int_x^\infty P(L > u)\,du\Bigr)

  and younger ones, whether they have arrived or not, come at the rate :math:`\lambda` on top.
- *whole*: each message carries the whole log (or: all that is not confirmed), and may overtake. A write is safe as soon
  as any message that was sent with it or after it has arrived. A write of age x is lost if it has not arrived and none
  of those after it has, so the mean is

  .. math:: \int_0^\infty \lambda\, P(L > x) \exp\Bigl(-\lambda \int_0^x P(L \le u)\,du\Bigr) dx

*Outage.* From the crash until the backup serves: detection, the word to the backup, and its write to disk.

*Two primaries.* Without a fence, both take writes from the moment of the promotion until the partition heals.

Sources: L. Takács, *Introduction to the Theory of Queues*, 1962, chapter 3, for the infinite server; the rest is
derived in the chapter.

Examples
--------
200 writes a second, a lag of 50 ms in the mean:

>>> lag = Exponential(0.05)
>>> [round(lost_writes_mean(200, lag, shipping), 1) for shipping in ("whole", "one by one", "in order")]
[3.3, 10.0, 29.8]
>>> round(no_loss_probability(200, Exponential(0.008)), 6)
0.201897
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from scipy.integrate import quad

from distlib.models.latency import Exponential, Law, require_law

__all__ = [
    "Shipping",
    "lost_writes_mean",
    "no_loss_probability",
    "oldest_age_cdf",
    "oldest_age_mean",
    "oldest_age_quantile",
    "outage_mean",
    "split_brain_share",
]

Shipping: TypeAlias = Literal["one by one", "in order", "whole"]


def _require_rate(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")


def _require_seconds(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")


def _require_lag(lag: Law) -> Law:
    """Return the law if its mean is finite: otherwise ever more writes are under way."""
    mean = float(require_law("lag", lag).mean())
    if not mean < math.inf:
        raise ValueError(f"`lag` must have a finite mean, got {lag!r}")
    return lag


# ---------------------------------------------------------------------------------------------------------- lost writes


def no_loss_probability(write_rate: float, lag: Law) -> float:
    """Return the probability that no acknowledged write is under way when the primary dies: exp(-λ E[L]).

    Parameters
    ----------
    write_rate
        Writes per second, above 0.
    lag
        Law of the time from the answer to the client until the backup has the write, in seconds.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.
    """
    _require_rate("write_rate", write_rate)
    return math.exp(-write_rate * float(_require_lag(lag).mean()))


def _later(lag: Law, seconds: float) -> float:
    """Return the integral of P(L > u) from here on."""
    if isinstance(lag, Exponential):
        return float(lag.mean() * lag.sf(seconds))
    return max(0.0, float(lag.mean()) - float(quad(lambda u: float(lag.sf(u)), 0, seconds, limit=200)[0]))


def _horizon(write_rate: float, lag: Law) -> float:
    """Return a time after which it is all but certain that nothing is under way."""
    top = float(lag.ppf(1 - min(1e-4, 1e-12 / (1 + write_rate * lag.mean()))))
    return top if math.isfinite(top) else float(lag.ppf(1 - 1e-9))


def oldest_age_cdf(write_rate: float, lag: Law, seconds: float) -> float:
    """Return P(A <= x): that no write older than x is still under way. At 0 it is that none is.

    Parameters
    ----------
    write_rate, lag
        As in :func:`no_loss_probability`.
    seconds
        x, at least 0.

    Examples
    --------
    >>> round(oldest_age_cdf(1000, Exponential(0.05), 0.2139268), 6)
    0.5
    """
    _require_rate("write_rate", write_rate)
    _require_seconds("seconds", seconds)
    return math.exp(-write_rate * _later(_require_lag(lag), seconds))


def oldest_age_mean(write_rate: float, lag: Law) -> float:
    r"""Return the mean age of the oldest write under way when the primary dies, in seconds; 0 counts if there is none.

    For exponential lags of mean m it is :math:`m [\gamma + \ln(\lambda m) + E_1(\lambda m)]`: it grows with the
    logarithm of the rate, and the mean lag does not.

    Examples
    --------
    >>> f"{oldest_age_mean(1000, Exponential(0.05)):.7f}"
    '0.2244619'
    """
    _require_rate("write_rate", write_rate)
    horizon = _horizon(write_rate, _require_lag(lag))

    def later_than(seconds: float) -> float:
        return -math.expm1(-write_rate * _later(lag, seconds))

    return float(quad(later_than, 0, horizon, limit=400, epsrel=1e-9)[0])


def oldest_age_quantile(write_rate: float, lag: Law, probability: float) -> float:
    """Return the age that the oldest write under way has at most with this probability, in seconds.

    Examples
    --------
    >>> f"{oldest_age_quantile(1000, Exponential(0.05), 0.99):.6f}"
    '0.425609'
    """
    if not 0 < probability < 1:
        raise ValueError(f"`probability` must be in (0, 1), got {probability!r}")
    if oldest_age_cdf(write_rate, lag, 0.0) >= probability:
        return 0.0
    low, high = 0.0, float(lag.mean())
    while oldest_age_cdf(write_rate, lag, high) < probability:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if oldest_age_cdf(write_rate, lag, middle) < probability else (low, middle)
    return high


def lost_writes_mean(write_rate: float, lag: Law, shipping: Shipping = "in order") -> float:
    """Return the mean number of acknowledged writes that a failover at a random instant loses.

    Parameters
    ----------
    write_rate, lag
        As in :func:`no_loss_probability`.
    shipping
        How the log gets to the backup; see the head of this module.

    Examples
    --------
    Where the lag is always the same, it does not matter how:

    >>> from distlib.models.latency import Constant
    >>> [round(lost_writes_mean(200, Constant(0.05), shipping), 6) for shipping in ("one by one", "in order", "whole")]
    [10.0, 10.0, 10.0]
    """
    _require_rate("write_rate", write_rate)
    _require_lag(lag)
    if shipping == "one by one":
        return write_rate * float(lag.mean())
    if shipping == "in order":
        # The oldest itself, and all that came after it.
        return -math.expm1(-write_rate * float(lag.mean())) + write_rate * oldest_age_mean(write_rate, lag)
    if shipping != "whole":
        raise ValueError(f"`shipping` must be one of {get_args(Shipping)}, got {shipping!r}")
    return _lost_if_whole(write_rate, lag)


def _lost_if_whole(write_rate: float, lag: Law) -> float:
    """Return the mean number of writes that are younger than every write that has arrived."""
    mean = float(lag.mean())

    def lost(age: float) -> float:
        # It has not arrived itself, and of those that came after it none has: exp(-rate * integral of P(L <= u)).
        return write_rate * float(lag.sf(age)) * math.exp(-write_rate * (age - mean + _later(lag, age)))

    return float(quad(lost, 0, _horizon(write_rate, lag), limit=400, epsrel=1e-9, points=[mean])[0])


# --------------------------------------------------------------------------------------------------------------- outage


def outage_mean(
    heartbeat_seconds: float, silence_seconds: float, delay_seconds: float, force_seconds: float = 0.0
) -> float:
    r"""Return the mean time from a crash of the primary until the backup serves, in seconds: :math:`s - h/2 + 2d + f`.

    The monitor's patience s began with the arrival of the last heartbeat, which was sent up to a period h before the
    crash: h/2 in the mean. Then the word goes to the backup, which makes the view durable.

    Parameters
    ----------
    heartbeat_seconds
        The period h, above 0.
    silence_seconds
        s: after so long without one the monitor acts; at least the period.
    delay_seconds
        d, of each message; constant.
    force_seconds
        f: a forced write, at the monitor and at the backup together.

    Examples
    --------
    >>> round(outage_mean(0.1, 0.3, 0.001), 6)
    0.252
    """
    _require_rate("heartbeat_seconds", heartbeat_seconds)
    _require_seconds("delay_seconds", delay_seconds)
    _require_seconds("force_seconds", force_seconds)
    if not heartbeat_seconds <= silence_seconds < math.inf:
        raise ValueError(f"`silence_seconds` must be finite and at least {heartbeat_seconds}, got {silence_seconds!r}")
    return silence_seconds - heartbeat_seconds / 2 + 2 * delay_seconds + force_seconds


def split_brain_share(partition_rate: float, partition_mean: float, takeover: float) -> float:
    r"""Return the share of time with two primaries that both take writes, where nothing fences the old one off.

    .. math:: \frac{e^{-T / m} m}{1 / \lambda_p + m}

    Parameters
    ----------
    partition_rate
        Partitions per unit of time while there is none, above 0.
    partition_mean
        m: how long one lasts in the mean; exponential; above 0.
    takeover
        T: after so long the backup takes over. Same unit.

    Examples
    --------
    >>> f"{split_brain_share(1 / 1000, 0.1, 0.05):.6e}"
    '6.064700e-05'
    """
    _require_rate("partition_rate", partition_rate)
    _require_rate("partition_mean", partition_mean)
    _require_seconds("takeover", takeover)
    return math.exp(-takeover / partition_mean) * partition_mean / (1 / partition_rate + partition_mean)
