"""Databases with one mistake each; :mod:`distlib.protocols.transactions.log_based` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from distlib.protocols.transactions.log_based import (
    Acknowledge,
    Active,
    Append,
    Compensation,
    Database,
    EndCheckpoint,
    Page,
    Turn,
    Update,
)

__all__ = [
    "AcknowledgesBeforeForce",
    "CompensatesNothing",
    "ForgetsDirtyPages",
    "IgnoresPageLsn",
    "StealsBeforeLog",
    "TakesTablesAtTheBeginning",
    "UndoesInPlace",
]


@dataclass(frozen=True)
class AcknowledgesBeforeForce(Database):
    """Tells the client first and forces the log afterwards: a crash in between takes the answer back."""

    def commit(self, transaction: str) -> Turn:
        database, (record, force, told) = super().commit(transaction)
        assert isinstance(told, Acknowledge)
        return database, (record, told, force)


@dataclass(frozen=True)
class StealsBeforeLog(Database):
    """Writes a page without looking how far the log is on disk: what it holds can then not be undone."""

    def needs_force(self, *numbers: int) -> bool:
        return False


@dataclass(frozen=True)
class IgnoresPageLsn(Database):
    """Redoes whatever the log has on a dirty page, without asking whether the page holds it already."""

    @classmethod
    def lacks(cls, page: Page, lsn: int) -> bool:
        return True


@dataclass(frozen=True)
class ForgetsDirtyPages(Database):
    """Takes checkpoints without the table of dirty pages, as if a checkpoint had written them."""

    def end_checkpoint(self) -> Turn:
        database, (append, *others) = super().end_checkpoint()
        assert isinstance(append, Append)
        assert isinstance(append.record, EndCheckpoint)
        return database, (replace(append, record=replace(append.record, dirty_pages=())), *others)


@dataclass(frozen=True)
class TakesTablesAtTheBeginning(Database):
    """Takes the tables of a checkpoint when it begins: who ended meanwhile is active again in the eyes of a restart."""

    tables: EndCheckpoint | None = None

    def begin_checkpoint(self) -> Turn:
        database, actions = super().begin_checkpoint()
        assert isinstance(database, TakesTablesAtTheBeginning)
        return replace(database, tables=EndCheckpoint(self.transactions, self.dirty_pages)), actions

    def end_checkpoint(self) -> Turn:
        database, (append, *others) = super().end_checkpoint()
        assert isinstance(append, Append)
        assert self.tables is not None
        return database, (replace(append, record=self.tables), *others)


@dataclass(frozen=True)
class UndoesInPlace(Database):
    """Takes changes back on the pages, and writes nothing of it to the log: a second recovery undoes them again."""

    def undone(self, record: Update, line: Active) -> Turn:
        page = self.page(record.page)
        values = record.change.inverse().apply(page.values)
        line = replace(line, undo_next_lsn=record.previous_lsn)
        # No record, so no LSN of its own: the page keeps the one that it has.
        database = self.changed(record.page, record.change.inverse(), page.lsn)
        assert database.page(record.page).values == values
        return database.active_at(record.transaction, line.undo_next_lsn), ()


@dataclass(frozen=True)
class CompensatesNothing(Database):
    """Writes compensation records that do not say what is to be undone next: recovery begins anew each time."""

    def undone(self, record: Update, line: Active) -> Turn:
        database, (append,) = super().undone(record, line)
        assert isinstance(append, Append)
        assert isinstance(append.record, Compensation)
        return database, (replace(append, record=replace(append.record, undo_next_lsn=line.undo_next_lsn)),)
