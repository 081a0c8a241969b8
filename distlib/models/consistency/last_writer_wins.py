r"""How often the last writer does not win, because its clock is behind.

Theory of operation
-------------------
Two writes of one register go through two replicas, the second a gap τ after the first was acknowledged and stamped.
Each replica's clock is off by a normal error of the deviation s, independent of the other. The second write has the
smaller stamp if the difference of the two errors, which is normal with the deviation σ = s √2, is above τ. It is then
lost: acknowledged, and seen by nobody.

If the gap is exponential with the rate λ, the same probability is averaged over it, which is the Laplace transform of
half a normal law.
"""

from __future__ import annotations

import math

from scipy.special import log_ndtr, ndtr, ndtri

__all__ = ["inversion_probability", "inversion_probability_exponential", "safe_gap_seconds"]


def _require_deviation(deviation_seconds: float) -> None:
    if not 0 < deviation_seconds < math.inf:
        raise ValueError(f"`deviation_seconds` must be finite and above 0, got {deviation_seconds!r}")


def inversion_probability(gap_seconds: float, deviation_seconds: float) -> float:
    r"""Return the probability that the later of two writes has the smaller stamp: :math:`\Phi(-τ / (s \sqrt 2))`.

    Parameters
    ----------
    gap_seconds
        τ, between the two stamps in true time; at least 0.
    deviation_seconds
        s, of the error of each clock; above 0.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(inversion_probability(0.002, 0.001), 8)
    0.0786496
    """
    _require_deviation(deviation_seconds)
    if not gap_seconds >= 0:
        raise ValueError(f"`gap_seconds` must be at least 0, got {gap_seconds!r}")
    return float(ndtr(-gap_seconds / (deviation_seconds * math.sqrt(2))))


def inversion_probability_exponential(rate_per_second: float, deviation_seconds: float) -> float:
    r"""Return the same for a gap that is exponential: :math:`\frac12 - e^{λ^2σ^2/2}\, \Phi(-λσ)` with σ = s √2.

    Parameters
    ----------
    rate_per_second
        λ, of the gap; above 0.
    deviation_seconds
        s, of the error of each clock; above 0.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(inversion_probability_exponential(500, 0.001), 8)
    0.19215483
    """
    _require_deviation(deviation_seconds)
    if not 0 < rate_per_second < math.inf:
        raise ValueError(f"`rate_per_second` must be finite and above 0, got {rate_per_second!r}")
    product = rate_per_second * deviation_seconds * math.sqrt(2)
    # In logarithms: the first factor alone overflows where the second is 0.
    return 0.5 - math.exp(product**2 / 2 + float(log_ndtr(-product)))


def safe_gap_seconds(deviation_seconds: float, loss_probability: float) -> float:
    """Return how far apart two writes must be so that the later one is lost with no more than this probability.

    Parameters
    ----------
    deviation_seconds
        s, of the error of each clock; above 0.
    loss_probability
        In (0, 1/2].

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(safe_gap_seconds(0.001, 0.07864960352514258), 6)
    0.002
    """
    _require_deviation(deviation_seconds)
    if not 0 < loss_probability <= 0.5:
        raise ValueError(f"`loss_probability` must be in (0, 1/2], got {loss_probability!r}")
    return float(-ndtri(loss_probability)) * deviation_seconds * math.sqrt(2)
