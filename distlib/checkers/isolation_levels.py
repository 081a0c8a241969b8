"""Isolation levels as data: which anomalies each forbids, and which levels are weaker.

Theory of operation
-------------------
Adya defines a level by the phenomena that it proscribes. So a history that shows an anomaly is outside every level that
proscribes it, and outside every stronger level. The levels form a partial order::

    strict-serializable
      ├─ strong-session-serializable ─ serializable ─┬─ repeatable-read ─────── cursor-stability
      │       │                                      └─ snapshot-isolation ──── consistent-view ─ cursor-stability
      │       └─ strong-session-snapshot-isolation ─ snapshot-isolation
      └─ strong-snapshot-isolation ─ strong-session-snapshot-isolation
    cursor-stability ─ read-committed ─ read-uncommitted

and beside it the strong and the strong-session forms of the two lowest. "Strong session" adds that the order of each
process counts as a dependency; "strong" (for serializability: "strict") adds that real time does.

:data:`LEVELS` holds only levels that can be decided from what the checker looks for. Left out are, among others,
PL-2L (monotonic view) and PL-3U (update serializability) of Adya, and the levels that are about predicates: a history
of lists and registers has none, so PL-2.99 (repeatable read) and PL-3 (serializability) forbid the same cycles, and
differ here in name only.

Where a level proscribes what its source does not speak of, it is because the source cannot express it:

- *duplicate-elements* and *cyclic-versions*: a version order is total by definition, so no level allows them;
- *dirty-update*, *incompatible-order* and *future-read* are kinds of G1 in a history of lists (Kingsbury & Alvaro
  2020);
- *internal*: a transaction that contradicts its own reads and writes. Adya takes it for impossible; the axiom INT of
  Cerone, Bernardi & Gotsman (2015) demands it from read atomicity up. Here snapshot isolation and repeatable read
  forbid it;
- *lost-update* under cursor stability: Adya's G-cursor, seen from the clients.

Sources
-------
- A. Adya: *Weak Consistency*. PhD thesis, MIT, 1999, chapters 3 and 4: PL-1, PL-2, PL-CS, PL-2+, PL-2.99, PL-SI,
  PL-3, PL-SS.
- K. Daudjee, K. Salem: *Lazy Database Replication with Ordering Guarantees*, ICDE 2004, and *… with Snapshot
  Isolation*, VLDB 2006: strong session.
- A. Cerone, A. Gotsman: *Analysing Snapshot Isolation*. PODC 2016: every cycle that snapshot isolation allows has two
  adjacent anti-dependencies.
- A. Cerone, G. Bernardi, A. Gotsman: *A Framework for Transactional Consistency Models with Atomic Visibility*.
  CONCUR 2015.
- K. Kingsbury, P. Alvaro: *Elle*. PVLDB 14(3), 2020: the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["LEVELS", "Level", "find_violated", "find_weakest", "require_level"]


@dataclass(frozen=True, slots=True)
class Level:
    """An isolation level.

    Parameters
    ----------
    name
        What it is called.
    weaker
        The levels directly below: a history that satisfies this level satisfies those.
    proscribes
        The anomalies that it forbids over those that the weaker levels do.
    source
        What its source calls it.
    """

    name: str
    weaker: tuple[str, ...]
    proscribes: frozenset[str]
    source: str


def _level(name: str, weaker: str, proscribes: str, source: str) -> tuple[str, Level]:
    return name, Level(name, tuple(weaker.split()), frozenset(proscribes.split()), source)


LEVELS: Final[Mapping[str, Level]] = dict(
    (
        _level("read-uncommitted", "", "G0 duplicate-elements cyclic-versions", "PL-1"),
        _level("read-committed", "read-uncommitted", "G1a G1b G1c dirty-update incompatible-order future-read", "PL-2"),
        _level("cursor-stability", "read-committed", "lost-update", "PL-CS"),
        _level("consistent-view", "cursor-stability", "G-single-item", "PL-2+"),
        _level(
            "repeatable-read",
            "cursor-stability",
            "internal G-single-item G-nonadjacent-item G2-item",
            "PL-2.99",
        ),
        _level("snapshot-isolation", "consistent-view", "internal G-nonadjacent-item", "PL-SI"),
        _level("serializable", "repeatable-read snapshot-isolation", "", "PL-3"),
        _level("strong-session-read-uncommitted", "read-uncommitted", "G0-process", "PL-1 with sessions"),
        _level(
            "strong-session-read-committed",
            "read-committed strong-session-read-uncommitted",
            "G1c-process",
            "PL-2 with sessions",
        ),
        _level(
            "strong-session-snapshot-isolation",
            "snapshot-isolation strong-session-read-committed",
            "G-single-item-process G-nonadjacent-item-process",
            "strong session SI (Daudjee & Salem 2006)",
        ),
        _level(
            "strong-session-serializable",
            "serializable strong-session-snapshot-isolation",
            "G2-item-process",
            "strong session 1SR (Daudjee & Salem 2004)",
        ),
        _level("strong-read-uncommitted", "strong-session-read-uncommitted", "G0-realtime", "PL-1 in real time"),
        _level(
            "strong-read-committed",
            "strong-session-read-committed strong-read-uncommitted",
            "G1c-realtime",
            "PL-2 in real time",
        ),
        _level(
            "strong-snapshot-isolation",
            "strong-session-snapshot-isolation strong-read-committed",
            "G-single-item-realtime G-nonadjacent-item-realtime",
            "strong SI (Daudjee & Salem 2006)",
        ),
        _level(
            "strict-serializable",
            "strong-session-serializable strong-snapshot-isolation",
            "G2-item-realtime",
            "PL-SS",
        ),
    )
)
"""The levels by name, each after the weaker ones."""

_OTHER_NAMES: Final[Mapping[str, str]] = {
    "strong-serializable": "strict-serializable",
    **{
        level.source: level.name
        for level in LEVELS.values()
        if level.source.startswith("PL-") and " " not in level.source
    },
}


def require_level(name: str) -> Level:
    """Return the level that is called `name` here or by Adya ("PL-2"), or raise.

    Raises
    ------
    ValueError
        If there is none; the message lists those that there are.

    Examples
    --------
    >>> require_level("PL-SI").name
    'snapshot-isolation'
    """
    level = LEVELS.get(_OTHER_NAMES.get(name, name))
    if level is None:
        raise ValueError(f"`level` must be one of {', '.join(LEVELS)}, got {name!r}")
    return level


def find_violated(anomalies: Iterable[str]) -> frozenset[str]:
    """Return all levels that a history with these anomalies is outside of.

    Examples
    --------
    >>> sorted(find_violated(["G2-item-process"]))
    ['strict-serializable', 'strong-session-serializable']
    """
    found = frozenset(anomalies)
    violated: set[str] = set()
    # A level stands after the weaker ones, so one pass carries a violation all the way up.
    for level in LEVELS.values():
        if level.proscribes & found or violated.intersection(level.weaker):
            violated.add(level.name)
    return frozenset(violated)


def find_weakest(violated: Iterable[str]) -> frozenset[str]:
    """Return those of the levels with no weaker one among them.

    Examples
    --------
    >>> sorted(find_weakest(find_violated(["G-single-item"])))
    ['consistent-view', 'repeatable-read']
    """
    levels = frozenset(violated)
    # What is violated includes everything stronger, so the direct neighbours below are enough to look at.
    return frozenset(name for name in levels if not levels.intersection(LEVELS[name].weaker))
