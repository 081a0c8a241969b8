r"""Markov chains in continuous time, small ones: where they are in the long run, at a time, and how long until the end.

Theory of operation
-------------------
A :class:`Chain` has states and rates of going from one to another. Times between events are exponential, so the future
depends on the state alone.

*In the long run* (:func:`steady_state`) and *until absorption* (:func:`mean_time_to_absorption`) by state reduction,
after Grassmann, Taksar and Heyman: eliminate one state after another, each time sharing its rates out among those that
are left. Nothing is ever subtracted; so every digit is good, however stiff the chain. This matters. Repair is a
thousand or a million times faster than failure, and a time to data loss is a product of ratios of such rates:
solving the linear equations in float64 is wrong by percents, and says nothing.

*At a time* (:func:`transient`) by uniformisation: a Poisson number of steps of a chain in discrete time. It, too, adds
positive numbers only. Its work grows with rate times time, so beyond a bound it is done by squaring a short step's
matrix, which is positive as well.

Sources: W. K. Grassmann, M. I. Taksar, D. P. Heyman, "Regenerative analysis and steady state distributions for Markov
chains", *Operations Research* 33(5), 1985; C. A. O'Cinneide, "Entrywise perturbation theory and error analysis for
Markov chains", *Numerische Mathematik* 65, 1993, for why it is exact; A. Jensen, "Markoff chains as an aid in the study
of Markoff processes", *Skandinavisk Aktuarietidskrift* 36, 1953, for uniformisation.

Examples
--------
A machine that fails every 99 hours and is repaired in one:

>>> machine = Chain(("up", "down"), {("up", "down"): 1 / 99, ("down", "up"): 1.0})
>>> {state: round(share, 6) for state, share in steady_state(machine).items()}
{'up': 0.99, 'down': 0.01}
>>> round(mean_time_to_absorption(machine, "up", ["down"]), 6)
99.0
>>> round(transient(machine, "up", 0.5)["down"], 6)
0.003965
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Chain",
    "birth_death_mean_time",
    "mean_time_to_absorption",
    "mean_time_to_absorption_by_solving",
    "steady_state",
    "survival",
    "transient",
]

Floats = NDArray[np.float64]

_MOST_JUMPS = 200.0
"""Rate times time up to which uniformisation is done in one go."""


@dataclass(frozen=True)
class Chain:
    """A Markov chain in continuous time.

    Parameters
    ----------
    states
        Their names, at least one, all different.
    rates
        By (from, to), per unit of time, at least 0; those that are missing are 0.

    Raises
    ------
    ValueError
        If states repeat, a rate names none of them or one twice, or is negative or not finite.

    Examples
    --------
    >>> Chain(("up",), {("up", "down"): 1.0})
    Traceback (most recent call last):
    ...
    ValueError: `rates` must be from one of the states ('up',) to another, got ('up', 'down')
    """

    states: tuple[Hashable, ...]
    rates: Mapping[tuple[Any, Any], float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", tuple(self.states))
        if not self.states or len(set(self.states)) < len(self.states):
            raise ValueError(f"`states` must be at least one, all different, got {self.states!r}")
        for pair, rate in self.rates.items():
            if pair[0] == pair[1] or not set(pair) <= set(self.states):
                raise ValueError(f"`rates` must be from one of the states {self.states!r} to another, got {pair!r}")
            if not 0 <= rate < math.inf:
                raise ValueError(f"`rates` must be finite and at least 0, got {rate!r} for {pair!r}")

    def matrix(self, order: Sequence[Hashable] | None = None) -> Floats:
        """Return the rates as a matrix, with zeros on its diagonal."""
        place = {state: index for index, state in enumerate(self.states if order is None else order)}
        table = np.zeros((len(place), len(place)))
        for (source, target), rate in self.rates.items():
            table[place[source], place[target]] += rate
        return table

    def require(self, name: str, states: Collection[Hashable]) -> None:
        """Raise if one of `states`, the argument `name`, is not a state of the chain."""
        for state in states:
            if state not in self.states:
                raise ValueError(f"`{name}` must be among the states {self.states!r}, got {state!r}")


def steady_state(chain: Chain) -> dict[Any, float]:
    """Return the share of time that the chain spends in each state in the long run, with all digits of each.

    Parameters
    ----------
    chain
        One in which every state can be reached from every other.

    Returns
    -------
    dict
        By state; they add up to 1.

    Raises
    ------
    ValueError
        If some state cannot be left for those that come before it: there is no such share.

    Examples
    --------
    >>> shares = steady_state(Chain((0, 1, 2), {(0, 1): 2e-9, (1, 2): 1e-9, (1, 0): 1.0, (2, 1): 2.0}))
    >>> f"{shares[2]:.6e}"
    '1.000000e-18'
    """
    table = chain.matrix()
    count = len(chain.states)
    for last in range(count - 1, 0, -1):
        out = float(np.sum(table[last, :last]))
        if out <= 0:
            raise ValueError(
                f"`chain` must be able to go on from each state to every other; {chain.states[last]!r} ends"
            )
        table[:last, last] /= out
        table[:last, :last] += np.outer(table[:last, last], table[last, :last])
        np.fill_diagonal(table, 0.0)
    shares = np.ones(count)
    for state in range(1, count):
        shares[state] = float(shares[:state] @ table[:state, state])
    return dict(zip(chain.states, (shares / shares.sum()).tolist(), strict=True))


def mean_time_to_absorption(chain: Chain, start: Hashable, absorbing: Collection[Hashable]) -> float:
    r"""Return the mean time from `start` until one of the `absorbing` states, without a subtraction.

    With x_i the mean time from i, q_ij the rates among the other states and a_i the rate into the absorbing ones:

    .. math:: \Bigl(a_i + \sum_j q_{ij}\Bigr) x_i = r_i + \sum_j q_{ij} x_j, \qquad r_i = 1

    To eliminate state k, its x is put into the other equations: :math:`q_{ij} \mathrel{+}= q_{ik} q_{kj} / o_k`,
    :math:`a_i \mathrel{+}= q_{ik} a_k / o_k`, :math:`r_i \mathrel{+}= q_{ik} r_k / o_k`, where
    :math:`o_k = a_k + \sum_{j \ne k} q_{kj}`. The diagonal need never be known.

    Parameters
    ----------
    chain
        Any.
    start
        One of its states.
    absorbing
        At least one of its states; what it does from there on does not count.

    Returns
    -------
    float
        In the unit of time of the rates; 0 if `start` is absorbing; infinity if it may never get there.

    Raises
    ------
    ValueError
        If a state is not one of the chain's.

    Examples
    --------
    Two of three with repair, (5 λ + μ) / 6 λ²:

    >>> rates = {(0, 1): 3e-3, (1, 2): 2e-3, (1, 0): 0.1}
    >>> round(mean_time_to_absorption(Chain((0, 1, 2), rates), 0, [2]), 6)
    17500.0
    """
    chain.require("start", [start])
    chain.require("absorbing", absorbing)
    if not absorbing:
        raise ValueError("`absorbing` must be at least one state, got none")
    if start in absorbing:
        return 0.0
    reached = _reachable(chain, start, absorbing)
    if any(not (_reachable(chain, state, absorbing) & set(absorbing)) for state in reached - set(absorbing)):
        return math.inf
    order = [
        start,
        *(state for state in chain.states if state in reached and state != start and state not in absorbing),
    ]
    full = chain.matrix([*order, *(state for state in chain.states if state not in order)])
    count = len(order)
    table = full[:count, :count].copy()
    targets = [index for index, state in enumerate(_rest(chain, order), start=count) if state in absorbing]
    into = full[:count, targets].sum(axis=1)
    reward = np.ones(count)
    for last in range(count - 1, 0, -1):
        out = float(into[last] + table[last, :last].sum())
        share = table[:last, last] / out
        table[:last, :last] += np.outer(share, table[last, :last])
        into[:last] += share * into[last]
        reward[:last] += share * reward[last]
        np.fill_diagonal(table, 0.0)
    return float(reward[0] / into[0])


def _rest(chain: Chain, order: Sequence[Hashable]) -> list[Hashable]:
    return [state for state in chain.states if state not in order]


def _reachable(chain: Chain, start: Hashable, ends: Collection[Hashable]) -> set[Hashable]:
    """Return the states that can be reached from `start`; nothing is followed out of `ends`."""
    found, frontier = {start}, [start]
    while frontier:
        state = frontier.pop()
        for (source, target), rate in chain.rates.items():
            if source == state and rate > 0 and target not in found and state not in ends:
                found.add(target)
                frontier.append(target)
    return found


def mean_time_to_absorption_by_solving(chain: Chain, start: Hashable, absorbing: Collection[Hashable]) -> float:
    """Return the same by solving the linear equations in float64, as most people do: it loses digits to a stiff chain.

    It is here to show by how much; see :func:`mean_time_to_absorption`, which has the parameters.

    Examples
    --------
    >>> chain = Chain((0, 1, 2), {(0, 1): 3e-3, (1, 2): 2e-3, (1, 0): 0.1})
    >>> round(mean_time_to_absorption_by_solving(chain, 0, [2]), 4)
    17500.0
    """
    chain.require("start", [start])
    chain.require("absorbing", absorbing)
    left = [state for state in chain.states if state not in absorbing]
    rest = [state for state in chain.states if state in absorbing]
    full = chain.matrix([*left, *rest])
    generator = full[: len(left), : len(left)] - np.diag(full[: len(left)].sum(axis=1))
    return float(np.linalg.solve(-generator, np.ones(len(left)))[left.index(start)])


def birth_death_mean_time(failure_rates: Sequence[float], repair_rates: Sequence[float]) -> float:
    r"""Return the mean time from state 0 to state m, where state i goes to i + 1 and back to i - 1 only.

    .. math:: \sum_{j<m} \sum_{i \le j} \frac{1}{\lambda_i} \prod_{l=i+1}^{j} \frac{\mu_l}{\lambda_l}

    Parameters
    ----------
    failure_rates
        λ_0 … λ_{m-1}, all above 0: from i to i + 1.
    repair_rates
        μ_1 … μ_{m-1}: from i to i - 1; one fewer.

    Raises
    ------
    ValueError
        If a rate is out of its domain, or there are not as many as that.

    Examples
    --------
    >>> round(birth_death_mean_time([3e-3, 2e-3], [0.1]), 6)
    17500.0
    """
    if not failure_rates or len(repair_rates) != len(failure_rates) - 1:
        raise ValueError(
            f"`repair_rates` must be one fewer than `failure_rates`, got {len(repair_rates)} and {len(failure_rates)}"
        )
    for rate in failure_rates:
        if not 0 < rate < math.inf:
            raise ValueError(f"`failure_rates` must be finite and above 0, got {rate!r}")
    for rate in repair_rates:
        if not 0 <= rate < math.inf:
            raise ValueError(f"`repair_rates` must be finite and at least 0, got {rate!r}")
    # From j to j + 1: 1 / λ_j, and a repair costs the way back once more.
    total = step = 1 / failure_rates[0]
    for failure, repair in zip(failure_rates[1:], repair_rates, strict=True):
        step = 1 / failure + step * repair / failure
        total += step
    return total


def transient(chain: Chain, start: Hashable | Mapping[Any, float], time: float) -> dict[Any, float]:
    r"""Return the probability of each state at a time, by uniformisation.

    .. math:: \pi(t) = \sum_k e^{-\Lambda t} \frac{(\Lambda t)^k}{k!} \pi(0) P^k, \qquad P = I + Q / \Lambda

    Parameters
    ----------
    chain
        Any, with absorbing states or without.
    start
        A state, or a probability for each.
    time
        At least 0, in the unit of the rates.

    Returns
    -------
    dict
        By state; they add up to 1.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> machine = Chain(("up", "down"), {("up", "down"): 1.0, ("down", "up"): 3.0})
    >>> round(transient(machine, "up", 0.25)["up"], 9), round(0.75 + 0.25 * math.exp(-1), 9)
    (0.84196986, 0.84196986)
    """
    if not 0 <= time < math.inf:
        raise ValueError(f"`time` must be finite and at least 0, got {time!r}")
    state = _distribution(chain, start)
    table = chain.matrix()
    out = table.sum(axis=1)
    rate = float(out.max())
    if rate * time == 0:
        return dict(zip(chain.states, state.tolist(), strict=True))
    halvings = max(0, math.ceil(math.log2(rate * time / _MOST_JUMPS)))
    jumps = rate * time / 2**halvings
    # A diagonal of this is 0 or a difference of numbers of one size; it is never small by cancellation of rates.
    step = table / rate + np.diag(1 - out / rate)
    term, kernel, weight = np.eye(len(state)), np.zeros_like(table), math.exp(-jumps)
    for count in range(math.ceil(jumps + 12 * math.sqrt(jumps) + 40)):
        kernel += weight * term
        term = term @ step
        weight *= jumps / (count + 1)
    for _ in range(halvings):
        kernel /= kernel.sum(axis=1, keepdims=True)
        kernel = kernel @ kernel
    found = state @ kernel
    return dict(zip(chain.states, (found / found.sum()).tolist(), strict=True))


def _distribution(chain: Chain, start: Hashable | Mapping[Any, float]) -> Floats:
    if not isinstance(start, Mapping):
        chain.require("start", [start])
        return np.asarray([float(state == start) for state in chain.states])
    chain.require("start", list(start))
    found = np.asarray([start.get(state, 0.0) for state in chain.states])
    if np.any(found < 0) or not math.isclose(found.sum(), 1.0, rel_tol=1e-9):
        raise ValueError(f"`start` must be probabilities that add up to 1, got {dict(start)!r}")
    return found


def survival(chain: Chain, start: Hashable, absorbing: Collection[Hashable], time: float) -> float:
    """Return the probability that none of the `absorbing` states was met by `time`.

    Parameters
    ----------
    chain, start, absorbing
        As for :func:`mean_time_to_absorption`.
    time
        At least 0.

    Examples
    --------
    >>> round(survival(Chain(("up", "down"), {("up", "down"): 0.5}), "up", ["down"], 2.0), 9) == round(math.exp(-1), 9)
    True
    """
    chain.require("absorbing", absorbing)
    kept = {pair: rate for pair, rate in chain.rates.items() if pair[0] not in absorbing}
    found = transient(Chain(chain.states, kept), start, time)
    return math.fsum(share for state, share in found.items() if state not in absorbing)
