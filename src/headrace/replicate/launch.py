"""How one refresh begins: the way it goes, and the transaction that is durable before its first page."""

from __future__ import annotations

from headrace.accelerator import StoredCopy, Target
from headrace.replicate.copies import Add, Copies, CopyAnew, Resume, route
from headrace.replicate.desk import Desk
from headrace.replicate.plan import Plan
from headrace.replicate.refresh_plan import plan_append, plan_whole
from headrace.schema import TableSchema
from headrace.source import SourceTable


class Launch:
    """A refresh of ``table`` whose copy is to have this ``reading``.

    ``plan`` is the transaction that begins it; None where an interrupted Scan is gone on with, which is ``resumed``
    then, and until the newest row of the copy is known to which it adds.
    """

    def __init__(
        self,
        desk: Desk,
        table: SourceTable,
        reading: str,
        copies: Copies,
        *,
        appends: bool,
        resumes: bool,
        now: float,
    ) -> None:
        self.plan: Plan | None = None
        self.resumed: Resume | None = None
        self._desk = desk
        self._table = table
        self._reading = reading
        self._adds_to: StoredCopy | None = None
        self.appends = False
        match route(copies, reading, table.table_id, appends=appends, resumes=resumes):
            case Resume(copy) as resumed:
                self.resumed = resumed
                self.appends = copy.checkpoint.was_ready
            case Add(live, again):
                self.appends = True
                self._adds_to = live
                if again:
                    self._append(live, live.checkpoint.newest, now)
            case CopyAnew(served):
                self._copy_whole(served, now)

    @property
    def wants_newest(self) -> bool:
        """Whether it waits for the time of the newest row."""
        return self._adds_to is not None and self.plan is None

    def found_newest(self, newest: float | None, now: float) -> None:
        """This is the greatest time of the live copy's rows. Rows may have gone since: what was newer once is known."""
        if self._adds_to is not None and self.plan is None:
            known = [time for time in (newest, self._adds_to.checkpoint.newest) if time is not None]
            self._append(self._adds_to, max(known, default=None), now)

    def _append(self, live: StoredCopy, newest: float | None, now: float) -> None:
        segments, at = self._desk.settings.scan_segments, self._desk.clock.at(now)
        self.plan = plan_append(self._table, live.checkpoint, segments, newest, at)

    def _copy_whole(self, served: StoredCopy | None, now: float) -> None:
        """Make a copy anew; aside, where one is served."""
        target = Target.LIVE if served is None else Target.BUILDING
        segments, at = self._desk.settings.scan_segments, self._desk.clock.at(now)
        self.plan = plan_whole(self._table, self._schema(served), self._reading, target, segments, at)

    def _schema(self, served: StoredCopy | None) -> TableSchema:
        """What a copy begins with: the columns that the served one has of the same table and settings stay."""
        schema = self._table.columns
        if served is None:
            return schema
        made = served.checkpoint
        same = (made.reading, made.table_id) == (self._reading, self._table.table_id)
        return schema.join(served.schema) if same else schema
