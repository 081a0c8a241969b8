"""Laws of latency: how long a message, a save or a step of work takes.

Each law answers as a frozen distribution of :mod:`scipy.stats` does (``cdf``, ``sf``, ``ppf``, ``mean``, ``std``,
``rvs``), so either can stand wherever the book asks for a law. These are here because they take their parameters in
the units that people measure (a median, a minimum; seconds) and because they load in milliseconds.

Examples
--------
>>> law = Exponential(mean_seconds=0.001)
>>> f"{law.sf(0.003):.4f}"
'0.0498'
>>> law.rvs(size=3, random_state=np.random.default_rng(seed=1)).round(6).tolist()
[0.001073, 0.000308, 0.005375]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

__all__ = ["Constant", "Empirical", "Exponential", "Law", "LogNormal", "Pareto", "Shifted", "Uniform", "require_law"]

Floats = NDArray[np.float64]


@runtime_checkable
class Law(Protocol):
    """What a law must answer: the part of a frozen :mod:`scipy.stats` distribution that the book uses."""

    def cdf(self, x: Any) -> Any:
        """Return P(X <= x), elementwise."""

    def sf(self, x: Any) -> Any:
        """Return P(X > x), elementwise, without cancellation in the tail."""

    def ppf(self, q: Any) -> Any:
        """Return the smallest x with P(X <= x) >= q, elementwise."""

    def mean(self) -> Any:
        """Return E[X] in seconds; infinite where it diverges."""

    def std(self) -> Any:
        """Return the standard deviation in seconds; infinite where it diverges."""

    def rvs(self, *, size: Any = ..., random_state: Any = ...) -> Any:
        """Return `size` independent draws from the generator `random_state`."""


def require_law(name: str, law: object) -> Law:
    """Return `law` if it is one, otherwise raise.

    Parameters
    ----------
    name
        The argument that `law` was given for, for the message.

    Raises
    ------
    TypeError
        If `law` lacks a method of :class:`Law`.
    ValueError
        If it can be negative.
    """
    # A distribution of scipy.stats that was not frozen has the methods too, but no parameters.
    if not isinstance(law, Law) or isinstance(law, type) or hasattr(law, "freeze"):
        raise TypeError(
            f"`{name}` must be a law of distlib.models.latency, such as Constant(0.001), or a frozen scipy.stats "
            f"distribution, got {law!r}"
        )
    smallest = float(law.ppf(0.0))
    if not smallest >= 0:
        raise ValueError(f"`{name}` must never be negative, got a law whose smallest value is {smallest}")
    return law


def _require(name: str, value: float, *, above: float | None = None, at_least: float | None = None) -> None:
    if not np.isfinite(value) or (above is not None and value <= above) or (at_least is not None and value < at_least):
        bound = f"above {above}" if above is not None else f"at least {at_least}"
        raise ValueError(f"`{name}` must be finite and {bound}, got {value!r}")


@dataclass(frozen=True)
class Constant:
    """Always the same. `seconds` >= 0."""

    seconds: float

    def __post_init__(self) -> None:
        _require("seconds", self.seconds, at_least=0)

    def cdf(self, x: ArrayLike) -> Floats:
        return np.asarray(np.where(np.asarray(x, float) >= self.seconds, 1.0, 0.0))

    def sf(self, x: ArrayLike) -> Floats:
        return np.asarray(np.where(np.asarray(x, float) >= self.seconds, 0.0, 1.0))

    def ppf(self, q: ArrayLike) -> Floats:
        return np.full_like(np.asarray(q, float), self.seconds)

    def mean(self) -> float:
        return self.seconds

    def std(self) -> float:
        return 0.0

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> Floats:
        return np.full(size, self.seconds)


@dataclass(frozen=True)
class _Quantile:
    """A law given by its quantile function: draws by inversion."""

    def ppf(self, q: ArrayLike) -> Floats:
        raise NotImplementedError

    def sf(self, x: ArrayLike) -> Floats:
        raise NotImplementedError

    def cdf(self, x: ArrayLike) -> Floats:
        return 1.0 - self.sf(x)

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> Floats:
        return self.ppf(np.random.default_rng(random_state).random(size))


@dataclass(frozen=True)
class Uniform(_Quantile):
    """Anything between `shortest_seconds` and `longest_seconds`, alike. 0 <= shortest < longest."""

    shortest_seconds: float
    longest_seconds: float

    def __post_init__(self) -> None:
        _require("shortest_seconds", self.shortest_seconds, at_least=0)
        _require("longest_seconds", self.longest_seconds, above=self.shortest_seconds)

    def sf(self, x: ArrayLike) -> Floats:
        width = self.longest_seconds - self.shortest_seconds
        return np.clip((self.longest_seconds - np.asarray(x, float)) / width, 0.0, 1.0)

    def ppf(self, q: ArrayLike) -> Floats:
        return self.shortest_seconds + np.asarray(q, float) * (self.longest_seconds - self.shortest_seconds)

    def mean(self) -> float:
        return (self.shortest_seconds + self.longest_seconds) / 2

    def std(self) -> float:
        return float((self.longest_seconds - self.shortest_seconds) / np.sqrt(12))


@dataclass(frozen=True)
class Exponential(_Quantile):
    """Memoryless: however long it took, the rest is as long as at the start. `mean_seconds` > 0."""

    mean_seconds: float

    def __post_init__(self) -> None:
        _require("mean_seconds", self.mean_seconds, above=0)

    def sf(self, x: ArrayLike) -> Floats:
        return np.asarray(np.exp(-np.maximum(np.asarray(x, float), 0.0) / self.mean_seconds))

    def cdf(self, x: ArrayLike) -> Floats:
        return np.asarray(-np.expm1(-np.maximum(np.asarray(x, float), 0.0) / self.mean_seconds))

    def ppf(self, q: ArrayLike) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(-self.mean_seconds * np.log1p(-np.asarray(q, float)))

    def mean(self) -> float:
        return self.mean_seconds

    def std(self) -> float:
        return self.mean_seconds

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> Floats:
        return np.random.default_rng(random_state).exponential(self.mean_seconds, size)


@dataclass(frozen=True)
class LogNormal(_Quantile):
    """A product of many small delays: `median_seconds` > 0, and `sigma` > 0, the deviation of the logarithm."""

    median_seconds: float
    sigma: float

    def __post_init__(self) -> None:
        _require("median_seconds", self.median_seconds, above=0)
        _require("sigma", self.sigma, above=0)

    def _standardise(self, x: ArrayLike) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.maximum(np.asarray(x, float), 0.0) / self.median_seconds) / self.sigma)

    def sf(self, x: ArrayLike) -> Floats:
        return np.asarray(ndtr(-self._standardise(x)))

    def cdf(self, x: ArrayLike) -> Floats:
        return np.asarray(ndtr(self._standardise(x)))

    def ppf(self, q: ArrayLike) -> Floats:
        return np.asarray(self.median_seconds * np.exp(self.sigma * ndtri(np.asarray(q, float))))

    def mean(self) -> float:
        return float(self.median_seconds * np.exp(self.sigma**2 / 2))

    def std(self) -> float:
        return float(self.mean() * np.sqrt(np.expm1(self.sigma**2)))

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> Floats:
        return np.random.default_rng(random_state).lognormal(np.log(self.median_seconds), self.sigma, size)


@dataclass(frozen=True)
class Pareto(_Quantile):
    """A heavy tail: P(X > x) = (minimum / x) ** shape. `minimum_seconds` > 0; `shape` > 0 (at most 1: no mean)."""

    minimum_seconds: float
    shape: float

    def __post_init__(self) -> None:
        _require("minimum_seconds", self.minimum_seconds, above=0)
        _require("shape", self.shape, above=0)

    def sf(self, x: ArrayLike) -> Floats:
        ratio = self.minimum_seconds / np.maximum(np.asarray(x, float), self.minimum_seconds)
        return np.asarray(ratio**self.shape)

    def ppf(self, q: ArrayLike) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(self.minimum_seconds * np.exp(-np.log1p(-np.asarray(q, float)) / self.shape))

    def mean(self) -> float:
        return self.minimum_seconds * self.shape / (self.shape - 1) if self.shape > 1 else float("inf")

    def std(self) -> float:
        if self.shape <= 2:
            return float("inf")
        return float(self.minimum_seconds / (self.shape - 1) * np.sqrt(self.shape / (self.shape - 2)))


@dataclass(frozen=True)
class Shifted:
    """A law that starts later: `law` plus `shift_seconds` >= 0, such as the speed of light plus a queue."""

    law: Law
    shift_seconds: float

    def __post_init__(self) -> None:
        require_law("law", self.law)
        _require("shift_seconds", self.shift_seconds, at_least=0)

    def cdf(self, x: ArrayLike) -> Floats:
        return np.asarray(self.law.cdf(np.asarray(x, float) - self.shift_seconds))

    def sf(self, x: ArrayLike) -> Floats:
        return np.asarray(self.law.sf(np.asarray(x, float) - self.shift_seconds))

    def ppf(self, q: ArrayLike) -> Floats:
        return np.asarray(self.law.ppf(q)) + self.shift_seconds

    def mean(self) -> float:
        return float(self.law.mean()) + self.shift_seconds

    def std(self) -> float:
        return float(self.law.std())

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> Floats:
        return np.asarray(self.law.rvs(size=size, random_state=random_state)) + self.shift_seconds


@dataclass(frozen=True)
class Empirical:
    """What was measured, each sample as likely as any other.

    Parameters
    ----------
    samples_seconds
        At least one, none negative; kept sorted.
    """

    samples_seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        samples = np.sort(np.asarray(self.samples_seconds, float))
        if samples.ndim != 1 or len(samples) == 0 or not np.all(np.isfinite(samples)) or samples[0] < 0:
            raise ValueError(
                "`samples_seconds` must be a sequence of at least one finite number, none below 0, "
                f"got shape {samples.shape}, smallest {samples.min(initial=np.inf)}"
            )
        object.__setattr__(self, "samples_seconds", tuple(samples.tolist()))

    def cdf(self, x: ArrayLike) -> Floats:
        samples = np.asarray(self.samples_seconds)
        return np.asarray(np.searchsorted(samples, np.asarray(x, float), side="right") / len(samples))

    def sf(self, x: ArrayLike) -> Floats:
        return 1.0 - self.cdf(x)

    def ppf(self, q: ArrayLike) -> Floats:
        samples = np.asarray(self.samples_seconds)
        # The shares are divided as `cdf` divides them: multiplied, some would be rounded to the next sample.
        shares = np.arange(1, len(samples) + 1) / len(samples)
        return np.asarray(samples[np.minimum(np.searchsorted(shares, np.asarray(q, float)), len(samples) - 1)])

    def mean(self) -> float:
        return float(np.mean(self.samples_seconds))

    def std(self) -> float:
        return float(np.std(self.samples_seconds))

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> Floats:
        return np.random.default_rng(random_state).choice(np.asarray(self.samples_seconds), size)
