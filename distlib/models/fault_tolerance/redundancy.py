r"""Redundant parts that fail and are repaired: how long until the first outage, and which share of time is lost.

Theory of operation
-------------------
Each question is a small Markov chain (:mod:`distlib.models.markov`); this module builds the chains and names their
quantities. A part fails at the rate :math:`\lambda` and is repaired at the rate :math:`\mu`; a failure is *covered*
with probability c: it is noticed, and the part is taken out of service without an outage. Times are in any unit, such
as hours, and rates are per that unit.

Assumptions: lifetimes and repairs are exponential and independent of each other, but for :func:`common_cause_chain`.

Sources: W. G. Bouricius, W. C. Carter, P. R. Schneider, "Reliability modeling techniques for self-repairing computer
systems", ACM National Conference 1969, for coverage; R. E. Barlow and F. Proschan, *Statistical Theory of Reliability
and Life Testing*, 1975, chapter 7, for repair; K. N. Fleming, "A reliability model for common mode failures in
redundant safety systems", 1975, for the beta factor; J. Dugan and K. Trivedi, "Coverage modeling for dependability
analysis of fault-tolerant systems", *IEEE Transactions on Computers* 38(6), 1989.

Examples
--------
A pair that fails once in a thousand hours per part, and is repaired within one, lives half a million hours:

>>> f"{duplex_mean_time(1e-3, 1.0, coverage=1.0):,.0f}"
'501,500'

Unless one failover in a hundred goes wrong:

>>> f"{duplex_mean_time(1e-3, 1.0, coverage=0.99):,.0f}"
'45,590'
"""

from __future__ import annotations

import math

from distlib.models.markov import Chain, mean_time_to_absorption, steady_state

__all__ = [
    "common_cause_chain",
    "duplex_chain",
    "duplex_mean_time",
    "k_of_n_availability",
    "k_of_n_chain",
    "k_of_n_mean_time",
    "naive_duplex_mean_time",
    "pair_availability",
    "pair_chain",
    "pair_unavailability",
    "pair_unavailability_parts",
    "standby_mean_time",
    "tier_chain",
    "tier_unavailability",
]


def _require_rate(name: str, value: float, *, zero: bool = False) -> None:
    if not (value >= 0 if zero else value > 0) or not value < math.inf:
        raise ValueError(f"`{name}` must be finite and {'at least' if zero else 'above'} 0, got {value!r}")


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be in [0, 1], got {value!r}")


def _require_rank(k: int, n: int) -> None:
    for name, value, least, most in (("n", n, 1, math.inf), ("k", k, 1, n)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"`{name}` must be a whole number, got {value!r}")
        if not least <= value <= most:
            raise ValueError(f"`{name}` must be in [{least}, {most}], got {value!r}")


# -------------------------------------------------------------------------------------------------------- k out of n


def k_of_n_chain(k: int, n: int, failure_rate: float, repair_rate: float, *, crews: int | None = None) -> Chain:
    """Return the chain of `n` parts: its state is how many are down, from 0 to n.

    Parameters
    ----------
    k, n
        How many are needed, and how many there are: 1 <= k <= n.
    failure_rate, repair_rate
        Of each part; above 0.
    crews
        How many parts are repaired at a time, at least 1; None: all that are down.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.
    """
    _require_rank(k, n)
    _require_rate("failure_rate", failure_rate)
    _require_rate("repair_rate", repair_rate)
    if crews is not None and crews < 1:
        raise ValueError(f"`crews` must be at least 1, got {crews!r}")
    fail = {(down, down + 1): (n - down) * failure_rate for down in range(n)}
    mend = {(down, down - 1): min(down, crews or n) * repair_rate for down in range(1, n + 1)}
    return Chain(tuple(range(n + 1)), fail | mend)


def k_of_n_availability(k: int, n: int, failure_rate: float, repair_rate: float, *, crews: int | None = None) -> float:
    """Return the share of time for which at least `k` of `n` parts are up; parameters as in :func:`k_of_n_chain`.

    Examples
    --------
    >>> f"{k_of_n_availability(3, 5, 0.01, 1.0, crews=1):.10f}"
    '0.9999418171'
    """
    shares = steady_state(k_of_n_chain(k, n, failure_rate, repair_rate, crews=crews))
    return 1 - math.fsum(share for down, share in shares.items() if down > n - k)


def k_of_n_mean_time(k: int, n: int, failure_rate: float, repair_rate: float, *, crews: int | None = None) -> float:
    """Return the mean time until fewer than `k` of `n` parts are up, from all up: the mean time to data loss.

    Parameters
    ----------
    k, n, failure_rate, repair_rate, crews
        As in :func:`k_of_n_chain`; k fragments or copies suffice to read the data.

    Examples
    --------
    >>> round(k_of_n_mean_time(2, 3, 1e-3, 0.1), 6)
    17500.0
    """
    chain = k_of_n_chain(k, n, failure_rate, repair_rate, crews=crews)
    return mean_time_to_absorption(chain, 0, [n - k + 1])


