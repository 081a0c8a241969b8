"""Is a history linearizable? If it is, in which order; if not, what contradicts what.

Theory of operation
-------------------
A history is linearizable if each operation can be given an instant between its invocation and its completion, so that
the operations, in the order of these instants, are what a sequential object would have done (Herlihy and Wing 1990,
section 2). An operation whose outcome is unknown may take effect at any time after its invocation, or never.

:func:`check_linearizable` gives one of three answers, each with its evidence:

- LINEARIZABLE, with a *witness*: an order, which is replayed on the model before it is handed out.
- NOT_LINEARIZABLE, with a *conflict*: as few operations as possible that cannot be ordered.
- UNKNOWN, if the budget ran out first. To decide is NP-complete (Gibbons and Korach 1997), so some budget always
  will; here it is configurations, memory and, if asked for, time.

**Objects are checked side by side.** Where a model has independent objects, each gets a turn, and every round of turns
is twice as long as the one before. One bad key is often cheap to refute while others are costly to prove right.

**What a conflict means.** To take an operation out of a history can make a good history bad: a read then shows what
nobody wrote. So a part of a history proves nothing in general. What proves something is this: *there is no legal
order of the operations in the conflict together with any selection of the others*, each between its invocation and
its completion. A linearization of the whole would be such an order. So the other operations are made optional, and
the search shows that this does not help. A conflict is smallest in the sense that none of its operations can be made
optional, too. The way there:

1. Require the operations in the order of their completion, as few as it takes: bisection. The last of them is the one
   where the history broke. Before it there were legal orders: the *longest prefixes*.
2. Require as few of the earliest of these as it takes: bisection again.
3. What lies between is thinned out by the method of Junker (2004): halve, and recur into the halves that are needed.

References
----------
- M. Herlihy, J. Wing. Linearizability: a correctness condition for concurrent objects. TOPLAS 12(3), 1990.
- P. Gibbons, E. Korach. Testing shared memories. SIAM Journal on Computing 26(4), 1997.
- U. Junker. QuickXplain: preferred explanations and relaxations for over-constrained problems. AAAI 2004.
- A. Athalye. Porcupine, 2017, https://github.com/anishathalye/porcupine: three answers; partial linearizations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from itertools import accumulate
from typing import Final, NoReturn

from distlib.checkers.budget import Budget, BudgetExhaustedError
from distlib.checkers.history import History, Operation
from distlib.checkers.linearization_search import Search
from distlib.checkers.sequential_models import Model
from distlib.node import Complete, Invoke, Outcome, World

__all__ = ["Judgement", "Verdict", "check_linearizable", "is_linearization", "linearizable"]

_FIRST_QUOTA: Final = 256
"""How many configurations of each object are explored in the first round."""
_PREFIX_COUNT: Final = 4
"""How many of the longest prefixes a verdict holds at most."""
_REMEMBERED_COUNT: Final = 1 << 16
"""How many histories a predicate remembers."""


class Judgement(Enum):
    """The three answers."""

    LINEARIZABLE = "linearizable"
    NOT_LINEARIZABLE = "not linearizable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Parameters
    ----------
    judgement
        The answer.
    history
        What was judged.
    witness
        If LINEARIZABLE: the operations that took effect, in an order that explains the history.
    conflict
        If NOT_LINEARIZABLE: operations that cannot be ordered, whichever of the others took effect; sorted by
        invocation.
    longest_prefixes
        If NOT_LINEARIZABLE: legal orders of all operations that completed before the conflict was complete, each with
        another state at its end.
    key, part
        If NOT_LINEARIZABLE: which of the model's independent objects the conflict is about, and the history of it.
    exhausted
        If UNKNOWN: what ran out: "configurations", "memory" or "time".
    configuration_count
        How many configurations were explored to find the answer, without its explanation.
    """

    judgement: Judgement
    history: History = field(repr=False)
    witness: tuple[Operation, ...] = ()
    conflict: tuple[Operation, ...] = ()
    longest_prefixes: tuple[tuple[Operation, ...], ...] = ()
    key: Hashable = None
    part: History | None = field(default=None, repr=False)
    exhausted: str = ""
    configuration_count: int = 0

    @property
    def excerpt(self) -> History:
        """What it takes to see the evidence: the operations around the conflict, or the whole history without one."""
        if not self.conflict or self.part is None:
            return self.history
        begin = min(one.invoked for one in self.conflict)
        end = max(one.latest for one in self.conflict)
        around = (one for one in self.part if one.invoked <= end and (one.completed is None or one.completed >= begin))
        return History(tuple(around))

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has three values; compare its `judgement`")

    def __str__(self) -> str:
        match self.judgement:
            case Judgement.LINEARIZABLE:
                return "linearizable, for example in the order\n" + "\n".join(f"  {one}" for one in self.witness)
            case Judgement.UNKNOWN:
                return f"unknown: out of {self.exhausted} after {self.configuration_count} configurations"
        where = "" if self.key is None else f" (key {self.key!r})"
        if not self.conflict:
            return f"not linearizable{where}"
        lines = str(History(self.conflict)).replace("\n", "\n  ")
        return f"not linearizable{where}: whichever of the others took effect, there is no legal order of\n  {lines}"


