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

    E|D + X_1 - X_2|  =  E[D] + 2 E[(Z - D)+].

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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline
from scipy.special import ndtri

from distlib.models.latency import Constant, Empirical, Law, Shifted, require_law
from distlib.models.sums import is_discrete, quantile_at_score, sum_of

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


# Twenty panels of sixteen nodes on (0, 1), and one panel of five for a cell of a table.
_TOP_SCORE = 12.0
_NODES, _WEIGHTS = (points / 2 for points in np.polynomial.legendre.leggauss(16))
_STEPS = ((np.arange(20)[:, None] + 0.5 + _NODES) / 20).ravel()
_SHARES = np.tile(_WEIGHTS, 20) / 20
_CELL, _CELL_SHARES = (points / 2 for points in np.polynomial.legendre.leggauss(5))
_CELL = _CELL + 0.5


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
    reads come at random moments. All sagas complete. Then it does not change if the reader *waits* at a flagged
    account: the other account was read before.

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
    """Return E[(X_2 - X_1 - D)+], for two legs of a reader and a delay.

    With `twice`, two independent delays are taken off.

    Given both legs it is a function of their difference alone, E[(y - D)+], which is tabulated. The mean over the legs
    is taken in their normal scores; the second one begins where the first plus the shortest delay ends, or the corner
    there would spoil the rule. A measured leg needs none of this: the mean goes over its samples.
    """
    if not math.isfinite(float(reader.mean())):
        return math.inf
    start = float(delay.ppf(0.0)) * (2 if twice else 1)
    first, chance = _points(reader)
    longest = float(quantile_at_score(reader, np.array([_TOP_SCORE]))[0] - first.min())
    if longest <= start:
        return 0.0
    excess = _excess_over(delay, longest)
    if twice:
        excess = _excess_over_two(delay, excess, longest)
    if is_discrete(reader):
        return float(chance @ excess(first[None, :] - first[:, None]) @ chance)
    lowest = _scores_of(reader, first + start)
    width = _TOP_SCORE - lowest[:, None]
    scores = lowest[:, None] + width * _STEPS
    gained = excess(quantile_at_score(reader, scores) - first[:, None])
    return float(chance @ ((width * _normal_density(scores) * gained) @ _SHARES))


@dataclass(frozen=True)
class _Excess:
    """The function y -> E[(y - D)+] of a delay D, which is 0 up to its shortest value, and its slope P(D <= y).

    `spline` takes what y exceeds that value by; without one the delay is a constant.
    """

    start: float
    spline: Any = None

    def __call__(self, y: Floats) -> Floats:
        above = np.maximum(y - self.start, 0.0)
        return above if self.spline is None else np.where(above > 0, self.spline(np.minimum(above, self.last)), 0.0)

    def slope(self, y: Floats) -> Floats:
        above = np.maximum(y - self.start, 0.0)
        if self.spline is None:
            return np.where(above > 0, 1.0, 0.0)
        return np.where(above > 0, np.clip(self.spline(np.minimum(above, self.last), 1), 0.0, 1.0), 0.0)

    @property
    def last(self) -> float:
        """Where the table ends."""
        return float(self.spline.x[-1])


def _excess_over(delay: Law, longest: float) -> _Excess:
    """Return y -> E[(y - D)+], the integral of the distribution function of D, for y up to `longest` seconds."""
    start = float(delay.ppf(0.0))
    if isinstance(delay, Constant):
        return _Excess(start)
    grid = _grid(delay, longest)
    nodes = grid[:-1, None] + np.diff(grid)[:, None] * _CELL
    pieces = (np.asarray(delay.cdf(start + nodes)) @ _CELL_SHARES) * np.diff(grid)
    values = np.concatenate(([0.0], np.cumsum(pieces)))
    return _Excess(start, _spline(grid, values, np.asarray(delay.cdf(start + grid))))


def _excess_over_two(delay: Law, over_one: _Excess, longest: float) -> _Excess:
    """Return y -> E[(y - D - D')+]: the mean of that for one delay, over the other one."""
    start = 2 * float(delay.ppf(0.0))
    if isinstance(delay, Constant):
        return _Excess(start)
    other, chance = _points(delay)
    grid = _grid(delay, longest)
    left = start + grid[:, None] - other
    return _Excess(start, _spline(grid, over_one(left) @ chance, over_one.slope(left) @ chance))


def _spline(grid: Floats, values: Floats, slopes: Floats) -> Any:
    return CubicHermiteSpline(grid, values, slopes)  # type: ignore[no-untyped-call]  # scipy has no annotations


def _grid(delay: Law, longest: float) -> Floats:
    """Return distances above the shortest delay, from none to `longest` seconds, sixty in each decade."""
    least = 1e-7 * float(delay.mean())
    count = 60 * math.ceil(math.log10(max(longest / least, 10.0)))
    return np.concatenate(([0.0], np.geomspace(least, max(longest, 10 * least), count)))


def _points(law: Law) -> tuple[Floats, Floats]:
    """Return values of a law and the weight of each in a mean: its samples, or quantiles at nodes of the score."""
    if isinstance(law, Empirical):
        samples = np.asarray(law.samples_seconds, float)
        return samples, np.full(len(samples), 1 / len(samples))
    if is_discrete(law):
        return np.array([float(law.mean())]), np.ones(1)
    scores = -_TOP_SCORE + 2 * _TOP_SCORE * _STEPS
    return quantile_at_score(law, scores), 2 * _TOP_SCORE * _SHARES * _normal_density(scores)


def _scores_of(law: Law, x: Floats) -> Floats:
    """Return z with P(Z <= z) = P(law <= x) for a standard normal Z."""
    below, above = np.asarray(law.cdf(x)), np.asarray(law.sf(x))
    scores = np.where(below < 0.5, ndtri(below), -ndtri(np.minimum(above, 0.5)))
    return np.asarray(np.clip(scores, -_TOP_SCORE, _TOP_SCORE))


def _normal_density(score: Floats) -> Floats:
    return np.asarray(np.exp(-(score**2) / 2) / math.sqrt(2 * math.pi))


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
