from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations

import pytest

from distlib.checkers.dependency_cycles import Cycle
from distlib.checkers.serializability import Transaction, check_serializability
from distlib.figures.dependency_cycles import dependency_cycle_figure, draw_dependency_cycle

NAMESPACE = "{http://www.w3.org/2000/svg}"


def find_cycle(*transactions: Transaction) -> Cycle:
    """Return the first cycle that a history shows."""
    findings = [finding for found in check_serializability(transactions).anomalies.values() for finding in found]
    return next(finding for finding in findings if isinstance(finding, Cycle))


def make_ring(count: int) -> Cycle:
    """Return a cycle of so many write dependencies."""
    writers = [
        Transaction(place, operations=(("append", place, "late"), ("append", (place + 1) % count, "early")))
        for place in range(count)
    ]
    reader = Transaction("reader", operations=tuple(("read", place, ("early", "late")) for place in range(count)))
    return find_cycle(*writers, reader)


SKEW = find_cycle(
    Transaction(1, operations=(("read", "x", []), ("append", "y", 1), ("read", "z", None))),
    Transaction(2, operations=(("read", "y", []), ("append", "x", 1))),
)
STALE = find_cycle(
    Transaction(1, "p", (("append", "x", 1),), 0, 1),
    Transaction(2, "q", (("append", "x", 2),), 2, 3),
    Transaction(3, "r", (("read", "x", [1]),), 4, 5),
    Transaction(4, "s", (("read", "x", [1, 2]),), 6, 7),
)
SESSION = find_cycle(
    Transaction(1, "p", (("read", "x", [1]), ("append", "y", 1)), 0, 9),
    Transaction(2, "q", (("read", "y", [1]),), 0, 1),
    Transaction(3, "q", (("append", "x", 1),), 2, 3),
)


def texts(cycle: Cycle) -> dict[str, str]:
    """Return the classes of every piece of text in a drawing."""
    root = ElementTree.fromstring(draw_dependency_cycle(cycle).markup())
    return {element.text or "": element.get("class", "") for element in root.iter(f"{NAMESPACE}text")}


def test_each_transaction_is_a_box_and_each_dependency_an_arrow_with_its_kind_key_and_versions() -> None:
    root = ElementTree.fromstring(draw_dependency_cycle(SKEW).markup())
    assert len(list(root.iter(f"{NAMESPACE}rect"))) == 2
    assert {"T1", "T2", "rw x: [] → 1", "rw y: [] → 1"} <= set(texts(SKEW))
    assert {"rw x: 1 → 2", "real time"} <= set(texts(STALE))
    assert {"wr x: 1", "wr y: 1", "process", "T2, process q"} <= set(texts(SESSION))


def test_operations_that_a_dependency_rests_on_stand_out() -> None:
    shown = texts(SKEW)
    assert shown["read x = []"] == shown["append 1 to y"] == "ds-strong"
    assert shown["read z = None"] == "ds-soft"


def test_operations_that_nothing_rests_on_give_way_where_there_are_many() -> None:
    filler = tuple(("append", "z", place) for place in range(10))
    shown = texts(
        find_cycle(
            Transaction(1, operations=(*filler, ("read", "x", []), ("append", "y", 1))),
            Transaction(2, operations=(("read", "y", []), ("append", "x", 1))),
        )
    )
    assert "…" in shown
    assert "append 3 to z" not in shown


def test_arrows_carry_the_clause_as_their_tooltip_and_kinds_differ_in_dash() -> None:
    markup = draw_dependency_cycle(STALE).markup()
    assert "<title>T3 read x = [1] before T2 appended 2 to x (T4 read x = [1, 2])</title>" in markup
    assert "<title>T2 had completed before T3 was invoked</title>" in markup
    assert "ds-dash" in markup
    assert "ds-dots" in markup


def test_legend_names_the_kinds_that_occur_and_no_others() -> None:
    assert "rw: the next overwrote what this one read" in texts(STALE)
    assert not any(words.startswith("ww:") for words in texts(STALE))


@pytest.mark.parametrize("count", range(2, 13))
def test_boxes_of_a_ring_do_not_touch(count: int) -> None:
    root = ElementTree.fromstring(draw_dependency_cycle(make_ring(count)).markup())
    boxes = [
        [float(element.get(name, "nan")) for name in ("x", "y", "width", "height")]
        for element in root.iter(f"{NAMESPACE}rect")
    ]
    assert len(boxes) == count
    for (x, y, width, height), (other_x, other_y, other_width, other_height) in combinations(boxes, 2):
        apart = x + width < other_x or other_x + other_width < x or y + height < other_y or other_y + other_height < y
        assert apart


def test_the_same_cycle_gives_the_same_figure_in_words_and_lines() -> None:
    figures = [
        dependency_cycle_figure(STALE, alt=STALE.explain(), caption="A stale read.", identifier="stale") for _ in (1, 2)
    ]
    assert figures[0].html == figures[1].html
    assert "but T2 had completed before T3 was invoked: a contradiction." in figures[0].html
    assert 'id="stale"' in figures[0].html


def test_cycle_that_nobody_could_read_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"`cycle` must have from 2 to 12 transactions to be drawn, got 13; cycle.explain"
    ):
        draw_dependency_cycle(make_ring(13))
