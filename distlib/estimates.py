"""Estimates: a value with its confidence interval, for each of the ways in which a simulation is sampled.

Theory of operation
-------------------
Independent runs give a mean with Student's interval; independent trials a proportion with Wilson's score interval,
which stays honest near 0; one long run is cut into batches whose means are nearly independent; a quantile lies between
two order statistics, whatever the law. Each knows how far it is from a predicted value, in standard errors.

Sources: E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927);
A. M. Law, *Simulation Modeling and Analysis*, 5th ed., McGraw-Hill, 2015, chapter 9 (replications, batch means);
H. A. David and H. N. Nagaraja, *Order Statistics*, 3rd ed., Wiley, 2003, section 7.1 (intervals for quantiles).

Examples
--------
>>> print(Estimate.of_mean([9.0, 10.0, 11.0, 10.0]))
10.0 ± 1.3
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri, stdtr, stdtrit

__all__ = ["Estimate", "write_number"]

FEWEST_BATCHES = 20


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval. Made by one of the `of_…` constructors.

    Parameters
    ----------
    value, low, high
        The estimate and its interval: low <= value <= high.
    count
        How many independent samples, trials or batches it rests on.
    level
        The confidence of the interval, in (0, 1).
    deviation
        Standard errors from a predicted value, exact for the kind of estimate; by default taken from the interval.
    """

    value: float
    low: float
    high: float
    count: int
    level: float = 0.95
    deviation: Callable[[float], float] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high or not math.isfinite(self.high - self.low):
            raise ValueError(
                f"`value` must be finite and in [low, high], got {self.value} in [{self.low}, {self.high}]"
            )
        _require_whole("count", self.count, 1)
        _require_open_unit("level", self.level)

    @classmethod
    def of_mean(cls, samples: ArrayLike, level: float = 0.95) -> Estimate:
        """Return the mean of independent samples, one a run, with Student's interval.

        Parameters
        ----------
        samples
            At least two numbers from independent runs. Samples of one run are not: see :meth:`of_batches`.
        level
            The confidence of the interval, in (0, 1).

        Raises
        ------
        ValueError
            If there are fewer than two samples, or one is not finite.

        Examples
        --------
        >>> estimate = Estimate.of_mean([9.0, 10.0, 11.0, 10.0])
        >>> estimate.value, round(estimate.low, 6), round(estimate.high, 6)
        (10.0, 8.700772, 11.299228)
        """
        values = _require_samples("samples", samples, 2)
        _require_open_unit("level", level)
        mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values)))
        freedom = len(values) - 1
        half = float(stdtrit(freedom, (1 + level) / 2)) * error

        def deviation(predicted: float) -> float:
            # Few samples spread wider than normal: their deviation counts as the normal one that is as unlikely.
            if error == 0:
                return 0.0 if math.isclose(mean, predicted, rel_tol=1e-9) else math.copysign(math.inf, mean - predicted)
            distance = (mean - predicted) / error
            return math.copysign(float(-ndtri(max(stdtr(freedom, -abs(distance)), 1e-300))), distance)

        return cls(mean, mean - half, mean + half, len(values), level, deviation)

    @classmethod
    def of_proportion(cls, successes: int, trials: int, level: float = 0.95) -> Estimate:
        """Return the proportion of successes in independent trials, with Wilson's interval.

        Parameters
        ----------
        successes, trials
            0 <= successes <= trials, and trials >= 1.
        level
            The confidence of the interval, in (0, 1).

        Raises
        ------
        ValueError
            If the counts are out of range.

        Examples
        --------
        No failure in 100 trials does not mean that there are none:

        >>> round(Estimate.of_proportion(0, 100).high, 4)
        0.037
        """
        _require_whole("trials", trials, 1)
        _require_whole("successes", successes, 0, trials)
        _require_open_unit("level", level)
        share, z = successes / trials, float(ndtri((1 + level) / 2))
        centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
        half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
        low, high = max(0.0, centre - half), min(1.0, centre + half)
        return cls(share, min(low, share), max(high, share), trials, level, lambda p: _score(share - p, p, trials))

    @classmethod
    def of_batches(cls, batch_means: ArrayLike, level: float = 0.95) -> Estimate:
        """Return the mean of one long run that was cut into batches, after its warm-up was left out.

        Parameters
        ----------
        batch_means
            The mean of each batch, at least 20. A batch must be much longer than the run remembers.
        level
            The confidence of the interval, in (0, 1).

        Raises
        ------
        ValueError
            If there are fewer than 20 batches, or neighbours are alike by more than chance: batches are too short.

        Examples
        --------
        >>> estimate = Estimate.of_batches(np.random.default_rng(seed=1).exponential(1.0, (40, 1000)).mean(axis=1))
        >>> estimate.count, estimate.low < 1.0 < estimate.high
        (40, True)
        """
        means = _require_samples("batch_means", batch_means, FEWEST_BATCHES)
        centred = means - np.mean(means)
        alike = float(centred[1:] @ centred[:-1] / max(float(centred @ centred), 1e-300))
        if alike > (bound := 3 / math.sqrt(len(means))):
            raise ValueError(
                f"`batch_means` must be independent: the correlation of neighbours must be at most {bound:.2f}, "
                f"got {alike:.2f}; make the batches longer"
            )
        return cls.of_mean(means, level)

    @classmethod
    def of_quantile(cls, samples: ArrayLike, q: float, level: float = 0.95) -> Estimate:
        """Return a quantile of independent samples of a continuous law, with an interval that assumes no more of it.

        Parameters
        ----------
        samples
            Independent numbers, enough that the quantile lies well within them.
        q
            Which quantile, in (0, 1).
        level
            The confidence of the interval, in (0, 1).

        Raises
        ------
        ValueError
            If `q` is out of range or there are too few samples for an interval.

        Examples
        --------
        >>> estimate = Estimate.of_quantile(np.arange(1.0, 1001.0), 0.99)
        >>> estimate.value, estimate.low, estimate.high
        (990.0, 983.0, 997.0)
        """
        _require_open_unit("q", q)
        _require_open_unit("level", level)
        values = np.sort(_require_samples("samples", samples, 2))
        count, beside = len(values), (1 - level) / 2
        # The number of samples below the quantile is binomial: the ends are the ranks that it passes too rarely.
        below = bdtr(np.arange(count), count, q)
        lower, upper = np.flatnonzero(below <= beside), np.flatnonzero(below >= 1 - beside)
        if len(lower) == 0 or len(upper) == 0:
            raise ValueError(
                f"`samples` must reach beyond the quantile {q} on both sides; {count} are too few for that"
            )
        value = float(values[math.ceil(count * q) - 1])

        def deviation(predicted: float) -> float:
            return _score(q - float(np.searchsorted(values, predicted, side="right")) / count, q, count)

        return cls(value, float(values[lower[-1]]), float(values[upper[0]]), count, level, deviation)

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    def z(self, predicted: float) -> float:
        """Return by how many standard errors the estimate is above `predicted`.

        A proportion's error is that of the predicted proportion; a quantile is judged by the share of samples below the
        prediction; few samples of a mean count for less.
        """
        if self.deviation is not None:
            return self.deviation(float(predicted))
        error = self.half_width / float(ndtri((1 + self.level) / 2))
        if error == 0:
            return 0.0 if self.value == predicted else math.copysign(math.inf, self.value - predicted)
        return (self.value - predicted) / error

    def __str__(self) -> str:
        """Return the value ± half of the interval, or with its ends where they are not alike."""
        below, above = self.value - self.low, self.high - self.value
        if abs(above - below) > 0.2 * self.half_width:
            low, value, high = (write_number(each, self.half_width) for each in (self.low, self.value, self.high))
            return f"{value}, from {low} to {high}"
        if self.half_width == 0:
            return write_number(self.value)
        return write_number(self.value, self.half_width, interval=True)

    def __sub__(self, other: Estimate) -> Estimate:
        """Return the difference of two independent estimates. For paired runs take the mean of the differences."""
        if self.level != other.level:
            raise ValueError(f"`level` must be the same for both, got {self.level} and {other.level}")
        value = self.value - other.value
        low = value - math.hypot(self.value - self.low, other.high - other.value)
        high = value + math.hypot(self.high - self.value, other.value - other.low)
        return Estimate(value, low, high, min(self.count, other.count), self.level)


