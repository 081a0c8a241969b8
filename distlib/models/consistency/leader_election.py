"""How Raft's election times out, splits and ends: probabilities and times, without any sampling.

Theory of operation
-------------------
N live servers draw timeouts a + T U_i, the U_i uniform on (0, 1) and
independent. The first to time out asks for votes, and its request arrives a window w later: one leg d, and before
it the candidate's own write f. Whoever has not timed out by then votes for it. So a round fails exactly if so many
others time out within the window that fewer than a quorum q are left to vote for the first: if the (N + 2 - q)-th
timeout is less than w after the first. Spacings of uniforms have beta laws, and

    p = P(U_(N+2-q) - U_(1) < w / T) = I_{w/T}(N + 1 - q, q) = P(Bin(N, w/T) >= N + 1 - q).

The quorum is that of *all* members; N is what is left of them.

*Time.* Let all timers start anew when a round fails (an idealisation; see below).
Each round takes a + T U_(1), and the last one 2 d + 2 f more: the request, the vote, and a write on either side. By
Wald's identity the mean is (a + T / (N + 1)) / (1 - p) + 2 d + 2 f, although the length of a round and its end
depend on each other. For the law they are taken together: given U_(1) = u, each other timeout falls into the window
with probability w / (T (1 - u)).

*What is not ideal.* In truth a candidate starts its timer anew when *it* timed out, so what sets two candidates apart
in one round is still there in the next, and adds up. With two electors, both needed, the gap between their timers is
a random walk: its steps are differences of two uniforms, with the triangular density on (-T, T), and the election is
over as soon as the walk leaves (-w, w). :func:`walk_terms_mean` and :func:`walk_election_seconds_mean` solve that.

*Outage.* The leader crashes X after its last heartbeat, X uniform on (0, h). Timers started when that heartbeat
arrived, one leg after it was sent: so the outage is d - X and then an election.

Sources: Ongaro and Ousterhout (2014), sections 5.2 and 5.6, for the protocol; David and Nagaraja, *Order
Statistics*, 3rd ed. (2003), section 6.4, for spacings of uniforms; the formulas are derived in the chapter.

Examples
--------
>>> timing = ElectionTiming(member_count=5, shortest_seconds=0.150, spread_seconds=0.150, delay_seconds=0.005)
>>> f"{split_vote_probability(timing):.5f}"
'0.00637'
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import bdtr, bdtrc, betainc

__all__ = [
    "ElectionLaw",
    "ElectionTiming",
    "OutageLaw",
    "contention_probability",
    "election_seconds_mean",
    "naive_split_vote_probability",
    "optimal_spread_seconds",
    "outage_seconds_mean",
    "quorum_size",
    "split_vote_probability",
    "split_vote_probability_binomial",
    "split_vote_probability_exponential",
    "terms_mean",
    "walk_election_seconds_mean",
    "walk_terms_mean",
]

Floats = NDArray[np.float64]


def quorum_size(member_count: int) -> int:
    """Return how many of all members are a majority.

    Raises
    ------
    ValueError
        If `member_count` is below 1.
    """
    if member_count < 1:
        raise ValueError(f"`member_count` must be at least 1, got {member_count}")
    return member_count // 2 + 1


@dataclass(frozen=True)
class ElectionTiming:
    """A cluster and its times.

    Parameters
    ----------
    member_count
        n, all members, up or not; at least 2.
    shortest_seconds
        a, the shortest election timeout; above 0.
    spread_seconds
        T: timeouts are uniform on [a, a + T]; above 0.
    delay_seconds
        d, one leg between two servers, constant; at least 0.
    elector_count
        N, members that are up and draw timeouts; without it all but one, for a leader has crashed.
    heartbeat_seconds
        h, between two heartbeats; at least 0. Only outages depend on it.
    save_seconds
        f, a forced write of the vote; at least 0.
    pre_vote
        Whether a candidate first asks whether it would be elected. That takes a round trip more, and changes nothing
        else: whoever would have waited for the first request still does.

    Raises
    ------
    ValueError
        If a number is out of range, or the electors are fewer than a quorum.
    """

    member_count: int
    shortest_seconds: float
    spread_seconds: float
    delay_seconds: float
    elector_count: int | None = None
    heartbeat_seconds: float = 0.0
    save_seconds: float = 0.0
    pre_vote: bool = False

    def __post_init__(self) -> None:
        if self.member_count < 2:
            raise ValueError(f"`member_count` must be at least 2, got {self.member_count}")
        for name in ("shortest_seconds", "spread_seconds"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")
        for name in ("delay_seconds", "heartbeat_seconds", "save_seconds"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
        if not self.quorum <= self.electors <= self.member_count:
            raise ValueError(
                f"`elector_count` must be in [{self.quorum}, {self.member_count}], or nobody can be elected, "
                f"got {self.electors}"
            )

    @property
    def electors(self) -> int:
        """N, the members that are up."""
        return self.member_count - 1 if self.elector_count is None else self.elector_count

    @property
    def quorum(self) -> int:
        """q, a majority of all members."""
        return quorum_size(self.member_count)

    @property
    def window_seconds(self) -> float:
        """w, from a timeout to the arrival of its request: d + f."""
        return self.delay_seconds + self.save_seconds

    @property
    def window_share(self) -> float:
        """The window as a share of the spread, w / T, at most 1."""
        return min(1.0, self.window_seconds / self.spread_seconds)

    @property
    def votes_seconds(self) -> float:
        """From the winner's timeout to its last vote: 2 d + 2 f, and with pre-vote 2 d more."""
        return (4 if self.pre_vote else 2) * self.delay_seconds + 2 * self.save_seconds


