"""Every promise, looked at whenever something happens that could break it."""

from __future__ import annotations

import json
import math
from collections import Counter

from headrace.accelerator import Target, Which, Work
from headrace.change import RecordsPage, ScanPage
from headrace.checkpoint import Checkpoint, Stage
from headrace.dataset import GapBehavior
from headrace.observe import (
    BootstrapStarted,
    DeadLetters,
    GapFound,
    Observation,
    Reinitialized,
    SnapshotPassedOver,
    SnapshotsUnanswered,
)
from headrace.replicate.commands import (
    Apply,
    Done,
    Failed,
    GetRecords,
    ListChildren,
    ListShards,
    ReadSegment,
    Request,
)
from headrace.replicate.outbox import DEADLINE
from headrace.shard import ShardListing
from headrace.simulator.streams import read_iterator
from headrace.snapshot import Manifest
from support.simulation.ledger import Coverage, Ledger
from support.simulation.model import Broken, Key, Model, Row
from support.simulation.runner import Runner
from support.simulation.scenario import POISONS, START, Scenario
from support.simulation.view import View
from support.simulation.wire import Skies

CHECKS = (
    "values",
    "equality",
    "reader",
    "parents",
    "lineage",
    "agreement",
    "watermark",
    "ready",
    "gaps",
    "memory",
    "dead letters",
    "snapshots",
    "liveness",
    "defect",
)

RETENTION = 24 * 3600.0
SURE = 23 * 3600.0
"""A position without a sequence number that is older than this counts as trimmed (design, section 4)."""

STALE = 6.0
"""Seconds by which a Scan that is not consistent may be behind."""

PAGE_ALLOWANCE = 3 * 2**20
"""Bytes beyond ``buffer_bytes``: a page may be larger than the 1 MB that is set aside for it, since the service
counts what items weigh and not their JSON; and what is held back is let go only after the page that was too much."""


