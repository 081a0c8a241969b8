"""What clients saw of a database: transactions over lists and registers, read and held to account.

Theory of operation
-------------------
A checker of isolation knows nothing of the database but what its clients recorded. Two kinds of object make such a
record tell the most (Kingsbury & Alvaro 2020): a *list* to which transactions append, whose every read shows the
whole order of the writes before it; and a *register* that is overwritten, whose read shows one write and hides the
others. On either, each value is written at most once per key. So a value that is read names the transaction that
wrote it: the history is *recoverable*.

A :class:`TransactionHistory` is made of :class:`Transaction` records. It refuses what no database could have produced
and what would make an answer meaningless, with the transaction and the place in it; what a bad database could have
produced (reads of aborted values, duplicated elements, orders that contradict each other) it takes, for that is what
the checker is there to find.

Which transactions took effect? One that ended OK did. One that FAILed did not. One whose end is UNKNOWN did if a
transaction that ended OK read something that it wrote; otherwise nothing is inferred from it. What a transaction read
counts only if it ended OK.

Sources
-------
- K. Kingsbury, P. Alvaro: *Elle: Inferring Isolation Anomalies from Experimental Observations*. PVLDB 14(3), 2020.
- A. Adya, B. Liskov, P. O'Neil: *Generalized Isolation Level Definitions*. ICDE 2000, section 4.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast

from distlib.checkers.history import History, Operation
from distlib.node import Outcome

__all__ = [
    "INITIAL",
    "Access",
    "Datatype",
    "Initial",
    "Transaction",
    "TransactionHistory",
    "name_transaction",
    "read_transactions",
]

Access: TypeAlias = tuple[Literal["append", "write", "read"], Hashable, Any]
"""One operation of a transaction: what was done, the key, and the value written or read."""

Datatype: TypeAlias = Literal["list", "register"]

_FUNCTIONS: Final = ("append", "write", "read")


class Initial:
    """The version that a key has before any write: an empty list, or a register's initial value."""

    def __repr__(self) -> str:
        return "INITIAL"


INITIAL: Final = Initial()
"""The only :class:`Initial`."""