# ------------------------------------------------------------------------------------------------------- probabilities


def split_vote_probability(timing: ElectionTiming) -> float:
    """Return the probability that a round elects nobody, I_{w/T}(N + 1 - q, q).

    See Also
    --------
    split_vote_probability_binomial : The same as a tail of a binomial law.
    naive_split_vote_probability : What is commonly said instead.

    Examples
    --------
    All five are up, and a leg is half the spread: it splits every other time.

    >>> split_vote_probability(ElectionTiming(5, 0.1, 0.2, 0.1, elector_count=5))
    0.5
    """
    late = timing.electors + 1 - timing.quorum
    return float(betainc(late, timing.quorum, timing.window_share))


def split_vote_probability_binomial(timing: ElectionTiming) -> float:
    """Return P(Bin(N, w/T) >= N + 1 - q), summed term by term: the same probability."""
    share, count = timing.window_share, timing.electors
    return math.fsum(
        math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1 - timing.quorum, count + 1)
    )


def contention_probability(timing: ElectionTiming) -> float:
    """Return the probability of two candidates or more, 1 - (1 - w/T)^N. Most of these rounds elect a leader.

    Examples
    --------
    >>> f"{contention_probability(ElectionTiming(5, 0.150, 0.150, 0.005)):.4f}"
    '0.1268'
    """
    return -math.expm1(timing.electors * math.log1p(-timing.window_share)) if timing.window_share < 1 else 1.0


def naive_split_vote_probability(timing: ElectionTiming) -> float:
    """Return 1 - (1 - w/T)^(n - 1) with n the members: what is commonly said, and is no split but a contention.

    With all n members up it is not even that: the exponent is off by one.
    """
    return 1 - (1 - timing.window_share) ** (timing.member_count - 1)


def split_vote_probability_exponential(
    elector_count: int, *, spread_seconds: float, delay_mean_seconds: float
) -> float:
    """Return the probability that a round elects nobody in a cluster of three with exponential legs.

    Parameters
    ----------
    elector_count
        2, after a crash: the two tie if the second times out before the first's request has come; 3: all three must
        stand.
    spread_seconds
        T, above 0.
    delay_mean_seconds
        1/θ, the mean of a leg; above 0.

    Returns
    -------
    float
        For two 2 (b - 1 + e^-b) / b² with b = θ T; for three the integral of 6 r (1 - r) e^(-2 b r) over r in (0, 1).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Three: with r the span of the timeouts over T, its density 6 r (1 - r), and the second somewhere within it.
    The second stands unless the first's request has come; the third unless the first's or the second's has. All
    legs are independent and without memory, and the waits add up to twice the span.

    Examples
    --------
    >>> f"{split_vote_probability_exponential(3, spread_seconds=0.150, delay_mean_seconds=0.010):.6f}"
    '0.006222'
    """
    if elector_count not in (2, 3):
        raise ValueError(f"`elector_count` must be in [2, 3], got {elector_count}")
    for name, value in (("spread_seconds", spread_seconds), ("delay_mean_seconds", delay_mean_seconds)):
        if not 0 < value < math.inf:
            raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")
    b = spread_seconds / delay_mean_seconds
    if elector_count == 2:
        return float(2 * (b + math.expm1(-b)) / b**2)
    value, _ = quad(lambda r: 6 * r * (1 - r) * math.exp(-2 * b * r), 0, 1, epsabs=1e-14, epsrel=1e-12, limit=200)
    return float(value)


