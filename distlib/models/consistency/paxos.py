r"""What mathematics predicts for single-decree Paxos: how long two proposers outbid each other.

Two proposers, all legs of the same constant length d. A ballot that is prepared at time t has its value accepted at
t + 3d, unless another ballot's request to prepare overtakes the request to accept: unless the other proposer begins
between t and t + 2d. A proposer that hears nothing begins again after its *patience* c and a random *back-off* U,
uniform on [0, B].

Let g < 2d be the time from one ballot to the next, the other proposer's, which outbids it. The one that was outbid
begins again c + U after its ballot, so g' = c + U - g after the other's. If g' >= 2d the other's value is
chosen. Otherwise the other one was outbid, and so on. With x = g - (c - 2d) and s = 4d - c this is a chain

.. math:: x' = s - x + U, \qquad \text{over as soon as } U \ge x .

If c >= 4d, that is if a proposer waits for as long as it takes to hear of its success, two proposers alone cannot
outbid each other twice. If c < 4d and there is no back-off, x and s - x take turns for ever: the livelock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Duel", "outbid_ballots_mean", "outbid_ballots_mean_at"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Duel:
    """The times of a duel.

    Parameters
    ----------
    leg_seconds
        Length d of every leg; above 0.
    patience_seconds
        How long c a proposer waits at least; in [2d, 4d) for a duel that can last.
    back_off_seconds
        Width B of the random back-off on top; at least 0.
    gap_seconds
        From the first ballot of one to the first of the other.

    Raises
    ------
    ValueError
        If one of them is out of range.
    """

    leg_seconds: float
    patience_seconds: float
    back_off_seconds: float
    gap_seconds: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.leg_seconds) and self.leg_seconds > 0):
            raise ValueError(f"`leg_seconds` must be finite and above 0, got {self.leg_seconds!r}")
        for name in ("patience_seconds", "back_off_seconds", "gap_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")

    @property
    def window_seconds(self) -> float:
        """How much room s = 4d - c the duel has."""
        return 4 * self.leg_seconds - self.patience_seconds

    @property
    def offset_seconds(self) -> float:
        """Where x = g - (c - 2d) in it the duel begins."""
        return self.gap_seconds - (self.patience_seconds - 2 * self.leg_seconds)


def outbid_ballots_mean(duel: Duel) -> float:
    """Return the mean number of ballots that are outbid before one is chosen.

    Parameters
    ----------
    duel
        With a window s in (0, 2d], a back-off B of at least s, and a gap such that the first ballot is outbid: x in
        (0, s).

    Returns
    -------
    float
        At least 1.

    Raises
    ------
    ValueError
        If the duel is another one.

    Notes
    -----
    A ballot is outbid in return with probability x/B, and then x' is uniform on (s - x, s). So the mean M satisfies
    M(x) = 1 + (1/B) times the integral of M over (s - x, s); hence M'(x) = M(s - x)/B, M'' = -M/B², M(0) = 1, and

        M(x) = cos(x/B) + sin(x/B) cos(s/B) / (1 - sin(s/B)).

    Examples
    --------
    >>> duel = Duel(leg_seconds=0.010, patience_seconds=0.030, back_off_seconds=0.010, gap_seconds=0.015)
    >>> round(outbid_ballots_mean(duel), 6)
    2.511572

    With a back-off that is long against the legs, one ballot is outbid and no more:

    >>> round(outbid_ballots_mean(Duel(0.010, 0.030, 10.0, 0.015)), 3)
    1.001
    """
    return float(outbid_ballots_mean_at(duel.offset_seconds, duel.window_seconds, duel.back_off_seconds))


def outbid_ballots_mean_at(offset: ArrayLike, window: ArrayLike, back_off: ArrayLike) -> Floats:
    """Return M(x) for x, s and B of any shapes that go together, in one unit of time; 0 < x < s <= B."""
    x, s, width = (np.asarray(value, float) for value in (offset, window, back_off))
    if not np.all((x > 0) & (x < s)):
        raise ValueError(f"`offset` must be in (0, window), got {offset!r} with a window of {window!r}")
    # A window that is a difference, such as 4 d - c, may come out a rounding above the back-off that it equals.
    if not np.all(width >= s * (1 - 1e-12)):
        raise ValueError(f"`back_off` must be at least the window {window!r}, got {back_off!r}")
    return np.asarray(np.cos(x / width) + np.sin(x / width) * np.cos(s / width) / (1 - np.sin(s / width)))