def name_transaction(identifier: Hashable) -> str:
    """Return how a transaction is called in words: ``T7`` for 7, and a string as it is.

    Examples
    --------
    >>> name_transaction(7), name_transaction("transfer")
    ('T7', 'transfer')
    """
    return identifier if isinstance(identifier, str) else f"T{identifier}"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction, as its client recorded it.

    Parameters
    ----------
    identifier
        Names it, once in a history.
    process
        The client that ran it, one transaction at a time; None for a client of its own.
    operations
        Triples ``(function, key, value)`` in order. ``("append", key, element)`` adds to a list; ``("write", key,
        value)`` sets a register; ``("read", key, value)`` saw a sequence of elements, or a register's value. A list
        that is read as None is empty.
    invoked, completed
        When it began and ended: true time in seconds, or places in a log; only their order counts. Left out, the
        transaction is concurrent with all others. For an UNKNOWN one, `completed` is when its client gave up; it may
        take effect later.
    outcome
        How it ended.

    Raises
    ------
    ValueError
        If an operation is not such a triple, or the transaction completed before it was invoked.
    TypeError
        If `outcome` is not an :class:`~distlib.node.Outcome`, or a name or a key or a value written is not hashable.

    Examples
    --------
    >>> Transaction(1, "client", (("append", "x", 1), ("read", "y", [3, 4])), 0.0, 1.0).describe()
    'T1: append 1 to x, read y = [3, 4]'
    """

    identifier: Hashable
    process: Hashable = None
    operations: tuple[Access, ...] = ()
    invoked: float = 0.0
    completed: float = float("inf")
    outcome: Outcome = Outcome.OK

    def __post_init__(self) -> None:
        name = name_transaction(self.identifier)
        if not isinstance(self.outcome, Outcome):
            raise TypeError(f"`outcome` must be an Outcome, got {self.outcome!r} in transaction {name}")
        if not self.invoked <= self.completed:
            raise ValueError(
                f"`completed` must be at least `invoked` = {self.invoked!r}, got {self.completed!r} "
                f"in transaction {name}"
            )
        operations = tuple(_normalise(access, name, place) for place, access in enumerate(self.operations))
        object.__setattr__(self, "operations", operations)

    @property
    def name(self) -> str:
        """What it is called in words."""
        return name_transaction(self.identifier)

    def writes(self) -> Iterator[tuple[Hashable, Hashable]]:
        """Yield (key, value) of what it appended and wrote, in order."""
        return ((key, value) for function, key, value in self.operations if function != "read")

    def reads(self) -> Iterator[tuple[int, Hashable, Any]]:
        """Yield (place among the operations, key, value) of what it read, in order."""
        return (
            (place, key, value) for place, (function, key, value) in enumerate(self.operations) if function == "read"
        )

    def describe(self) -> str:
        """Return the transaction in words."""
        ending = "" if self.outcome is Outcome.OK else f" [{self.outcome.value}]"
        return f"{self.name}: " + ", ".join(map(_describe_access, self.operations)) + ending


def _normalise(access: Any, name: str, place: int) -> Access:
    """Return the operation with a read list as a tuple, so that it is hashable and nobody can change it."""
    where = f"transaction {name}, operation {place}"
    if not isinstance(access, tuple | list) or len(access) != 3 or access[0] not in _FUNCTIONS:
        raise ValueError(
            f"{where}: must be (function, key, value) with the function one of {', '.join(_FUNCTIONS)}, got {access!r}"
        )
    function, key, value = access
    if function == "read" and isinstance(value, list):
        value = tuple(value)
    try:
        hash((key, value))
    except TypeError as error:
        raise TypeError(f"{where}: the key and the value must be hashable, got {key!r} and {value!r}") from error
    return cast("Access", (function, key, value))


def _describe_access(access: Access) -> str:
    function, key, value = access
    if function == "append":
        return f"append {value} to {key}"
    if function == "write":
        return f"write {value} to {key}"
    shown = f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else value
    return f"read {key} = {shown}"


@dataclass(frozen=True, slots=True)
class TransactionHistory:
    """Transactions that can be judged together.

    Parameters
    ----------
    transactions
        In any order.
    initial_value
        What a register holds before any write.

    Raises
    ------
    ValueError
        If an identifier occurs twice, transactions of a process overlap, a key is both appended to and written, a
        value is written twice to a key, a register's initial value is written, or a value is read that nobody ever
        wrote.

    Examples
    --------
    >>> TransactionHistory((Transaction(1, operations=(("append", "x", 1),)),
    ...                     Transaction(2, operations=(("append", "x", 1),))))
    Traceback (most recent call last):
    ...
    ValueError: transaction T2 appends 1 to 'x', but so does transaction T1: each value must be written once per key
    """

    transactions: tuple[Transaction, ...]
    initial_value: Hashable = None
    datatypes: Mapping[Hashable, Datatype] = field(init=False, repr=False)
    """By key, for each key that is written."""
    writers: Mapping[Hashable, Mapping[Hashable, int]] = field(init=False, repr=False)
    """By key and value: the index of the transaction that wrote it."""
    committed: frozenset[int] = field(init=False, repr=False)
    """The indices of the transactions that took effect."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "transactions", tuple(self.transactions))
        _require_unique_identifiers(self.transactions)
        _require_sequential_processes(self.transactions)
        datatypes, writers = _index_writes(self.transactions)
        for key, datatype in datatypes.items():
            if datatype == "register" and self.initial_value in writers[key]:
                writer = self.transactions[writers[key][self.initial_value]]
                raise ValueError(
                    f"transaction {writer.name} writes the initial value {self.initial_value!r} to {key!r}: "
                    "a read could not tell the two apart"
                )
        object.__setattr__(self, "datatypes", datatypes)
        object.__setattr__(self, "writers", writers)
        object.__setattr__(self, "committed", self._find_committed())

    def _find_committed(self) -> frozenset[int]:
        """Return who took effect, and on the way hold every read against what was written."""
        committed = {index for index, one in enumerate(self.transactions) if one.outcome is Outcome.OK}
        unknown = {index for index, one in enumerate(self.transactions) if one.outcome is Outcome.UNKNOWN}
        # Most writers are known at once; only what the unknown ones wrote needs to be looked for in each read.
        unknown_values: dict[Hashable, dict[Hashable, int]] = {}
        for index in unknown:
            for key, value in self.transactions[index].writes():
                unknown_values.setdefault(key, {})[value] = index
        for index in sorted(committed):
            for place, key, value in self.transactions[index].reads():
                elements = self._require_written(index, place, key, value)
                if key in unknown_values:
                    committed |= {
                        unknown_values[key][element] for element in elements if element in unknown_values[key]
                    }
        return frozenset(committed)

    def _require_written(self, index: int, place: int, key: Hashable, value: Any) -> Sequence[Hashable]:
        """Return the values that a read shows, or raise if nobody ever wrote one of them."""
        where = f"transaction {self.transactions[index].name}, operation {place}"
        if self.datatypes.get(key) == "list" and not (value is None or isinstance(value, tuple)):
            raise ValueError(f"{where}: reads {value!r} from {key!r}, which is not a sequence of appended values")
        elements = self.elements(key, value)
        written = self.writers.get(key, {})
        if not written.keys() >= set(elements):
            stray = next(element for element in elements if element not in written)
            raise ValueError(f"{where}: reads {stray!r} from {key!r}, which no transaction ever wrote")
        return elements

    def elements(self, key: Hashable, value: Any) -> tuple[Hashable, ...]:
        """Return the values that a read of `value` from `key` shows, oldest first: none for the initial version."""
        datatype = self.datatypes.get(key)
        if datatype == "list":
            return value or ()
        if value == self.initial_value or (datatype is None and value in (None, ())):
            return ()
        return (value,)