# ------------------------------------------------------------------------------------------------- imperfect coverage


def duplex_chain(
    failure_rate: float, repair_rate: float, coverage: float, *, dormant_rate: float | None = None
) -> Chain:
    """Return the chain of a pair until its first outage: "both", "one", and "out", which it does not leave.

    Parameters
    ----------
    failure_rate, repair_rate
        Of each part; above 0.
    coverage
        The probability that a failure with another part up causes no outage.
    dormant_rate
        None: both parts work, and either's failure must be covered. Otherwise one works and one stands by, which fails
        at this rate, 0 for a cold standby; a failed standby is always noticed.
    """
    _require_rate("failure_rate", failure_rate)
    _require_rate("repair_rate", repair_rate)
    _require_share("coverage", coverage)
    if dormant_rate is not None:
        _require_rate("dormant_rate", dormant_rate, zero=True)
    working, noticed = (2 * failure_rate, 0.0) if dormant_rate is None else (failure_rate, dormant_rate)
    return Chain(
        ("both", "one", "out"),
        {
            ("both", "one"): working * coverage + noticed,
            ("both", "out"): working * (1 - coverage),
            ("one", "both"): repair_rate,
            ("one", "out"): failure_rate,
        },
    )


def duplex_mean_time(failure_rate: float, repair_rate: float, coverage: float = 1.0) -> float:
    r"""Return the mean time to the first outage of a pair of which both work.

    .. math:: \frac{\lambda (1 + 2c) + \mu}{2 \lambda [\lambda + \mu (1 - c)]}

    For instant repair it goes to :math:`1 / [2 \lambda (1 - c)]`, and no further. Parameters as in
    :func:`duplex_chain`.
    """
    return mean_time_to_absorption(duplex_chain(failure_rate, repair_rate, coverage), "both", ["out"])


def standby_mean_time(
    failure_rate: float, repair_rate: float, coverage: float = 1.0, dormant_rate: float = 0.0
) -> float:
    r"""Return the mean time to the first outage of a pair of which one works and one stands by.

    .. math:: \frac{\lambda + \mu + \lambda c + \lambda_s}{(\lambda + \lambda_s)(\lambda + \mu) - (\lambda c +
              \lambda_s) \mu}

    Parameters as in :func:`duplex_chain`: the dormant rate is 0 for a cold standby, that of a working part for a hot
    one, and between them for a warm one.

    Examples
    --------
    >>> round(standby_mean_time(1e-3, 1.0, 0.99), 4)
    91090.0
    """
    chain = duplex_chain(failure_rate, repair_rate, coverage, dormant_rate=dormant_rate)
    return mean_time_to_absorption(chain, "both", ["out"])


def naive_duplex_mean_time(failure_rate: float, repair_rate: float) -> float:
    """Return what the back of an envelope says, MTTF² / (2 MTTR): right for a coverage of 1 and quick repair only.

    Examples
    --------
    >>> round(naive_duplex_mean_time(1e-3, 1.0))
    500000
    """
    _require_rate("failure_rate", failure_rate)
    _require_rate("repair_rate", repair_rate)
    return repair_rate / (2 * failure_rate**2)


def common_cause_chain(k: int, n: int, failure_rate: float, repair_rate: float, beta: float) -> Chain:
    """Return the chain of :func:`k_of_n_chain` where a share `beta` of each part's failures takes all of them down.

    The beta factor: a part fails at `failure_rate` in all; at the share `beta` of it comes a cause that is common to
    all, such as a bad release. All n are then repaired side by side.
    """
    _require_share("beta", beta)
    alone = k_of_n_chain(k, n, failure_rate, repair_rate)
    rates = {pair: rate * (1 - beta) if pair[1] > pair[0] else rate for pair, rate in alone.rates.items()}
    for down in range(n):
        rates[down, n] = rates.get((down, n), 0.0) + beta * failure_rate
    return Chain(alone.states, rates)


# --------------------------------------------------------------------------------------- the share of time that is lost


