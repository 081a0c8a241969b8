"""How long a holder may rely on its lease when no clock is right, and what that costs.

Theory of operation
-------------------
A grantor promises, for L of its own clock from the moment at which it takes
the request, to promise nothing to anyone else. The holder knows when it *sent* the request, by its own clock.
Clocks may run wrong by a share of at most ρ, either way.

In true time the promise lasts at least L / (1 + ρ), if the grantor's clock runs fast; it begins no earlier than the
request was sent. A holder that serves until its own clock shows C since the sending serves, in true time, at most C
/ (1 - ρ), if its clock runs slow. So it is safe exactly if C / (1 - ρ) <= L / (1 + ρ), that is C <= L (1 - ρ) / (1
+ ρ). No difference between the clocks' readings enters, only their rates.

Source: Gray and Cheriton, *Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache Consistency* (SOSP
1989), section 3, for the term and its allowance for clocks; the bound is derived in the chapter.
"""

from __future__ import annotations

import math

__all__ = ["overlap_seconds_most", "takeover_seconds_mean", "usable_lease_seconds", "usable_share"]


def _require(lease_seconds: float, drift: float) -> None:
    if not 0 < lease_seconds < math.inf:
        raise ValueError(f"`lease_seconds` must be finite and above 0, got {lease_seconds!r}")
    if not 0 <= drift < 1:
        raise ValueError(f"`drift` must be in [0, 1), got {drift!r}")


def usable_lease_seconds(lease_seconds: float, drift: float) -> float:
    """Return L (1 - ρ) / (1 + ρ): how long a holder may serve, on its own clock, counted from the sending.

    Parameters
    ----------
    lease_seconds
        L, on the grantor's clock; above 0.
    drift
        ρ, the largest share by which a clock runs wrong, in [0, 1).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> f"{usable_lease_seconds(10, 200e-6):.7f}"
    '9.9960008'
    """
    _require(lease_seconds, drift)
    return lease_seconds * (1 - drift) / (1 + drift)


def overlap_seconds_most(
    counted_seconds: float, lease_seconds: float, drift: float, late_seconds: float = 0.0
) -> float:
    """Return how long, at worst, a holder goes on after its grantor is free to promise the lease to another.

    Parameters
    ----------
    counted_seconds
        How long the holder serves, on its own clock.
    lease_seconds, drift
        See :func:`usable_lease_seconds`.
    late_seconds
        How long after the grantor took the request it begins to count, at worst, in true time: 0 if it counts from the
        sending, the longest leg back if it counts from the answer.

    Returns
    -------
    float
        Seconds of true time; 0 if the rule is safe.

    Examples
    --------
    Clocks are taken to be right, and are off by 200 parts in a million:

    >>> f"{overlap_seconds_most(10, 10, 200e-6):.6f}"
    '0.004000'
    """
    _require(lease_seconds, drift)
    return max(0.0, late_seconds + counted_seconds / (1 - drift) - lease_seconds / (1 + drift))


def usable_share(lease_seconds: float, drift: float, round_trip_seconds: float) -> float:
    """Return the share of a lease in which its holder can serve and need not hurry: (usable - round trip) / L.

    A renewal that is sent as the usable part ends leaves a gap of a round trip; one that is sent earlier leaves
    none, and this is then what is left to do it in.
    """
    usable = usable_lease_seconds(lease_seconds, drift)
    if not 0 <= round_trip_seconds <= usable:
        raise ValueError(f"`round_trip_seconds` must be in [0, {usable:g}], got {round_trip_seconds!r}")
    return (usable - round_trip_seconds) / lease_seconds


def takeover_seconds_mean(
    lease_seconds: float, *, renewal_seconds: float, poll_seconds: float, delay_seconds: float
) -> float:
    """Return the mean time from a holder's crash until another holds the lease: L - r / 2 + s / 2 + 2 d.

    Parameters
    ----------
    lease_seconds
        L, with clocks that are true.
    renewal_seconds
        r, between two renewals of the holder; the crash falls anywhere between them. In (0, L].
    poll_seconds
        s, between two requests of the other, which is refused by silence as long as the promise lasts; above 0. Where
        in its period the promise ends is uniform.
    delay_seconds
        d, one leg; at least 0.

    Returns
    -------
    float
        Seconds. The promise began one leg after the last renewal was sent, and ends L later; then comes the next
        request, and a leg back.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> takeover_seconds_mean(10, renewal_seconds=3, poll_seconds=3, delay_seconds=0.05)
    10.1
    """
    _require(lease_seconds, 0.0)
    if not 0 < renewal_seconds <= lease_seconds:
        raise ValueError(f"`renewal_seconds` must be in (0, {lease_seconds:g}], got {renewal_seconds!r}")
    if not 0 < poll_seconds < math.inf:
        raise ValueError(f"`poll_seconds` must be finite and above 0, got {poll_seconds!r}")
    if not 0 <= delay_seconds < math.inf:
        raise ValueError(f"`delay_seconds` must be finite and at least 0, got {delay_seconds!r}")
    return lease_seconds - renewal_seconds / 2 + poll_seconds / 2 + 2 * delay_seconds