def write_number(number: float, spread: float = 0.0, *, interval: bool = False) -> str:
    """Return a number in the digits that its uncertainty leaves.

    Parameters
    ----------
    number
        A whole number is written out; others are rounded.
    spread
        Its uncertainty, of which two digits are kept; 0 if unknown: then the number is written in four digits.
    interval
        Whether to write the spread, too.

    Examples
    --------
    >>> write_number(4.360585852), write_number(4.360585852, 0.019), write_number(4.360585852, 0.019, interval=True)
    ('4.361', '4.361', '4.361 ± 0.019')
    >>> write_number(1.8911848e-06), write_number(132388)
    ('1.891 × 10⁻⁶', '132,388')
    """
    if isinstance(number, int):
        return f"{number:,}"
    power = _power(max(abs(number), spread), 4)
    last = _power(spread, 2) - 1 if spread > 0 else power - 3
    shown = power if power < -3 or power > 6 else 0
    digits = [_fixed(each / 10.0**shown, max(0, shown - last)) for each in (number, spread)]
    if not shown:
        return " ± ".join(digits) if interval else digits[0]
    factor = "× 10" + str(shown).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"({' ± '.join(digits)}) {factor}" if interval else f"{digits[0]} {factor}"


def _power(number: float, digits: int) -> int:
    """Return the power of ten of a number's first digit, once it is rounded: 9.9999 and 10.0001 look the same."""
    return int(f"{number:.{digits - 1}e}".partition("e")[2])


def _fixed(number: float, places: int) -> str:
    # Adding zero takes the sign off a number that was rounded to zero.
    return f"{round(number, places) + 0.0:,.{places}f}".replace("-", "−")


def _score(excess: float, probability: float, trials: int) -> float:
    """Return an excess of a share over its probability, in standard errors of that probability."""
    error = math.sqrt(max(probability * (1 - probability), 0.0) / trials)
    if error == 0:
        return 0.0 if excess == 0 else math.copysign(math.inf, excess)
    return excess / error


def _require_samples(name: str, samples: ArrayLike, fewest: int) -> NDArray[np.float64]:
    values = np.asarray(samples, float)
    if values.ndim != 1 or len(values) < fewest or not np.all(np.isfinite(values)):
        raise ValueError(f"`{name}` must be a sequence of at least {fewest} finite numbers, got {values.shape} of them")
    return values


def _require_whole(name: str, value: int, least: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a whole number, got {value!r}")
    if value < least or (most is not None and value > most):
        bound = f"at least {least}" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"`{name}` must be {bound}, got {value}")


def _require_open_unit(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"`{name}` must be in (0, 1), got {value!r}")