def pair_chain(
    failure_rate: float, repair_rate: float, switch_rate: float, outage_repair_rate: float, coverage: float
) -> Chain:
    """Return the chain of a primary with a hot standby: five states, of which three are outages.

    Parameters
    ----------
    failure_rate, repair_rate
        Of each part, above 0.
    switch_rate
        One over the mean time of a failover that works: the service is out meanwhile.
    outage_repair_rate
        One over the mean time for which the service is out after a failover that did not: people have to come. Then
        both are up.
    coverage
        The probability that a failover works.

    Returns
    -------
    Chain
        "both" and "one" are up; "switching", "uncovered" and "none" are out.
    """
    for name, value in (
        ("failure_rate", failure_rate),
        ("repair_rate", repair_rate),
        ("switch_rate", switch_rate),
        ("outage_repair_rate", outage_repair_rate),
    ):
        _require_rate(name, value)
    _require_share("coverage", coverage)
    return Chain(
        ("both", "one", "switching", "uncovered", "none"),
        {
            ("both", "switching"): failure_rate * coverage,
            ("both", "uncovered"): failure_rate * (1 - coverage),
            ("both", "one"): failure_rate,
            ("switching", "one"): switch_rate,
            ("uncovered", "both"): outage_repair_rate,
            ("one", "both"): repair_rate,
            ("one", "none"): failure_rate,
            ("none", "one"): repair_rate,
        },
    )


def pair_unavailability_parts(
    failure_rate: float, repair_rate: float, switch_rate: float, outage_repair_rate: float, coverage: float
) -> dict[str, float]:
    """Return the share of time lost to each kind of outage: "switching", "uncovered" and "none" left.

    Parameters as in :func:`pair_chain`.

    Examples
    --------
    >>> parts = pair_unavailability_parts(1 / 500, 1 / 2, 120, 1, 0.95)
    >>> max(parts, key=parts.get)
    'uncovered'
    """
    shares = steady_state(pair_chain(failure_rate, repair_rate, switch_rate, outage_repair_rate, coverage))
    return {state: shares[state] for state in ("switching", "uncovered", "none")}


def pair_unavailability(
    failure_rate: float, repair_rate: float, switch_rate: float, outage_repair_rate: float, coverage: float
) -> float:
    """Return the share of time for which a primary with a hot standby is out; parameters as in :func:`pair_chain`."""
    parts = pair_unavailability_parts(failure_rate, repair_rate, switch_rate, outage_repair_rate, coverage)
    return math.fsum(parts.values())


def pair_availability(
    failure_rate: float, repair_rate: float, switch_rate: float, outage_repair_rate: float, coverage: float
) -> float:
    r"""Return the share of time for which a primary with a hot standby serves; parameters as in :func:`pair_chain`.

    .. math:: \frac{1 + x}{1 + \lambda c / \varphi + \lambda (1 - c) / \mu_r + x (1 + \lambda / \mu)}, \qquad x =
              \frac{\lambda (1 + c)}{\mu}

    Examples
    --------
    >>> f"{pair_availability(1 / 500, 1 / 2, 120, 1, 0.95):.10f}"
    '0.9998541259'
    """
    return 1 - pair_unavailability(failure_rate, repair_rate, switch_rate, outage_repair_rate, coverage)


def tier_chain(
    count: int, failure_rate: float, repair_rate: float, outage_repair_rate: float, coverage: float
) -> Chain:
    """Return the chain of `count` parts that all work, of which one suffices: how many are down, or "uncovered".

    Parameters
    ----------
    count
        How many parts, at least 1.
    failure_rate, repair_rate
        Of each part; all that are down are repaired side by side.
    outage_repair_rate
        One over the mean time for which the tier is out after a failure that was not covered; then all parts are up.
    coverage
        The probability that a failure with others left causes no outage. That of the last part always does.
    """
    _require_rank(1, count)
    _require_rate("outage_repair_rate", outage_repair_rate)
    _require_share("coverage", coverage)
    alone = k_of_n_chain(1, count, failure_rate, repair_rate)
    rates: dict[tuple[object, object], float] = {}
    for (source, target), rate in alone.rates.items():
        last = target == count or target < source
        rates[source, target] = rate if last else rate * coverage
        if not last and coverage < 1:
            rates[source, "uncovered"] = rate * (1 - coverage)
    if count > 1 and coverage < 1:
        return Chain((*alone.states, "uncovered"), rates | {("uncovered", 0): outage_repair_rate})
    return Chain(alone.states, rates)


def tier_unavailability(
    count: int, failure_rate: float, repair_rate: float, outage_repair_rate: float, coverage: float
) -> dict[str, float]:
    """Return the share of time for which a tier is out, "uncovered" or with "none" left.

    Parameters as in :func:`tier_chain`.

    Examples
    --------
    Two machines that fail once in 2000 hours and are repaired in 8; people mend an outage in an hour:

    >>> for coverage in (1.0, 0.99):
    ...     {name: f"{share:.1e}" for name, share in tier_unavailability(2, 1 / 2000, 1 / 8, 1, coverage).items()}
    {'uncovered': '0.0e+00', 'none': '1.6e-05'}
    {'uncovered': '9.9e-06', 'none': '1.6e-05'}
    """
    shares = steady_state(tier_chain(count, failure_rate, repair_rate, outage_repair_rate, coverage))
    return {"uncovered": shares.get("uncovered", 0.0), "none": shares[count]}