def check_linearizable(
    history: History,
    model: Model,
    *,
    budget_configurations: int = 1_000_000,
    budget_seconds: float | None = None,
    budget_bytes: int = 1 << 29,
    explain: bool = True,
) -> Verdict:
    """Judge whether a history is linearizable.

    Parameters
    ----------
    history
        What the clients saw.
    model
        The object that they are to have seen: see :mod:`distlib.checkers.sequential_models`.
    budget_configurations
        How many configurations may be explored, at least 1. A second is enough for some 50,000.
    budget_seconds
        For how long, above 0; None for any time. With a number, the answer depends on the machine.
    budget_bytes
        How much memory may be held, in bytes, at least 1. It is estimated: about 3,000 an operation, 250 a
        configuration, and 500 a state besides the state itself. What a state refers to is not counted.
    explain
        Whether to look for a conflict and for the longest prefixes if the history is not linearizable. That may take as
        much of each budget again.

    Returns
    -------
    Verdict
        The same for the same arguments, unless `budget_seconds` is given.

    Raises
    ------
    ValueError
        If an operation is not one of the model's, a result is of the wrong kind, or a budget is out of its range.

    Examples
    --------
    >>> from distlib.checkers.sequential_models import register
    >>> wrote, read = Operation("a", ("write", 1), None, 0, 1), Operation("b", ("read",), 0, 2, 3)
    >>> print(check_linearizable(History((wrote, read)), register(initial=0)))
    not linearizable: whichever of the others took effect, there is no legal order of
      0–1  a: write 1
      2–3  b: read → 0
    >>> check_linearizable(History((wrote,)), register(initial=0)).judgement
    <Judgement.LINEARIZABLE: 'linearizable'>
    """
    _require_above("budget_configurations", budget_configurations, 0)
    _require_above("budget_bytes", budget_bytes, 0)
    _require_above("budget_seconds", 1 if budget_seconds is None else budget_seconds, 0)
    model.validate(history)
    race = _Race(history, model, Budget(budget_configurations, budget_seconds, budget_bytes))
    try:
        refuted = race.run()
    except BudgetExhaustedError as error:
        count = race.configuration_count
        return Verdict(Judgement.UNKNOWN, history, exhausted=str(error), configuration_count=count)
    count = race.configuration_count
    if refuted is None:
        witness = _merge(race.orders)
        if not is_linearization(witness, history, model):
            raise AssertionError(f"the model {model.name!r} broke a promise: a wrong order was found, {witness}")
        return Verdict(Judgement.LINEARIZABLE, history, witness=witness, configuration_count=count)
    key, operations = refuted
    part = model.partition(history)[key]
    explanation = _Explanation(operations, model, Budget(budget_configurations, budget_seconds, budget_bytes), count)
    return Verdict(
        Judgement.NOT_LINEARIZABLE,
        history,
        conflict=explanation.conflict() if explain else (),
        longest_prefixes=explanation.longest_prefixes() if explain else (),
        key=key,
        part=part,
        configuration_count=count,
    )