# --------------------------------------------------------------------------------------------------------------- times


def terms_mean(timing: ElectionTiming) -> float:
    """Return the mean number of terms until somebody is elected, 1 / (1 - p); infinite if p is 1."""
    split = split_vote_probability(timing)
    return 1 / (1 - split) if split < 1 else math.inf


def election_seconds_mean(timing: ElectionTiming) -> float:
    """Return the mean time from the start of all timers to a leader, (a + T / (N + 1)) / (1 - p) + 2 d + 2 f.

    Examples
    --------
    >>> f"{1000 * election_seconds_mean(ElectionTiming(5, 0.150, 0.150, 0.015)):.2f} ms"
    '219.93 ms'
    """
    first = timing.shortest_seconds + timing.spread_seconds / (timing.electors + 1)
    return first * terms_mean(timing) + timing.votes_seconds


def outage_seconds_mean(timing: ElectionTiming) -> float:
    """Return the mean time from a leader's crash to the next leader: an election, and d - h / 2 before it.

    With rare splits and no writes that is a + T / (N + 1) + 3 d - h / 2.

    Examples
    --------
    >>> timing = ElectionTiming(5, 0.150, 0.150, 0.005, heartbeat_seconds=0.075)
    >>> f"{1000 * outage_seconds_mean(timing):.1f} ms"
    '158.7 ms'
    """
    return election_seconds_mean(timing) + timing.delay_seconds - timing.heartbeat_seconds / 2


