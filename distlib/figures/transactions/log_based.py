"""The figures of the chapter on logs: what recovery makes of a log that ends at any byte, and batches of commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from distlib.experiments.transactions.log_based import Moment, moments, restart_at
from distlib.figures import svg
from distlib.figures.figure import Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.figures.svg import Drawing
from distlib.models.transactions.group_commit import best_count, count_latency_mean, greedy_latency_mean
from distlib.node import Table
from distlib.protocols.transactions.log_based import (
    Abort,
    Add,
    BeginCheckpoint,
    Commit,
    Compensation,
    End,
    EndCheckpoint,
    Page,
    Record,
    Status,
    Update,
    decode,
    winners,
)
from distlib.runtimes.write_ahead_log import read_log

__all__ = ["batch_dials", "crash_dial"]

MILLISECOND = 0.001
NAMES = {1: "Alice", 2: "Bob", 3: "Carol"}
_WIDTH = 700.0
_FIRST_ROW = 9
"""So many records stand in the first of the two rows."""
_HEIGHT = 40.0


@dataclass(frozen=True)
class _Box:
    """A record of the whole log: its bytes, and what is written on it."""

    lsn: int
    start: int
    end: int
    record: Record
    row: int
    left: float
    right: float


def crash_dial(*, identifier: str) -> Interactive:
    """Return the log of a few transfers, cut off at any byte, and what recovery makes of the pages."""
    found = moments()
    boxes = _boxes(found[-1])
    size = boxes[-1].end
    commit = next(box for box in boxes if isinstance(box.record, Commit))

    def draw(size_bytes: int) -> Frame:
        moment = [one for one in found if one.synced_bytes <= size_bytes <= len(one.log)][-1]
        return _frame(boxes, moment, size_bytes)

    values = sorted({*range(0, size, 5), *(box.end for box in boxes), commit.end - 1})
    return Interactive(
        draw,
        [Dial("size_bytes", values, commit.end - 1, "the log ends after", "bytes")],
        identifier=identifier,
        alt="The records of a log in two rows, cut off at a byte; below, what the pages of Alice, Bob and Carol held "
        "then, after redo, and after undo.",
        caption="Green: of a transaction that is committed. Red: of one that is not, so it is taken back. Grey and "
        "dashed: not on disk any more. Pages are as early on disk as they may be.",
    )


def _boxes(last: Moment) -> list[_Box]:
    """Lay the records of the whole log out in two rows."""
    frames = [frame for _, frame in read_log([("segment-00000000000000000001", last.log)]).frames]
    split = frames[_FIRST_ROW - 1].end
    scale = (_WIDTH - 20) / max(split, frames[-1].end - split)
    boxes = []
    for frame in frames:
        row = int(frame.lsn > _FIRST_ROW)
        left, right = (10 + (at - row * split) * scale for at in (frame.start, frame.end))
        boxes.append(_Box(frame.lsn, frame.start, frame.end, decode(frame.payload), row, left, right))
    return boxes


def _frame(boxes: Sequence[_Box], moment: Moment, size_bytes: int) -> Frame:
    """Draw one end of the log."""
    machine = restart_at(moment.image(size_bytes))
    losers = {name for name, line in machine.database.transactions if line.status is Status.ABORTING}
    redone = machine.database.pages
    log = dict(machine.log)
    machine.finish()
    committed = set(winners(log))
    elements = [svg.text(10, 18, f"The log, cut off after {size_bytes} of {boxes[-1].end} bytes", "ds-strong")]
    elements += [_record(box, size_bytes, committed) for box in boxes]
    columns = [("on the pages", moment.pages), ("after redo", redone), ("after undo", machine.database.pages)]
    elements += _accounts(columns, top=158.0)
    elements += _words(committed, losers, moment.acknowledged, top=158.0)
    totals = [sum(page.values[0] for _, page in pages) for _, pages in columns]
    torn = next((box for box in boxes if box.start < size_bytes < box.end), None)
    broken = f"record {torn.lsn} is torn" if torn else "no record is torn"
    lost = ", ".join(sorted(losers)) or "nothing"
    summary = (
        f"After {size_bytes} bytes {broken}. The pages hold {totals[0]}, after redo {totals[1]}, after undo "
        f"{totals[2]}. Committed: {', '.join(sorted(committed)) or 'nobody'}. To be taken back: {lost}."
    )
    return Frame(Drawing(_WIDTH, 292, tuple(elements), "Log and pages"), summary)


def _record(box: _Box, size_bytes: int, committed: set[str]) -> str:
    """Draw a record: whole, torn, or gone."""
    top = 30.0 + box.row * (_HEIGHT + 16)
    width = box.right - box.left - 2
    first, second = _label(box)
    name = getattr(box.record, "transaction", None)
    tone = "ds-calm" if name is None else "ds-good" if name in committed else "ds-bad"
    parts = []
    if size_bytes >= box.end:
        parts += [svg.rectangle(box.left, top, width, _HEIGHT, kind, corner=3) for kind in ("ds-tint", "ds-line")]
    else:
        tone = "ds-soft"
        parts.append(svg.rectangle(box.left, top, width, _HEIGHT, "ds-thin ds-short", corner=3))
        if size_bytes > box.start:
            share = (size_bytes - box.start) / (box.end - box.start)
            parts.append(svg.hatch(box.left, top, width * share, _HEIGHT, "ds-thin", step=7))
            cut = box.left + width * share
            parts.append(svg.segment((cut, top - 6), (cut, top + _HEIGHT + 6), "ds-line ds-bold"))
            tone = "ds-bad"
    middle = (box.left + box.right - 2) / 2
    css = "ds-small ds-m ds-halo " + ("ds-ink" if size_bytes >= box.end else "ds-soft")
    parts += [svg.text(middle, top + 17, first, css), svg.text(middle, top + 33, second, css)]
    return svg.group(parts, tone)


def _label(box: _Box) -> tuple[str, str]:
    """Return the two lines that stand on a record."""
    record = box.record
    match record:
        case Update() | Compensation():
            change, name = record.change, NAMES[record.page]
            changed = f"{name} {change.amount:+}" if isinstance(change, Add) else f"limit {change.after}"
            undo = " undo" if isinstance(record, Compensation) else ""
            return f"{box.lsn}: {record.transaction}{undo}", changed.replace("-", "−")
        case Commit() | Abort() | End():
            return f"{box.lsn}: {record.transaction}", type(record).__name__.lower()
        case BeginCheckpoint():
            return f"{box.lsn}", "begin"
        case EndCheckpoint():
            return f"{box.lsn}", "checkpoint"
        case _:
            assert_never(record)


def _accounts(columns: Sequence[tuple[str, Table[int, Page]]], top: float) -> list[str]:
    """Draw the balances in each column, and their sums; what differs from the column before is bold."""
    elements = [
        svg.text(150 + 110 * place, top, title, "ds-small ds-e ds-soft") for place, (title, _) in enumerate(columns)
    ]
    rows = [(name, [dict(pages)[number].values[0] for _, pages in columns]) for number, name in NAMES.items()]
    rows.append(("together", [sum(values[place] for _, values in rows) for place in range(len(columns))]))
    for row, (name, values) in enumerate(rows):
        y = top + 24 * (row + 1) + (6 if name == "together" else 0)
        if name == "together":
            elements.append(svg.segment((10, y - 19), (370, y - 19), "ds-grid ds-faint"))
        elements.append(svg.text(10, y, name, "ds-ink"))
        for place, value in enumerate(values):
            changed = place > 0 and value != values[place - 1]
            css = "ds-e ds-ink ds-strong" if changed else "ds-e ds-ink"
            if name == "together":
                css = f"ds-e ds-strong {'ds-good' if value == 300 else 'ds-bad'}"
            elements.append(svg.text(150 + 110 * place, y, str(value), css))
    return elements


def _words(committed: set[str], losers: set[str], told: frozenset[str], top: float) -> list[str]:
    """Say who is committed, who was told, and who is taken back."""
    lines = [
        ("commit record on disk", committed, "ds-good"),
        ("client was told", set(told), "ds-ink"),
        ("taken back by recovery", losers, "ds-bad"),
    ]
    elements = []
    for row, (title, names, tone) in enumerate(lines):
        y = top + 24 * (row + 1)
        elements.append(svg.text(420, y, title, "ds-soft"))
        elements.append(svg.text(585, y, ", ".join(sorted(names)) or "nobody", f"ds-strong {tone}"))
    return elements


# -------------------------------------------------------------------------------------------------------------- batches


def batch_dials(*, identifier: str) -> Interactive:
    """Return the mean latency of a commit against the size of a batch, for a rate of arrivals and a time of a force."""
    most = 20

    def draw(arrivals: int, flush_ms: float) -> Frame:
        flush = flush_ms * MILLISECOND
        least = int(np.floor(arrivals * flush)) + 1
        greedy = greedy_latency_mean(arrivals, flush) / MILLISECOND
        series = {"greedy": ([1, most], [greedy, greedy])}
        beyond = f"Below {least} records a batch the disk cannot keep up."
        if least <= most:
            counts = list(range(least, most + 1))
            series["exactly B"] = (counts, [count_latency_mean(arrivals, flush, b) / MILLISECOND for b in counts])
            best = best_count(arrivals, flush, most=most)
            least_ms = count_latency_mean(arrivals, flush, best) / MILLISECOND
            through = f"it lets through at most {best / flush:,.0f} a second"
            beyond = f"The best fixed batch has {best}: {least_ms:.2f} ms, and {through}. {beyond if least > 1 else ''}"
        return frame_lines(
            series,
            summary=f"{arrivals:,} commits a second, {flush_ms:g} ms a force: a greedy log takes "
            f"{greedy:.2f} ms in the mean. {beyond}".strip(),
            x_label="records in a batch, B",
            y_label="mean commit latency (ms)",
            x_limits=(1, most),
            y_limits=(0, 20),
            notes=[Note("cannot keep up", x=float(least))] if 1 < least <= most else [],
        )

    return Interactive(
        draw,
        [
            Dial("arrivals", (100, 200, 400, 700, 1000, 1400, 2000, 2900), 1400, "commits", "a second", "{:,}"),
            Dial("flush_ms", (0.5, 1.0, 2.0, 4.0), 2.0, "a force takes", "ms", "{:g}"),
        ],
        identifier=identifier,
        alt="Mean commit latency against the number of records in a batch, beside that of a greedy log, which "
        "writes whatever is there.",
        caption="A batch of fixed size has a best value between two bad ends, and it moves with the load. A greedy "
        "log, which writes whatever has come in, needs no value at all.",
    )