def is_linearization(order: Sequence[Operation], history: History, model: Model) -> bool:
    """Say whether an order of operations explains a history.

    It does if it holds each operation that is OK once, none that is FAIL, and any that are UNKNOWN; if no operation
    comes before one that had completed before it was invoked; and if the model can go through it from its initial
    state.

    Parameters
    ----------
    order
        Operations of the history, in the order in which they are to take effect.
    history, model
        As for :func:`check_linearizable`.

    Examples
    --------
    >>> from distlib.checkers.sequential_models import register
    >>> wrote, read = Operation("a", ("write", 1), None, 0, 3), Operation("b", ("read",), 0, 1, 2)
    >>> history = History((wrote, read))
    >>> is_linearization([read, wrote], history, register(0)), is_linearization([wrote, read], history, register(0))
    (True, False)
    """
    model.validate(history)
    taken = Counter(order)
    if taken - Counter(one for one in history if one.outcome is not Outcome.FAIL):
        return False
    if Counter(one for one in history if one.outcome is Outcome.OK) - taken:
        return False
    if any(one.latest < point for one, point in zip(order, _points(order), strict=True)):
        return False
    key_of = {one: key for key, part in model.partition(history).items() for one in part}
    states: dict[Hashable, set[Hashable]] = {}
    for one in order:
        before = states.get(key_of[one], {model.initial})
        after = {state for known in before for state in model.step(known, one.operation, one.result)}
        if not after:
            return False
        states[key_of[one]] = after
    return True


def linearizable(model: Model, *, budget_configurations: int = 100_000) -> Callable[[World], bool]:
    """Return an invariant: the history that the clients of a world have recorded so far is linearizable.

    Explored as a property that always holds, it judges all histories of a small instance. The runtime must be told to
    keep the history, and an empty one is linearizable. Each is judged once; the most recent 65,536 are remembered.

    Parameters
    ----------
    model
        The object that the clients are to see.
    budget_configurations
        As for :func:`check_linearizable`, for each history.

    Raises
    ------
    RuntimeError
        By the invariant, if the budget runs out: neither answer would be right.

    Examples
    --------
    >>> from distlib.checkers.sequential_models import register
    >>> from distlib.node import Complete, Invoke
    >>> events = (("a", Invoke(("write", 1))), ("b", Invoke(("read",))), ("b", Complete(1)))
    >>> linearizable(register(0))(World(nodes={}, saved={}, history=events))
    True
    """

    @lru_cache(maxsize=_REMEMBERED_COUNT)
    def judge(events: tuple[tuple[str, Invoke | Complete], ...]) -> bool:
        history = History.from_events(events)
        verdict = check_linearizable(history, model, budget_configurations=budget_configurations, explain=False)
        if verdict.judgement is Judgement.UNKNOWN:
            raise RuntimeError(f"`budget_configurations` = {budget_configurations} is too little to judge\n{history}")
        return verdict.judgement is Judgement.LINEARIZABLE

    def linearizable(world: World) -> bool:
        return judge(world.history)

    return linearizable


class _Race:
    """The search for a legal order of each object's operations, all side by side."""

    def __init__(self, history: History, model: Model, budget: Budget) -> None:
        self._parts = {
            key: [one for one in part if one.outcome is not Outcome.FAIL]
            for key, part in model.partition(history).items()
        }
        self._model, self._budget = model, budget
        self._searches: dict[Hashable, Search] = {}
        self._finished_count = 0
        self.orders: list[list[Operation]] = []

    @property
    def configuration_count(self) -> int:
        """How many configurations were explored, of all objects."""
        return self._finished_count + sum(search.configuration_count for search in self._searches.values())

    def run(self) -> tuple[Hashable, list[Operation]] | None:
        """Return the key and the operations of an object that has no legal order; None once each has one."""
        open_keys = list(self._parts)
        quota = _FIRST_QUOTA
        while open_keys:
            left: list[Hashable] = []
            for key in open_keys:
                operations = self._parts[key]
                if key not in self._searches:
                    self._searches[key] = Search(operations, self._model, self._budget)
                answer = self._searches[key].advance(quota)
                if answer is None:
                    left.append(key)
                    continue
                search = self._searches.pop(key)
                search.forget()
                self._finished_count += search.configuration_count
                if not answer:
                    return key, operations
                self.orders.append([operations[index] for index in search.witness or ()])
            open_keys = left
            quota *= 2
        return None


