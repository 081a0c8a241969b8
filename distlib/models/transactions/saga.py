r"""What a saga costs and how long it takes, what a reader sees meanwhile, and what compensation adds.

Theory of operation
-------------------
A saga of n steps does them one after another. Each takes a request leg A, a forced write f at the participant, an
answer leg B and a forced write g at the orchestrator, and one more g begins it. So its latency is a *sum*

    L  =  g + sum over i of (A_i + f + B_i + g)

where that of two-phase commit is a maximum: means add up, whatever the laws, and so do variances. The legs are
independent, the forces constant, nothing is lost and nobody waits for anyone.

Between the first booking and the second, for D = f + B + g + A, the money is at neither account. A reader who asks
both participants at once, with legs X_1 and X_2, adds up wrongly if one of its questions comes before its participant
books and the other one after. Read at a random moment, that has the share E|D + X_1 - X_2| of the time between sagas:
:func:`wrong_read_seconds`. With Z = X_2 - X_1, which is symmetric, |D - Z| = D - Z + 2 (Z - D)+, so one integral does
it:

    E|D + X_1 - X_2|  =  E[D] + 2 E[(Z - D)+],     E[(Z - D)+]  =  ∫ P(Z > s) P(D <= s) ds.

A saga whose i-th step succeeds with probability p_i, independently, attempts step i if all before it succeeded, and
undoes what was done if it then fails: :func:`forward_cost`, :func:`compensation_cost`.

Sources: Garcia-Molina and Salem, *Sagas* (1987), for the mechanism; the formulas are derived in the chapter.

Examples
--------
>>> from distlib.models.latency import Exponential
>>> timing = SagaTiming(5, Exponential(0.001), participant_force_seconds=0.001, orchestrator_force_seconds=0.002)
>>> f"{1000 * saga_latency_mean(timing):.1f} ms"
'27.0 ms'
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad

from distlib.models.latency import Law, Shifted, require_law
from distlib.models.sums import quantile_at_score, sum_of

__all__ = [
    "SagaTiming",
    "answer_seconds_mean",
    "booking_throughput",
    "compensation_cost",
    "completion_probability",
    "flag_seconds_mean",
    "forward_cost",
    "in_flight_seconds_mean",
    "naive_compensation_cost",
    "saga_latency_mean",
    "saga_latency_std",
    "wrong_read_seconds",
    "wrong_read_seconds_refused",
]

Floats = NDArray[np.float64]


def _rule(count: int) -> tuple[Floats, Floats]:
    """Return nodes and weights for a mean over a standard normal score, in which the laws of the book are smooth."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


@dataclass(frozen=True)
class SagaTiming:
    """How long the parts of one saga take.

    Parameters
    ----------
    step_count
        Steps, each at a participant of its own; at least 1.
    request, answer
        Laws of one leg to a participant and back, in seconds. Without `answer`, both have the law `request`.
    participant_force_seconds, orchestrator_force_seconds
        What it takes to force a booking, and the progress of the saga, to disk.

    Raises
    ------
    TypeError, ValueError
        If a count or a time is out of range, or a law is none.
    """

    step_count: int
    request: Law
    answer: Law | None = None
    participant_force_seconds: float = 0.0
    orchestrator_force_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.step_count, (int, np.integer)) or isinstance(self.step_count, bool):
            raise TypeError(f"`step_count` must be a whole number, got {self.step_count!r}")
        if self.step_count < 1:
            raise ValueError(f"`step_count` must be at least 1, got {self.step_count!r}")
        require_law("request", self.request)
        if self.answer is not None:
            require_law("answer", self.answer)
        for name in ("participant_force_seconds", "orchestrator_force_seconds"):
            _require_at_least(name, getattr(self, name), 0.0)

    @property
    def answer_leg(self) -> Law:
        """The law of the answer's leg."""
        return self.answer or self.request

    @property
    def force_seconds(self) -> float:
        """Both forces of a step."""
        return self.participant_force_seconds + self.orchestrator_force_seconds

    @property
    def step_seconds_mean(self) -> float:
        """The mean time of a step: E[A] + f + E[B] + g."""
        return float(self.request.mean()) + float(self.answer_leg.mean()) + self.force_seconds


# ----------------------------------------------------------------------------------------------------------- latency


def saga_latency_mean(timing: SagaTiming) -> float:
    """Return the mean time from the client's request at the orchestrator to the saga's end on its disk, in seconds.

    It is g + n (E[A] + f + E[B] + g), for any law: the mean of a sum needs no more than means.

    Examples
    --------
    >>> from distlib.models.latency import Pareto
    >>> round(saga_latency_mean(SagaTiming(3, Pareto(0.001, 2.0))), 9)
    0.012
    """
    return timing.orchestrator_force_seconds + timing.step_count * timing.step_seconds_mean


