"""Causal consistency of registers: whatever caused an operation is seen before it.

Theory of operation
-------------------
An operation *causes* another if the same process did it earlier, or the other read what it wrote, or through a chain
of such steps (Ahamad et al. 1995). A history is causally consistent if no process sees an effect without its causes.
There are three ways to make that precise (Bouajjani et al. 2017), and with distinct writes all three can be decided
in polynomial time by looking for *bad patterns*:

- ``"weak"`` (CC): the causal order is acyclic, and no read misses what it depends on: it does not see the initial
  value though a write to its register caused it, nor a write though a later one, caused by that write, caused the
  read. Concurrent writes may be seen in any order, and even in a different one each time.
- ``"memory"`` (CM, the causal memory of Ahamad et al., and what is mostly meant): each process can put all writes
  that caused what it did, and its own reads, in one order that keeps the causal order. It makes up its mind about
  concurrent writes, and does not go back.
- ``"convergence"`` (CCv): all processes agree on one order of the writes, and each read sees the last in that order
  of those that caused it. Replicas that have received the same writes agree.

Both of the latter imply the first; neither implies the other. Sequential consistency implies all.

Sources
-------
- M. Ahamad, G. Neiger, J. Burns, P. Kohli, P. Hutto: *Causal Memory: Definitions, Implementation, and Programming*.
  Distributed Computing 9(1), 1995.
- A. Bouajjani, C. Enea, R. Guerraoui, J. Hamza: *On Verifying Causal Consistency*. POPL 2017, the bad patterns.

Examples
--------
>>> from distlib.checkers.history import History, Operation
>>> history = History((
...     Operation("a", ("write", "question", "?"), None, 0, 1),
...     Operation("b", ("read", "question"), "?", 2, 3), Operation("b", ("write", "answer", "!"), None, 4, 5),
...     Operation("c", ("read", "answer"), "!", 6, 7), Operation("c", ("read", "question"), None, 8, 9),
... ))
>>> (violation,) = check_causal(history).violations
>>> for clause in violation.explain().split("; "):
...     print(clause)
b read question = ?, which a wrote
b read question = ? before it wrote answer = !
c read answer = !, which b wrote
c read answer = ! before it read question = None
c read question = None, the initial value, so before a wrote question = ?: a circle.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, Literal, TypeAlias

from distlib.checkers.history import History
from distlib.checkers.register_order import Edge, ImpliedOrder, RegisterHistory, Why
from distlib.checkers.verdict import Verdict, Violation

__all__ = ["Variant", "check_causal"]

Variant: TypeAlias = Literal["weak", "memory", "convergence"]

_NAMES: Final = {"weak": "causal consistency", "memory": "causal memory", "convergence": "causal convergence"}


def check_causal(history: History, *, variant: Variant = "memory", initial: Hashable = None) -> Verdict:
    """Decide whether reads and writes of registers are causally consistent.

    Parameters
    ----------
    history
        Reads and writes, each value written once per register: see :meth:`RegisterHistory.from_history`.
    variant
        Which of the three definitions.
    initial
        What each register holds before any write.

    Raises
    ------
    ValueError
        If there is no such variant, or the history is not one of registers with distinct writes.
    """
    if variant not in _NAMES:
        raise ValueError(f"`variant` must be one of {', '.join(_NAMES)}, got {variant!r}")
    registers = RegisterHistory.from_history(history, initial=initial)
    return Verdict.of(_NAMES[variant], (*registers.find_thin_air(), *_find_violations(registers, variant)))


def _find_violations(registers: RegisterHistory, variant: Variant) -> Iterator[Violation]:
    causes = [Edge(*pair, Why.PROGRAM) for pair in registers.program_order]
    causes += registers.reads_from(registers.origins)
    # With no read to explain, only a circle of causes is found; it makes all else meaningless.
    circular = ImpliedOrder(registers, causes, ()).refute()
    if circular is not None:
        yield circular
        return
    if variant == "memory":
        orders = [ImpliedOrder(registers, causes, registers.reads_of(process)) for process in registers.programs]
        refuted = [order.refute() for order in orders]
    else:
        # A read that misses what caused it cannot be explained even if nothing else has to be.
        refuted = [ImpliedOrder(registers, causes, (read,)).refute(once=True) for read in registers.origins]
    yield from filter(None, refuted)
    if variant == "convergence" and not any(refuted):
        # The common order is one of the writes only. A read may come late to it: that is what "eventual" allows.
        agreed = ImpliedOrder(registers, causes, registers.origins, rules=frozenset({Why.HIDDEN}))
        yield from filter(None, [agreed.refute(once=True)])