def optimal_spread_seconds(timing: ElectionTiming) -> float:
    """Return the spread T with the least mean time to a leader, all else as in `timing`.

    Raises
    ------
    ValueError
        If there is no window: then the smallest spread is best, and there is no optimum.

    Examples
    --------
    >>> f"{1000 * optimal_spread_seconds(ElectionTiming(5, 0.150, 0.150, 0.015)):.2f} ms"
    '125.49 ms'
    """
    window = timing.window_seconds
    if window == 0:
        raise ValueError("`delay_seconds` and `save_seconds` must not both be 0, or no spread is too small")
    # In logarithms the mean has one minimum between the window, where nobody is ever elected, and far above it.
    best = minimize_scalar(  # type: ignore[no-untyped-call]
        lambda logarithm: election_seconds_mean(replace(timing, spread_seconds=window * math.exp(logarithm))),
        bounds=(1e-3, math.log(1e4 + 1e3 * timing.shortest_seconds / window)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(window * math.exp(best.x))


# ---------------------------------------------------------------------------------------------- two electors, exactly


def _walk(timing: ElectionTiming) -> tuple[float, float]:
    """Return the mean number of steps until the gap leaves (-w, w), and its mean size then, in units of T."""
    if (timing.electors, timing.quorum) != (2, 2):
        raise ValueError(
            f"`timing` must have two electors that are both needed, got {timing.electors} electors "
            f"and a quorum of {timing.quorum}"
        )
    window = timing.window_seconds / timing.spread_seconds
    if window > _WIDEST_WINDOW:
        raise ValueError(f"d + f must be at most {_WIDEST_WINDOW} spreads, got {window:g}")
    if window == 0:
        return 1.0, 1 / 3
    count = _WALK_CELLS * math.ceil(window)
    edges = np.linspace(-window, window, count + 1)
    places = (edges[:-1] + edges[1:]) / 2
    # P(a step from one place ends in each cell), exactly: the triangular law's distribution function at the edges.
    stay = np.diff(_triangular_cdf(edges[None, :] - places[:, None]), axis=1)
    steps = np.linalg.solve(np.eye(count) - stay, np.ones(count))
    # The mean size of a gap after a step, by moments: all of it less what stays inside.
    sizes = _mean_size(places) - stay @ np.abs(places)
    gaps = np.linalg.solve(np.eye(count) - stay, sizes)
    return float(np.interp(0.0, places, steps)), float(np.interp(0.0, places, gaps))


def _triangular_cdf(x: Floats) -> Floats:
    near = np.clip(x, -1.0, 1.0)
    return np.asarray(0.5 + near - np.sign(near) * near**2 / 2)


def _mean_size(places: Floats) -> Floats:
    """Return E|x + D| for D with the triangular density on (-1, 1)."""
    near = np.minimum(np.abs(places), 1.0)
    return np.asarray(np.where(np.abs(places) < 1, 1 / 3 + near**2 - near**3 / 3, np.abs(places)))


_WALK_CELLS = 150
"""Cells for each spread that the window is wide, at least."""
_WIDEST_WINDOW = 4


def walk_terms_mean(timing: ElectionTiming) -> float:
    """Return the mean number of terms until one of two electors leads, with timers that start as they do in truth.

    Parameters
    ----------
    timing
        With two electors, both needed: three members of which one is down, or two.

    Returns
    -------
    float
        The mean number of steps until the walk of the gap leaves (-w, w). Finite, unlike :func:`terms_mean`, even if
        the window is longer than the spread.

    Raises
    ------
    ValueError
        If the electors are not two, or the window is more than four spreads.

    Examples
    --------
    A window of half the spread: three rounds in four split if each began anew.

    >>> timing = ElectionTiming(3, 0.150, 0.030, 0.015)
    >>> f"{walk_terms_mean(timing):.3f} terms instead of {terms_mean(timing):.3f}"
    '3.324 terms instead of 4.000'
    """
    return _walk(timing)[0]


def walk_election_seconds_mean(timing: ElectionTiming) -> float:
    """Return the mean time from the start of both timers to a leader, with timers that start as they do in truth.

    Both timers together have run for K (2 a + T) in the mean, with K from :func:`walk_terms_mean` (Wald); the winner's
    was ahead by half the last gap. A failed round takes a write on top.

    Raises
    ------
    ValueError
        As :func:`walk_terms_mean`.

    Examples
    --------
    >>> timing = ElectionTiming(3, 0.150, 0.030, 0.015)
    >>> f"{1000 * walk_election_seconds_mean(timing):.1f} ms, not {1000 * election_seconds_mean(timing):.1f} ms"
    '567.5 ms, not 670.0 ms'
    """
    terms, gap = _walk(timing)
    together = terms * (timing.shortest_seconds + timing.spread_seconds / 2) + (terms - 1) * timing.save_seconds
    return together - gap * timing.spread_seconds / 2 + timing.votes_seconds


# ---------------------------------------------------------------------------------------------------------------- laws

_CELLS = 200
"""Cells into which (0, 1) is cut for the law of one round."""
_NEGLIGIBLE = 1e-7


@dataclass(frozen=True)
class ElectionLaw:
    """The law of the time from the start of all timers to a leader, as a :class:`~distlib.models.latency.Law`.

    Parameters
    ----------
    timing
        What it follows from.
    most_rounds
        After how many rounds to stop: fewer are quicker, where only early times matter.

    Notes
    -----
    Round k of a failed round's law is a convolution on a grid of 200 cells; the part a of each round,
    which does not vary, is added exactly. What takes more rounds is beyond any time.

    Examples
    --------
    >>> law = ElectionLaw(ElectionTiming(5, 0.150, 0.150, 0.015))
    >>> f"{1000 * law.mean():.1f} ms in the mean, {1000 * float(law.ppf(0.99)):.0f} ms for the slowest in a hundred"
    '219.9 ms in the mean, 451 ms for the slowest in a hundred'
    """

    timing: ElectionTiming
    most_rounds: int = 150

    @cached_property
    def _rounds(self) -> tuple[tuple[Floats, Floats], ...]:
        """For each round, edges in units of T and P(this round elects, and the timeouts so far add up to less)."""
        count, quorum, share = self.timing.electors, self.timing.quorum, self.timing.window_share
        centres = (np.arange(_CELLS) + 0.5) / _CELLS
        edges = np.arange(_CELLS + 1) / _CELLS
        first = -np.diff((1 - edges) ** count)  # P(U_(1) in each cell), exactly
        close = np.minimum(1.0, share / (1 - centres))
        lost = first * bdtrc(count - quorum, count - 1, close)
        won = first * bdtr(count - quorum, count - 1, close)
        found, failed = [], np.ones(1)
        for number in range(1, self.most_rounds + 1):
            mass = np.convolve(failed, won)
            # Each sum of `number` cells is spread evenly over one cell around its mean.
            places = (np.arange(len(mass) + 1) + (number - 1) / 2) / _CELLS
            found.append((places, np.append(0.0, np.cumsum(mass))))
            failed = np.convolve(failed, lost)
            if failed.sum() < _NEGLIGIBLE:
                break
        return tuple(found)

    def cdf(self, x: ArrayLike) -> Floats:
        times = np.asarray(x, float)
        total = np.zeros(times.shape)
        for number, (places, chance) in enumerate(self._rounds, 1):
            fixed = number * self.timing.shortest_seconds + self.timing.votes_seconds
            total += np.interp((times - fixed) / self.timing.spread_seconds, places, chance)
        return np.asarray(np.minimum(total, 1.0))

    def sf(self, x: ArrayLike) -> Floats:
        return np.asarray(1.0 - self.cdf(x))

    def ppf(self, q: ArrayLike) -> Floats:
        grid = self._grid
        chance = self.cdf(grid)
        wanted = np.asarray(q, float)
        return np.asarray(np.where(wanted <= chance[-1], np.interp(wanted, chance, grid), np.inf))

    @property
    def _grid(self) -> Floats:
        """Times from the first at which somebody can lead, far enough."""
        start = self.timing.shortest_seconds + self.timing.votes_seconds
        split = split_vote_probability(self.timing)
        rounds = min(self.most_rounds, math.ceil(math.log(_NEGLIGIBLE) / math.log(split))) if 0 < split < 1 else 1
        end = start + rounds * (self.timing.shortest_seconds + self.timing.spread_seconds)
        return np.linspace(start, end, 400 * (rounds + 1))

    def mean(self) -> float:
        return election_seconds_mean(self.timing)

    def std(self) -> float:
        if split_vote_probability(self.timing) > 0.8:
            return math.nan
        grid = self._grid
        tail = self.sf(grid)
        square = grid[0] ** 2 + float(np.trapezoid(2 * grid * tail, grid))
        return math.sqrt(max(0.0, square - self.mean() ** 2))

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> Floats:
        return self.ppf(np.random.default_rng(random_state).random(size))


@dataclass(frozen=True)
class OutageLaw(ElectionLaw):
    """The law of the time from a leader's crash to the next leader: d - X and an election, X uniform on (0, h).

    Examples
    --------
    >>> law = OutageLaw(ElectionTiming(5, 0.150, 0.150, 0.005, heartbeat_seconds=0.075))
    >>> f"{1000 * float(law.ppf(0.5)):.0f} ms"
    '156 ms'
    """

    def cdf(self, x: ArrayLike) -> Floats:
        times = np.asarray(x, float) - self.timing.delay_seconds
        period = self.timing.heartbeat_seconds
        if period == 0:
            return super().cdf(times)
        phases = (np.arange(64) + 0.5) / 64 * period
        return np.asarray(np.mean([super(OutageLaw, self).cdf(times + phase) for phase in phases], axis=0))

    @property
    def _grid(self) -> Floats:
        grid = super()._grid + self.timing.delay_seconds
        start = max(0.0, grid[0] - self.timing.heartbeat_seconds)
        return np.linspace(start, grid[-1], len(grid))

    def mean(self) -> float:
        return outage_seconds_mean(self.timing)