class _Explanation:
    """Why the operations on one object have no legal order."""

    def __init__(self, operations: Sequence[Operation], model: Model, budget: Budget, configuration_count: int) -> None:
        self._operations, self._model, self._budget = operations, model, budget
        # A question that is much harder than the one that was answered is not worth its answer: the operations stay.
        self._limit = _FIRST_QUOTA * 16 + 2 * configuration_count
        ending = [index for index, one in enumerate(operations) if one.outcome is Outcome.OK]
        self._ending = sorted(ending, key=lambda index: operations[index].latest)
        self._smallest = self._ending
        self._before_break: Sequence[int] = ()

    def conflict(self) -> tuple[Operation, ...]:
        """Return as few operations as the budget allows to find that have no legal order, whatever else took effect."""
        ending = self._ending
        possible, refuted = 0, len(ending)
        while refuted - possible > 1:
            middle = (possible + refuted) // 2
            if self._is_refuted(ending[:middle]):
                refuted = middle
            else:
                possible = middle
        self._before_break = ending[:possible]
        first, none = 0, refuted
        while none - first > 1:
            middle = (first + none) // 2
            if self._is_refuted(ending[middle:refuted]):
                first = middle
            else:
                none = middle
        ends = [ending[first], ending[refuted - 1]] if first < refuted - 1 else [ending[first]]
        self._is_refuted([*ends, *self._thin_out(ends, True, ending[first + 1 : refuted - 1])])
        return tuple(self._operations[index] for index in sorted(self._smallest))

    def longest_prefixes(self) -> tuple[tuple[Operation, ...], ...]:
        """Return legal orders of what completed before the history broke."""
        orders: dict[Hashable, tuple[Operation, ...]] = {}
        try:
            search = Search(self._operations, self._model, self._budget, self._before_break)
            while len(orders) < _PREFIX_COUNT and search.advance(self._limit - search.configuration_count):
                order = tuple(self._operations[index] for index in search.witness or ())
                orders.setdefault(search.final_state, order)
        except BudgetExhaustedError:
            pass  # What was found so far is right, too.
        return tuple(orders.values())

    def _thin_out(self, required: list[int], is_new: bool, candidates: list[int]) -> list[int]:
        """Return as few of the candidates as it takes to refute them together with the required.

        Each of the two halves is thinned out while the other, or what it has been thinned out to, is required.
        """
        if not candidates or (is_new and self._is_refuted(required)):
            return []
        if len(candidates) == 1:
            return candidates
        middle = len(candidates) // 2
        left, right = candidates[:middle], candidates[middle:]
        needed_right = self._thin_out([*required, *left], True, right)
        return [*self._thin_out([*required, *needed_right], bool(needed_right), left), *needed_right]

    def _is_refuted(self, strict: Sequence[int]) -> bool:
        """Say whether it is shown, within the budget, that these have no legal order, whatever else took effect."""
        try:
            # To prepare a search costs about as much for each operation as to explore a configuration.
            self._budget.spend(len(self._operations))
            search = Search(self._operations, self._model, self._budget.limited(self._limit), frozenset(strict))
            answer = search.run()
            self._budget.spend(search.configuration_count)
        except BudgetExhaustedError:
            return False
        if not answer and len(strict) < len(self._smallest):
            self._smallest = list(strict)
        return not answer


def _points(order: Sequence[Operation]) -> list[float]:
    """Return for each operation the earliest position at which it can take effect after those before it."""
    return list(accumulate((one.invoked for one in order), max))


def _merge(orders: Sequence[Sequence[Operation]]) -> tuple[Operation, ...]:
    """Return one order of the operations on all objects.

    Each takes effect as early as its place in the order of its object allows. As its object's order respects real time,
    this is before its completion; so the positions respect real time across objects, too.
    """
    placed = [
        (point, number, place, one)
        for number, order in enumerate(orders)
        for place, (point, one) in enumerate(zip(_points(order), order, strict=True))
    ]
    return tuple(one for *_, one in sorted(placed, key=lambda item: item[:3]))


def _require_above(name: str, value: float, bound: float) -> None:
    if not value > bound:
        raise ValueError(f"`{name}` must be above {bound}, got {value!r}")
