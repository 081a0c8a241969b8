"""The exercises of the chapter on trends, each with its check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from distlib.exercises.exercise import Exercise, number
from distlib.experiments.trends import devices
from distlib.models.trends import best_machine_count, best_spare_count, ring_seconds, tree_seconds
from distlib.node import Save, Step, Table
from distlib.protocols.trends import Counts, Device, all_devices_agree, nobody_knows_too_much
from distlib.runtimes.exploration import explore

__all__ = ["crossover", "merge", "spares", "warehouse"]

_RING, _TREE = (1000 * f(8, 100e6, 10e9, 50e-6) for f in (ring_seconds, tree_seconds))
crossover = Exercise(
    "trends.crossover",
    "By how many milliseconds is a ring of 8 workers quicker than a tree?",
    number(
        _TREE - _RING,
        relative_tolerance=0.01,
        mistakes={_RING: "That is how long the ring takes.", _TREE: "That is how long the tree takes."},
        hint="The ring takes 14 steps of an eighth, the tree 6 of the whole; each with its start-up.",
    ),
    right=(_TREE - _RING, 42.1),
    wrong=((_RING, "the ring takes"), (_TREE, "the tree takes"), (1, "14 steps")),
)


spares = Exercise(
    "trends.spares",
    "How many of 50 workers is it best not to wait for, if they take 2 s and an exponential second?",
    number(
        best_spare_count(50, 2.0, 1.0),
        relative_tolerance=0,
        mistakes={0: "Then every round waits for the slowest of 50.", 25: "Too many: half of the work is thrown away."},
        hint="Try them all: gradients_per_second(50, b, 2.0, 1.0).",
    ),
    right=(best_spare_count(50, 2.0, 1.0),),
    wrong=((0, "slowest of 50"), (25, "thrown away"), (1, "Try them all")),
)


warehouse = Exercise(
    "trends.warehouse",
    "With how many machines is the warehouse quickest?",
    number(
        best_machine_count(0.03, 0.0006),
        relative_tolerance=0.03,
        mistakes={33.3: "That is the bound of Amdahl on the speed-up, not a number of machines."},
        hint="The root of (1 - σ) / κ.",
    ),
    right=(best_machine_count(0.03, 0.0006), 40),
    wrong=((33.3, "bound of Amdahl"), (1000, "root")),
)


@dataclass(frozen=True)
class _Given(Device):
    """A device that merges as a reader's function says."""

    rule: Any = None

    def on_message(self, source: str, message: Counts) -> Step[Self]:
        counts: Table[str, int] = tuple(sorted(dict(self.rule(dict(self.counts), dict(message.counts))).items()))
        if counts == self.counts:
            return self, ()
        return replace(self, counts=counts), (Save(counts),)


def _check_merge(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function from two dictionaries, mine and theirs, to one."
    nodes = {
        name: _Given(node.name, node.others, 1, rule=answer)
        for name, node in devices(2, passer_count=1).items()
        if isinstance(node, Device)
    }
    found = explore(
        nodes,
        messages="set",
        crashes={"d1": 1},
        always={"never too much": nobody_knows_too_much},
        eventually_possible={"agree": all_devices_agree},
        repair=True,
        max_states=20_000,
    )
    if "never too much" in found.violations:
        return "A device comes to believe in more of another's count than that one has: a copy was counted again."
    if found.stuck:
        return "Two devices can end up with different counts for ever, though they go on telling each other."
    return None


def _greater(mine: dict[str, int], theirs: dict[str, int]) -> dict[str, int]:
    return {name: max(mine.get(name, 0), theirs.get(name, 0)) for name in {*mine, *theirs}}


merge = Exercise(
    "trends.merge",
    "Write the rule by which a device merges the counts of another into its own.",
    _check_merge,
    right=(_greater,),
    wrong=(
        (lambda mine, theirs: {n: mine.get(n, 0) + theirs.get(n, 0) for n in {*mine, *theirs}}, "counted again"),
        (lambda mine, theirs: mine, "different counts for ever"),
        (lambda mine: mine, "cannot be checked"),
        ("max", "is a function"),
    ),
)