def saga_latency_std(timing: SagaTiming) -> float:
    """Return the standard deviation of that time, in seconds: the root of n (Var A + Var B); infinite where one is."""
    variance = float(timing.request.std()) ** 2 + float(timing.answer_leg.std()) ** 2
    return math.sqrt(timing.step_count * variance)


def answer_seconds_mean(timing: SagaTiming, client: Law | None = None) -> float:
    """Return the mean time from the client's request to the answer it gets, in seconds.

    Parameters
    ----------
    timing
        Of the saga.
    client
        Law of a leg between the client and the orchestrator; without it, the client is beside the orchestrator.
    """
    legs = 0.0 if client is None else 2 * float(require_law("client", client).mean())
    return saga_latency_mean(timing) + legs


# ------------------------------------------------------------------------------------- what others see, and wait for


def in_flight_seconds_mean(timing: SagaTiming) -> float:
    """Return the mean time from the first booking to the last: (n - 1) (f + E[B] + g + E[A]), in seconds.

    It begins when the first request reaches its participant and ends when the last one does.
    """
    return (timing.step_count - 1) * timing.step_seconds_mean


def flag_seconds_mean(timing: SagaTiming) -> float:
    """Return how long the first account bears the flag of a saga, in the mean and in seconds.

    From the arrival of its request, through all steps, until word of the end arrives:
    f + E[B] + g + (n - 1) (E[A] + f + E[B] + g) + E[A]. Since the last leg is one more request, this is n steps.
    """
    return timing.step_count * timing.step_seconds_mean


def booking_throughput(timing: SagaTiming) -> float:
    """Return how many sagas a second can book on one account without flags: 1 / f.

    A local transaction holds the account only while its own write is forced; the rest of the saga is elsewhere.
    """
    if timing.participant_force_seconds == 0:
        raise ValueError("`timing` must have a `participant_force_seconds` above 0, got 0: throughput has no bound")
    return 1 / timing.participant_force_seconds


def wrong_read_seconds(timing: SagaTiming, reader: Law) -> float:
    """Return for how long, per saga, a read that begins then adds up two accounts wrongly: E|D + X_1 - X_2|.

    In seconds. Divided by the mean time between sagas it is the share of wrong reads, if sagas do not overlap and
    reads come at random moments. It does not change if the reader *waits* at a flagged account: the other account was
    read before.

    Parameters
    ----------
    timing
        Of a saga with 2 steps.
    reader
        Law of a leg from the reader to a participant; both are independent.

    Raises
    ------
    ValueError
        If there are not 2 steps.

    Examples
    --------
    A reader whose two questions arrive together sees the money in flight, and nothing else:

    >>> from distlib.models.latency import Constant
    >>> timing = SagaTiming(2, Constant(0.001), None, 0.001, 0.002)
    >>> round(wrong_read_seconds(timing, Constant(0.030)), 9) == round(in_flight_seconds_mean(timing), 9)
    True
    """
    _require_two_steps(timing)
    return in_flight_seconds_mean(timing) + 2 * _excess_mean(require_law("reader", reader), _delay(timing))


def wrong_read_seconds_refused(timing: SagaTiming, reader: Law) -> float:
    """Return the same for a reader who is refused, and starts over, where one of the two accounts is flagged.

    Its questions must then straddle a whole flag: E[(Z - R)+] + E[(Z - D - R)+] with R = f + B + g + C, from a
    participant's own request to the arrival of the end's message C at the other one. Constant legs make it 0.

    Parameters
    ----------
    timing, reader
        As in :func:`wrong_read_seconds`.
    """
    _require_two_steps(timing)
    require_law("reader", reader)
    gap = _delay(timing)
    return _excess_mean(reader, gap) + _excess_mean(reader, gap, twice=True)


def _delay(timing: SagaTiming) -> Law:
    """Return the law of f + B + g + A: from one request's arrival to that of the request that follows its answer."""
    return Shifted(sum_of(timing.answer_leg, timing.request), timing.force_seconds)