def _require_unique_identifiers(transactions: Sequence[Transaction]) -> None:
    seen: set[Hashable] = set()
    for place, one in enumerate(transactions):
        if one.identifier in seen:
            raise ValueError(f"`transactions` must have an identifier each, got {one.name} again at place {place}")
        seen.add(one.identifier)


def _require_sequential_processes(transactions: Sequence[Transaction]) -> None:
    """Raise if a process began a transaction before it was done with the one before."""
    latest: dict[Hashable, Transaction] = {}
    for one in sorted(transactions, key=lambda one: (one.invoked, one.completed)):
        if one.process is None:
            continue
        before = latest.get(one.process)
        if before is not None and before.completed > one.invoked:
            raise ValueError(
                f"process {one.process!r} invoked transaction {one.name} at {one.invoked!r}, before its transaction "
                f"{before.name} completed at {before.completed!r}: a process runs one transaction at a time"
            )
        latest[one.process] = one


def _index_writes(
    transactions: Sequence[Transaction],
) -> tuple[dict[Hashable, Datatype], dict[Hashable, dict[Hashable, int]]]:
    """Return each written key's datatype, and who wrote each of its values."""
    datatypes: dict[Hashable, Datatype] = {}
    writers: dict[Hashable, dict[Hashable, int]] = {}
    for index, one in enumerate(transactions):
        for function, key, value in one.operations:
            if function == "read":
                continue
            datatype: Datatype = "list" if function == "append" else "register"
            if datatypes.setdefault(key, datatype) != datatype:
                raise ValueError(
                    f"transaction {one.name} does {function} on {key!r}, which elsewhere is a {datatypes[key]}: "
                    "a key must be only appended to, or only written"
                )
            values = writers.setdefault(key, {})
            if value in values:
                verb = "appends" if function == "append" else "writes"
                other = transactions[values[value]].name
                also = "it has done so before" if values[value] == index else f"so does transaction {other}"
                raise ValueError(
                    f"transaction {one.name} {verb} {value!r} to {key!r}, but {also}: "
                    "each value must be written once per key"
                )
            values[value] = index
    return datatypes, writers


def read_transactions(history: History) -> tuple[Transaction, ...]:
    """Take the operations of a history, each of which asked for a whole transaction, for transactions.

    Parameters
    ----------
    history
        Each operation is a tuple of ``("append", key, value)``, ``("write", key, value)`` and ``("read", key)``. The
        result of one that ended OK is a tuple of what its reads showed, in order. Transactions are numbered from 1,
        as invoked.

    Raises
    ------
    ValueError
        If an operation is not such a tuple, or its result has not one value for each read.

    Examples
    --------
    >>> history = History((
    ...     Operation("a", (("append", "x", 1), ("read", "x")), ((1,),), 0, 1),
    ...     Operation("b", (("read", "x"),), invoked=2, outcome=Outcome.UNKNOWN),
    ... ))
    >>> for transaction in read_transactions(history):
    ...     print(transaction.describe())
    T1: append 1 to x, read x = [1]
    T2: read x = None [unknown]
    """
    return tuple(_read_transaction(number, operation) for number, operation in enumerate(history, start=1))


def _read_transaction(number: int, operation: Operation) -> Transaction:
    asked: Any = operation.operation
    where = f"process {operation.process!r}, invoked at {operation.invoked}"
    if not isinstance(asked, tuple) or not all(isinstance(one, tuple) and 2 <= len(one) <= 3 for one in asked):
        raise ValueError(f"{where}: a transaction must be a tuple of (function, key[, value]), got {asked!r}")
    read_count = sum(one[0] == "read" for one in asked)
    # What a transaction read is not looked at unless it ended OK; one that read nothing may have any result.
    looked_at = operation.outcome is Outcome.OK and read_count > 0
    shown: Any = operation.result if looked_at else (None,) * read_count
    if not isinstance(shown, tuple) or len(shown) != read_count:
        raise ValueError(f"{where}: the result must have one value for each of {read_count} reads, got {shown!r}")
    values = iter(shown)
    accesses = tuple((*one[:2], next(values)) if one[0] == "read" else one for one in asked)
    completed = float("inf") if operation.completed is None else operation.completed
    return Transaction(number, operation.process, accesses, operation.invoked, completed, operation.outcome)
