r"""What a number on an event tells, and how often it misleads.

Theory of operation
-------------------
A Lamport clock counts what a node has done and heard of. Between two nodes that do not talk, the counts are just
counts: the busier node has the larger numbers, whatever the time. If events come as Poisson processes, at the rates a
and b, the numbers at time t and at time t + τ are Poisson variables, and the probability that the earlier event has the
larger number is a tail of their difference (Skellam's law).

Two events of different nodes are concurrent if no chain of messages leads from the first to the second. Let A send to B
at the rate μ, with the constant delay d, and let B's event follow A's after a time that is exponential with the rate λ.
A message can make it only if it is sent in the first (gap - d), and the first one is sent after an exponential time.

Source: J. G. Skellam, *The frequency distribution of the difference between two Poisson variates*, JRSS 109(3), 1946.
The formulas are derived in the chapter.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln, pdtrc

__all__ = ["concurrency_probability", "lamport_inversion_probability", "vector_bytes"]


def lamport_inversion_probability(
    first_rate: float, second_rate: float, time_seconds: float, gap_seconds: float
) -> float:
    r"""Return the probability that the earlier of two events has the larger Lamport number: P(X > Y).

    X is Poisson with the mean a t, Y with the mean b (t + τ); the nodes exchange no messages.

    Parameters
    ----------
    first_rate, second_rate
        a and b, events per second at the node of the earlier and of the later event; at least 0.
    time_seconds
        t, when the earlier event happens, since both clocks stood at 0.
    gap_seconds
        τ, how much later the other one happens.

    Raises
    ------
    ValueError
        If an argument is below 0 or not finite.

    Examples
    --------
    >>> round(lamport_inversion_probability(5, 4, 10, 1), 6)
    0.7148
    """
    for name, value in (
        ("first_rate", first_rate),
        ("second_rate", second_rate),
        ("time_seconds", time_seconds),
        ("gap_seconds", gap_seconds),
    ):
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
    mine, theirs = first_rate * time_seconds, second_rate * (time_seconds + gap_seconds)
    if theirs == 0:
        return float(-np.expm1(-mine))
    # Beyond forty standard deviations nothing is left of a Poisson law.
    last = math.ceil(theirs + 40 * math.sqrt(theirs) + 40)
    k = np.arange(last + 1.0)
    weights = np.exp(k * math.log(theirs) - theirs - gammaln(k + 1))
    return float(np.sum(weights * pdtrc(k, mine)))


def concurrency_probability(gap_rate: float, message_rate: float, delay_seconds: float) -> float:
    r"""Return the probability that B's event is concurrent with A's, which came before it.

    It is :math:`1 - e^{-\lambda d} \mu / (\lambda + \mu)`. Only direct messages are counted.

    Parameters
    ----------
    gap_rate
        λ, in 1/s: B's event follows A's after an exponential time of this rate; above 0.
    message_rate
        μ, in 1/s: of the messages that A sends to B; at least 0.
    delay_seconds
        d, constant; at least 0.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(concurrency_probability(10, 20, 0.02), 6)
    0.454179
    """
    if not 0 < gap_rate < math.inf:
        raise ValueError(f"`gap_rate` must be finite and above 0, got {gap_rate!r}")
    for name, value in (("message_rate", message_rate), ("delay_seconds", delay_seconds)):
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
    return 1 - math.exp(-gap_rate * delay_seconds) * message_rate / (gap_rate + message_rate)


def vector_bytes(node_count: int, entry_bytes: int = 8) -> int:
    """Return the bytes that a vector clock adds to a message: one entry for each node.

    Parameters
    ----------
    node_count
        At least 1.
    entry_bytes
        At least 1.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> vector_bytes(1000)
    8000
    """
    for name, value in (("node_count", node_count), ("entry_bytes", entry_bytes)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value!r}")
    return node_count * entry_bytes