class Checks:
    """Watches one run. ``counts`` says how often each check was made."""

    def __init__(self, scenario: Scenario, runner: Runner, model: Model, ledger: Ledger) -> None:
        self.counts: Counter[str] = Counter()
        self.facts: Counter[str] = Counter()
        self.skies: Skies | None = None
        self.causes = 0
        self.are_discarded = False
        self._scenario = scenario
        self._runner = runner
        self._model = model
        self._ledger = ledger
        self._seen: dict[Key, int] = {}
        self._looked_at = -1
        self._commits = 0
        self._views: dict[Target, View | None] = dict.fromkeys(Target)
        self._watermark: float | None = None
        self._fresh_pages = False
        self._work: Work | None = None
        self._coverages: dict[tuple[str, str, float], Coverage] = {}
        self._read: set[tuple[str, str]] = set()
        self._known: dict[str, set[str]] = {}
        self._pages: list[str] = []
        self._was_ready = False
        self._stored: dict[str, Coverage] = {}
        self._passed_over: set[str] | None = set()
        self._lost: list[tuple[Coverage, str, int]] = []

    # What the runner tells

    def booted(self) -> None:
        """A process came up, and knows nothing yet."""
        self._known.clear()
        self._pages.clear()
        self._was_ready = False
        self._passed_over = set()

    def lost(self) -> None:
        """The disk is gone, with all copies."""
        self._views = dict.fromkeys(Target)
        self._commits += 1

    def saved(self, manifest: Manifest) -> None:
        """A snapshot of the live copy is there."""
        self.counts["snapshots"] += 1
        view = self._views[Target.LIVE]
        if view is None or view.checkpoint != manifest.checkpoint:
            raise Broken("snapshots", f"{manifest.id} is not of what was there last")
        coverage = self._coverage(view.checkpoint)
        self._applied_until(
            coverage, manifest.current_to, "snapshots", f"{manifest.id} says that it has all up to"
        )
        self._stored[manifest.id] = coverage.copied()

    def restored(self, manifest: Manifest) -> None:
        """The live copy is what it was when the snapshot was taken."""
        self.counts["snapshots"] += 1
        if manifest.id in self._runner.place.damaged:
            raise Broken("snapshots", f"{manifest.id} is damaged, and was restored")
        self._coverages[_identity(manifest.checkpoint)] = self._stored[manifest.id].copied()

    def committed(self) -> None:
        """A transaction is done, whoever knows of it; or the store was opened, and is at some commit."""
        self._commits += 1
        self._views = {target: self._runner.engine.view(target) for target in Target}
        for view in self._views.values():
            if view is not None:
                self._agree(view)
        self._look()

    def asked(self, request: Request) -> None:
        """The machine asks for something."""
        match request:
            case GetRecords(shard_id=shard_id, iterator=iterator):
                arn = read_iterator(iterator)[0]
                self._read.add((arn, shard_id))
                self._after_its_parent(arn, shard_id)
            case Apply(work=work):
                if work is not self._work:
                    # A transaction that is tried again says what was known when it was first tried.
                    self._work = work
                    if work.create is not None:
                        # A new copy begins with what its own listing showed.
                        self._known.clear()
                        self._read.clear()
                        self._coverages.pop(_identity(work.checkpoint), None)
                    if not work.redriven and not work.discarded:
                        # What an operator asks for leaves the checkpoint as it was.
                        self._holds_lineage(work.checkpoint)

    def answered(self, request: Request, event: Done | Failed) -> None:
        """The machine is about to learn the outcome of a request."""
        if isinstance(request, (GetRecords, ReadSegment)):
            self._fresh_pages = True
        if not self._is_waited_for(request):
            return
        if isinstance(request, ListShards):
            if request.start_after is None:
                self._pages.clear()
            if isinstance(event, Failed):
                self._pages.clear()
            else:
                assert isinstance(event.answer, ShardListing)
                self._pages += [shard.id for shard in event.answer.shards]
                if event.answer.next_start is None:
                    self._known.setdefault(request.stream_arn, set()).update(self._pages)
                    self._pages.clear()
        elif isinstance(request, ListChildren) and isinstance(event, Done):
            assert isinstance(event.answer, ShardListing)
            children = {shard.id for shard in event.answer.shards if shard.parent_id == request.parent_id}
            self._known.setdefault(request.stream_arn, set()).update(children)

    def _is_waited_for(self, request: Request) -> bool:
        """Whether the machine has not given the request up, and will not now."""
        sent_at = self._runner.machine._outbox._sent_at.get(request.id)
        return sent_at is not None and self._runner.clock.now - sent_at < DEADLINE

    def stepped(self) -> None:
        """The machine has decided."""
        if self._fresh_pages:
            self._fresh_pages = False
            self._within_memory()
        ready = self._runner.ready
        if ready and not self._was_ready:
            self._may_be_ready()
        self._was_ready = ready
        self._knows_how_far()
        self._look()

    def told(self, fact: Observation) -> None:
        """The machine states a fact."""
        self.facts[type(fact).__name__] += 1
        self._tells_of_snapshots(fact)
        if isinstance(fact, GapFound):
            self._is_gap(fact)
            self._lost.clear()
        elif isinstance(fact, Reinitialized):
            self.counts["gaps"] += 1
            is_of_a_snapshot = fact.reason.startswith("snapshot ") and self.facts["SnapshotRestored"]
            if not self.causes and not self.facts["GapFound"] and not is_of_a_snapshot:
                raise Broken("gaps", f"copied anew without a cause: {fact.reason}")
            self._lost.clear()
        elif isinstance(fact, DeadLetters) and not set(POISONS) & self._scenario.mishaps.keys():
            raise Broken("dead letters", f"{fact.count} of them, and none was to be")

    def _tells_of_snapshots(self, fact: Observation) -> None:
        """What is passed over deserves it, and no table is copied while a snapshot would do."""
        settings = self._scenario.snapshots
        match fact:
            case SnapshotPassedOver(snapshot=id_, reason=reason):
                self.counts["snapshots"] += 1
                if self._passed_over is not None:
                    self._passed_over.add(id_)
                if not (id_ in self._runner.place.damaged or self._is_unfit(reason)):
                    raise Broken("snapshots", f"{id_} is passed over: {reason}")
            case SnapshotsUnanswered():
                self._passed_over = None
            case BootstrapStarted(rebuild=False) if settings is not None and settings.mode.restores:
                if self._passed_over is None or any(self._views.values()):
                    return
                self.counts["snapshots"] += 1
                left = set(self._runner.place.ids) - self._passed_over
                if left:
                    raise Broken("snapshots", f"the table is copied, and {sorted(left)} were not tried")

    def _is_unfit(self, reason: str) -> bool:
        """Whether what is said of a snapshot that is whole may be so."""
        aged = self._runner.clock.now - START > SURE
        silent = "silent place" in self._scenario.mishaps
        return (
            (aged and ("the stream keeps 24 h" in reason))
            or (bool(self.causes) and ("another table" in reason or "another stream" in reason))
            or (silent and "does not answer" in reason)
        )

    def time_jumps(self, now: float) -> None:
        """The clock is about to be moved to ``now``: what is trimmed by that, and not applied, is lost."""
        view = self._newest()
        if view is None:
            return
        coverage = self._coverage(view.checkpoint)
        for shard_id in self._ledger.streams.get(coverage.arn, {}):
            records = coverage.open_records(shard_id)
            gone = sum(created < now - RETENTION for created in records)
            # What a shard held before the Scan that nobody has heard of, the Scan has seen.
            if gone and (shard_id in coverage.stages or records[gone - 1] >= coverage.started_at):
                self._lost.append((coverage, shard_id, coverage.next_place(shard_id) + gone))

    # The promises

    def equal(self) -> bool:
        """Whether the live copy has every record, and shows exactly what is true."""
        view = self._views[Target.LIVE]
        truth = self._model.items()
        if view is None:
            return False
        version = self._version_of(view)
        coverage = self._coverage(view.checkpoint)
        # An old copy may be equal by chance while its successor is being made.
        if coverage.arn != next(reversed(self._ledger.streams)):
            return False
        if self._oldest_open(coverage) is not None or self.retriable():
            return False
        shown = {key: int(row[version]) for key, row in view.rows.items()}
        return all(
            shown.get(key) == (int(truth[key]["version"]["N"]) if key in truth else None)
            for key in shown.keys() | truth.keys()
            if not self.is_set_aside(key)
        )

    def retriable(self) -> bool:
        """Whether letters wait that could be applied."""
        keys = [self._model.key_of(json.loads(letter.key)) for letter in self._runner.letters(Which.WAITING)]
        return any(self._model.poison(key, self._model.top(key)) != "broken record" for key in keys)

    def is_set_aside(self, key: Key) -> bool:
        """Whether the present state of an item cannot be expected in the copy."""
        poison = self._model.poison(key, self._model.top(key))
        return poison == "broken record" or (poison == "refused row" and self.are_discarded)

    def at_rest(self) -> None:
        """Everything has come to rest: every value of every item is right, and no loss went unsaid."""
        view = self._views[Target.LIVE]
        assert view is not None
        self.counts["equality"] += 1
        for key, row in view.rows.items():
            if not self.is_set_aside(key):
                self._model.compare(key, self._model.top(key), row, view.schema)
        self._letters_are_right()
        for coverage, shard_id, place in self._lost:
            if coverage is self._coverage(view.checkpoint) and coverage.next_place(shard_id) < place:
                raise Broken("gaps", f"records of {shard_id} were trimmed unread, and no gap was told")

    def _oldest_open(self, coverage: Coverage) -> float | None:
        """The time of the oldest record that is not applied yet, and that the Scan has not seen."""
        times = [
            created
            for shard_id in self._ledger.streams.get(coverage.arn, {})
            for created in coverage.open_records(shard_id)
            if shard_id in coverage.stages or created >= coverage.started_at
        ]
        return min(times, default=None)

    def _letters_are_right(self) -> None:
        """A letter waits for each item whose present state cannot be decoded, and for no other."""
        self.counts["dead letters"] += 1
        waiting = [
            self._model.key_of(json.loads(letter.key)) for letter in self._runner.letters(Which.WAITING)
        ]
        expected = {
            key
            for key in self._model.states
            if self._model.poison(key, self._model.top(key)) == "broken record"
        }
        if len(set(waiting)) != len(waiting):
            raise Broken("dead letters", f"two letters wait for one key: {sorted(waiting)}")
        if set(waiting) - expected or (expected - set(waiting) and not self.are_discarded):
            raise Broken(
                "dead letters", f"letters wait for {sorted(waiting)}; they should for {sorted(expected)}"
            )

    def differences(self) -> str:
        """What is not equal, for a message."""
        view = self._views[Target.LIVE]
        truth = {key: int(item["version"]["N"]) for key, item in self._model.items().items()}
        if view is None:
            return "there is no copy"
        version = self._version_of(view)
        found = {key: int(row[version]) for key, row in view.rows.items() if row.get(version) is not None}
        keys = [key for key in truth.keys() | found.keys() if truth.get(key) != found.get(key)]
        return ", ".join(f"{key}: {found.get(key)} not {truth.get(key)}" for key in sorted(keys)[:5])

    def _look(self) -> None:
        """A reader, whenever the rows or the readiness have changed: nothing it ever saw comes back older."""
        ready = self._runner.ready
        if not ready or self._looked_at == self._commits:
            return
        self._looked_at = self._commits
        self.counts["reader"] += 1
        view = self._views[Target.LIVE]
        if view is None:
            raise Broken("reader", "the dataset says that it is ready, and there is no copy")
        version = self._version_of(view)
        for key in self._model.states:
            self._sees(key, view.rows.get(key), version, view)
        strangers = view.rows.keys() - self._model.states.keys()
        if strangers:
            raise Broken("reader", f"rows of items that never were: {sorted(strangers)}")

    def _sees(self, key: Key, row: Row | None, version: str, view: View) -> None:
        before = self._seen.get(key, 0)
        if self._is_hidden(key):
            before = 0
        if row is None:
            gone = self._model.gone_since(key, before)
            if self._model.may_be_missed(key, before, gone):
                # A copy that was made anew does not hold what could not be decoded.
                return
            if gone is None:
                raise Broken(
                    "reader", f"{key} was seen in state {before}, was never deleted since, and is gone"
                )
            self._seen[key] = gone
            return
        index = self._model.index_of(key, row, version)
        if index < before:
            raise Broken("reader", f"{key} went back from state {before} to {index}")
        if index != before:
            self._model.compare(key, index, row, view.schema)
        self._seen[key] = index

    def _is_hidden(self, key: Key) -> bool:
        """Whether a restored copy may lack what was seen of an item, and nothing could tell.

        The records that the lost copy had are in a shard that gives empty pages as if there were none.
        """
        if self.skies is None or not self.facts["SnapshotRestored"]:
            return False
        return any(
            shard_id in self.skies.deceived and any(one == key for one, _ in log.states)
            for logs in self._ledger.streams.values()
            for shard_id, log in logs.items()
        )

    def _agree(self, view: View) -> None:
        """Rows are exactly what their checkpoint says."""
        self.counts["agreement"] += 1
        coverage = self._coverage(view.checkpoint)
        coverage.advance(view.checkpoint)
        version = self._version_of(view)
        for key, covered in coverage.covered.items():
            item, row = self._model.states[key][covered], view.rows.get(key)
            expected = None if item is None else int(item["version"]["N"])
            found = None if row is None else int(row[version])
            if found != expected and not self._is_behind_a_letter(coverage, key, row, version):
                raise Broken(
                    "agreement", f"{key} is {found}; what the checkpoint says is applied leaves {expected}"
                )
        slack = 0.0 if self._runner.settings.consistent_read else STALE
        for key, row in view.rows.items():
            if key in coverage.covered:
                continue
            index = self._model.index_of(key, row, version)
            if index < self._model.index_at(key, view.checkpoint.started_at - slack - 1.0):
                raise Broken("agreement", f"{key} is as it was before the Scan began, and no record says so")

    def _is_behind_a_letter(self, coverage: Coverage, key: Key, row: Row | None, version: str) -> bool:
        """Whether the last records of an item were set aside, and its row is what was there before, or one retried."""
        covered, clean = coverage.covered[key], coverage.clean.get(key)
        if not self._model.poison(key, covered):
            return False
        if row is None:
            gone = self._model.gone_since(key, clean or 0)
            return clean is None or (gone is not None and gone <= covered)
        index = self._model.index_of(key, row, version)
        if self._model.poison(key, index) == "broken record":
            return False
        scanned = self._model.index_at(key, coverage.started_at - STALE)
        return (clean or 0) <= index <= covered or index >= scanned

    def _after_its_parent(self, arn: str, shard_id: str) -> None:
        """A child is read after its parent's end is durable, or the parent is gone."""
        self.counts["parents"] += 1
        log = self._ledger.streams.get(arn, {}).get(shard_id)
        parent = None if log is None else log.parent
        if parent is None or not self._ledger.is_kept(arn, parent):
            return
        view = self._newest()
        assert view is not None, "nothing is read before a checkpoint is there"
        stages = {state.id: state.stage for state in view.checkpoint.shards}
        if parent not in stages and self._ledger.closed_before(arn, parent, view.checkpoint.started_at):
            # No listing had shown it when the Scan began; the Scan has seen all that it holds.
            return
        if stages.get(parent) is not Stage.FINISHED:
            raise Broken("parents", f"{shard_id} is read, and its parent {parent} is {stages.get(parent)}")

    def _holds_lineage(self, checkpoint: Checkpoint) -> None:
        """A checkpoint holds every shard that was learnt of and that the service still keeps."""
        self.counts["lineage"] += 1
        held = {state.id for state in checkpoint.shards}
        for shard_id in self._known.get(checkpoint.stream_arn, set()) - held:
            if self._ledger.is_kept(checkpoint.stream_arn, shard_id):
                raise Broken("lineage", f"a checkpoint forgets the shard {shard_id}")

    def _within_memory(self) -> None:
        """Pages that the machine holds, and those on their way to it, fit into the buffer and an allowance."""
        self.counts["memory"] += 1
        run = self._runner.machine._run
        held = 0
        if run is not None:
            buffered = sum(_bytes(page) for unit in run.buffer._stream for page in unit.pages)
            buffered += sum(_bytes(page) for _, page in run.buffer._scan)
            waiting = sum(_bytes(page) for reader in run.stream.readers.values() for page in reader.held)
            if (buffered, waiting) != (run.buffer.wire_bytes, run.hold.wire_bytes):
                raise Broken(
                    "memory",
                    f"{(buffered, waiting)} bytes are held, and counted as {(run.buffer.wire_bytes, run.hold.wire_bytes)}",
                )
            held = buffered + waiting
        plan = self._runner.machine._lane.plan
        if plan is not None:
            held += sum(batch.wire_bytes for batch in (*plan.work.stream, *plan.work.scan))
        for event in self._runner.undelivered.values():
            answer = event.answer if isinstance(event, Done) else None
            held += _bytes(answer) if isinstance(answer, (RecordsPage, ScanPage)) else 0
        bound = self._runner.settings.buffer_bytes + PAGE_ALLOWANCE
        if held > bound:
            raise Broken("memory", f"{held} bytes of pages are held; at most {bound} may be")

    def _may_be_ready(self) -> None:
        """Ready: the Scan is done, and every record of its time is applied."""
        view = self._views[Target.LIVE]
        if view is None:
            raise Broken("ready", "the dataset says that it is ready, and there is no copy")
        if self._runner.settings.gap_behavior is GapBehavior.READY_BEFORE_LOAD and view.checkpoint.was_ready:
            return
        self.counts["ready"] += 1
        ended_at = view.checkpoint.scan_ended_at
        if ended_at is None:
            raise Broken("ready", "the dataset says that it is ready before its Scan has ended")
        self._applied_until(self._coverage(view.checkpoint), math.floor(ended_at), "ready", "the Scan's end")

    def _knows_how_far(self) -> None:
        """The watermark: everything up to it is applied."""
        run = self._runner.machine._run
        if run is None or run._watermark is None or run._watermark == self._watermark:
            return
        self._watermark = run._watermark
        view = self._newest()
        if view is None:
            return
        if run.checkpoint.stream_arn != view.checkpoint.stream_arn:
            return
        self.counts["watermark"] += 1
        self._applied_until(self._coverage(view.checkpoint), run._watermark, "watermark", "the watermark")

    def _applied_until(self, coverage: Coverage, until: float, check: str, what: str) -> None:
        for shard_id in self._ledger.streams.get(coverage.arn, {}):
            records = coverage.open_records(shard_id)
            if shard_id not in coverage.stages:
                # What a shard held before the Scan that nobody has heard of, the Scan has seen.
                records = tuple(created for created in records if created >= coverage.started_at)
            if records and records[0] < until and self._answers_for(coverage, shard_id):
                raise Broken(
                    check, f"a record of {shard_id} of {records[0]} is not applied; {what} is {until}"
                )

    def _answers_for(self, coverage: Coverage, shard_id: str) -> bool:
        """Whether what is known of the lineage says that the shard has records to come.

        Not where five empty pages in a row said otherwise. And not of a shard that no listing has shown while it
        showed its sibling: that a parent has another child cannot be known.
        """
        ancestors = [shard_id]
        while (log := coverage.log(ancestors[-1])) is not None and log.parent is not None:
            ancestors.append(log.parent)
        if self.skies is not None and not self.skies.deceived.isdisjoint(ancestors):
            # What a parent vouches for at its end, its children take over.
            return False
        run = self._runner.machine._run
        if run is not None and run.stream.discovery.disabled and shard_id not in coverage.stages:
            # A stream that is off gets no shards any more, as far as anybody can tell.
            return False
        for shard in ancestors:
            if coverage.stages.get(shard, Stage.WAITING) is not Stage.WAITING:
                return coverage.stages[shard] is not Stage.FINISHED or not self._has_child(coverage, shard)
        return shard_id in coverage.stages

    def _has_child(self, coverage: Coverage, shard_id: str) -> bool:
        logs = self._ledger.streams.get(coverage.arn, {})
        known = coverage.stages.keys() | self._known.get(coverage.arn, set())
        return any(log.parent == shard_id and log.id in known for log in logs.values())

    def _is_gap(self, fact: GapFound) -> None:
        """Something was trimmed that was not read, or may have been."""
        self.counts["gaps"] += 1
        view = self._newest()
        if view is None or self._ledger.stream(view.checkpoint.stream_arn) is None:
            return
        arn = view.checkpoint.stream_arn
        now = self._runner.clock.now
        for state in view.checkpoint.shards:
            if state.position is None:
                continue
            through = self._ledger.trimmed_through(arn, state.id)
            number = None if state.position.sequence is None else int(state.position.sequence.text)
            if through is None or (number is not None and number <= through):
                return
            if state.position.set_at is not None and now - state.position.set_at > SURE:
                return
        known = {state.id for state in view.checkpoint.shards}
        for shard_id, log in self._ledger.streams.get(arn, {}).items():
            through = self._ledger.trimmed_through(arn, shard_id)
            if shard_id not in known and (through is None or (log.numbers and log.numbers[0] <= through)):
                return
        raise Broken("gaps", f"a gap is told and nothing was trimmed: {fact.reason}")

    # Copies

    def _newest(self) -> View | None:
        """The copy that is being worked on."""
        return self._views[Target.BUILDING] or self._views[Target.LIVE]

    def _coverage(self, checkpoint: Checkpoint) -> Coverage:
        identity = _identity(checkpoint)
        if identity not in self._coverages:
            self._coverages[identity] = Coverage(self._ledger, checkpoint, self._read)
        return self._coverages[identity]

    @staticmethod
    def _version_of(view: View) -> str:
        column = view.schema.column("version")
        return "version" if column is None else column.name


def _identity(checkpoint: Checkpoint) -> tuple[str, str, float]:
    """Which copy it is of."""
    return checkpoint.table_id, checkpoint.stream_arn, checkpoint.started_at


def _bytes(page: RecordsPage | ScanPage) -> int:
    return page.changes.wire_bytes if page.changes is not None else 0