def _excess_mean(reader: Law, delay: Law, *, twice: bool = False) -> float:
    """Return E[(X_2 - X_1 - D)+], for two legs of a reader and a delay: the integral of P(Z > s) P(D <= s).

    With `twice`, two independent delays are taken off.
    """
    scores, weights = _rule(80)
    earlier, chance = np.asarray(quantile_at_score(reader, scores), float), weights
    if twice:
        scores, weights = _rule(24)
        earlier = np.add.outer(earlier, quantile_at_score(delay, scores)).ravel()
        chance = np.outer(chance, weights).ravel()

    def integrand(s: float) -> float:
        return float(chance @ reader.sf(earlier + s)) * float(delay.cdf(s))

    start, scale = float(delay.ppf(0.0)), float(delay.mean()) + float(reader.mean())
    edges = (start, start + scale, start + 5 * scale)
    near = [quad(integrand, low, high, epsabs=0, epsrel=1e-8, limit=200)[0] for low, high in pairwise(edges)]
    far, _ = quad(integrand, edges[-1], math.inf, epsabs=1e-15, epsrel=1e-6, limit=200)
    return float(sum(near)) + float(far)


# ------------------------------------------------------------------------------------------------------------- costs


def completion_probability(success_probabilities: Sequence[float]) -> float:
    """Return the probability that no step is refused: the product of the p_i.

    Examples
    --------
    >>> round(completion_probability([0.95] * 5), 6)
    0.773781
    """
    _require_probabilities(success_probabilities)
    return math.prod(success_probabilities)


def forward_cost(
    success_probabilities: Sequence[float], step_cost: float = 1.0, *, failure_probability: float = 0.0
) -> float:
    r"""Return the mean cost of the steps that are attempted: sum of c prod_{j<i} p_j, over 1 - phi.

    Parameters
    ----------
    success_probabilities
        p_i: that step i is not refused, independently. After the pivot it is 1.
    step_cost
        c, of one attempt.
    failure_probability
        phi: that an attempt fails in a way that calls for another one, such as a request that is lost; below 1.

    Returns
    -------
    float
        In the unit of `step_cost`. For equal p it is c (1 - p^n) / (1 - p).

    Examples
    --------
    >>> round(forward_cost([0.95] * 5), 8)
    4.52438125
    """
    reached = _reached(success_probabilities)
    return step_cost * float(np.sum(reached)) / (1 - _require_failure(failure_probability))


def compensation_cost(
    success_probabilities: Sequence[float], step_cost: float = 1.0, *, failure_probability: float = 0.0
) -> float:
    r"""Return the mean cost of what is undone: sum of (1 - p_i) prod_{j<i} p_j (i - 1) k, over 1 - phi.

    Parameters
    ----------
    success_probabilities
        p_i: that step i is not refused, independently.
    step_cost
        k, of one attempt to undo a step.
    failure_probability
        phi: that an attempt fails, and is repeated; below 1.

    Returns
    -------
    float
        In the unit of `step_cost`; over all sagas, also those that complete.

    Examples
    --------
    >>> round(compensation_cost([0.95] * 5, 3.0), 7)
    1.2877725
    """
    reached = _reached(success_probabilities)
    fails = (1 - np.asarray(success_probabilities, float)) * reached
    return step_cost * float(fails @ np.arange(len(reached))) / (1 - _require_failure(failure_probability))


def naive_compensation_cost(success_probabilities: Sequence[float], step_cost: float = 1.0) -> float:
    """Return P(refused) times the cost of undoing all steps but the last: as if only the last step could be refused.

    Examples
    --------
    >>> round(naive_compensation_cost([0.95] * 5, 3.0), 4)
    2.7146
    """
    refused = 1 - completion_probability(success_probabilities)
    return refused * step_cost * (len(success_probabilities) - 1)


def _reached(success_probabilities: Sequence[float]) -> Floats:
    """Return the probability that each step is attempted."""
    _require_probabilities(success_probabilities)
    return np.concatenate(([1.0], np.cumprod(success_probabilities)[:-1]))


# --------------------------------------------------------------------------------------------------------- arguments


def _require_two_steps(timing: SagaTiming) -> None:
    if timing.step_count != 2:
        raise ValueError(f"`timing` must be of a saga with 2 steps, got {timing.step_count}")


def _require_probabilities(probabilities: Sequence[float]) -> None:
    if len(probabilities) == 0:
        raise ValueError("`success_probabilities` must name at least one step, got none")
    for probability in probabilities:
        if not 0 <= probability <= 1:
            raise ValueError(f"`success_probabilities` must be in [0, 1], got {probability!r}")


def _require_failure(probability: float) -> float:
    if not 0 <= probability < 1:
        raise ValueError(f"`failure_probability` must be in [0, 1), got {probability!r}")
    return probability


def _require_at_least(name: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"`{name}` must be finite and at least {least}, got {value!r}")
