"""The errors that have cost other consumers of streams their data, and some of our own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """In ``module`` (under ``src/headrace``), ``old`` stands exactly once and becomes ``new``."""

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """One error in words, the edits that make it, and the engine on which it must be noticed."""

    name: str
    edits: tuple[Edit, ...]
    engine: str = "memory"


MUTANTS = (
    Mutant(
        "dropping the last page of a shard",
        (
            Edit("replicate/hold.py", "import math\n", "import math\nfrom dataclasses import replace\n"),
            Edit(
                "replicate/hold.py",
                "        counts = bool(page.count) or reader.ended\n",
                "        if page.next_iterator is None:\n"
                "            page = replace(page, changes=None, dead=(), count=0, last=None, newest_at=None)\n"
                "        counts = bool(page.count) or reader.ended\n",
            ),
        ),
    ),
    Mutant(
        "reading a child early",
        (
            Edit(
                "replicate/lineage.py",
                "(parent is not None and parent.stage is Stage.FINISHED)",
                "parent is not None",
            ),
        ),
    ),
    Mutant(
        "moving the checkpoint before the rows",
        (
            Edit(
                "replicate/lane.py",
                "        self.plan, self.since = plan, now\n",
                "        self.plan, self.since = plan, now\n"
                "        self.rows_owed = bool(plan.work.stream or plan.work.scan)\n",
            ),
            Edit(
                "replicate/lane.py",
                "        plan = None if self._abandoned else self.plan\n",
                "        if self.plan is not None and not self._abandoned and self.rows_owed:\n"
                "            self.rows_owed = False\n"
                "            self._dispatch(self.sent_at)\n"
                "            return None\n"
                "        plan = None if self._abandoned else self.plan\n",
            ),
            Edit(
                "replicate/lane.py",
                "        self._outbox.send(partial(Apply, work=self.plan.work))\n",
                "        import dataclasses\n"
                "        owed = {'stream': (), 'scan': ()} if self.rows_owed else {}\n"
                "        self._outbox.send(partial(Apply, work=dataclasses.replace(self.plan.work, **owed)))\n",
            ),
        ),
    ),
    Mutant(
        "LATEST for a child shard",
        (
            Edit(
                "dynamodb/calls.py",
                '"ShardIteratorType": position.anchor.value,',
                '"ShardIteratorType": "LATEST" if position.anchor is Anchor.AT_SEQUENCE_NUMBER'
                " else position.anchor.value,",
            ),
            Edit(
                "dynamodb/calls.py",
                "elif position.sequence is not None:",
                "elif position.anchor is Anchor.AFTER_SEQUENCE_NUMBER:",
            ),
        ),
    ),
    Mutant(
        "not noting touched keys during the Scan",
        (
            Edit(
                "accelerators/memory.py",
                "if work.notes is Notes.KEEP and work.scanning:",
                "if work.notes is Notes.KEEP and work.scanning and not ready.stream:",
            ),
        ),
    ),
    Mutant(
        "comparing sequence numbers as text",
        (Edit("position.py", "return int(self.text) < int(other.text)", "return self.text < other.text"),),
    ),
    Mutant(
        "treating the first empty page as caught up",
        (Edit("replicate/reader.py", "PROOF = 5\n", "PROOF = 1\n"),),
    ),
    Mutant(
        "forgetting a waiting child in the checkpoint",
        (
            Edit(
                "replicate/lineage.py",
                "            return tuple(self._states.values())\n",
                "            return tuple(s for s in self._states.values() if s.stage is not Stage.WAITING)\n",
            ),
            Edit(
                "replicate/lineage.py",
                "return tuple(changes.get(id_, state) for id_, state in self._states.items())",
                "return tuple(\n"
                "            changes.get(id_, state)\n"
                "            for id_, state in self._states.items()\n"
                "            if state.stage is not Stage.WAITING\n"
                "        )",
            ),
        ),
    ),
    Mutant(
        "Ready before the watermark passes the Scan's end",
        (
            Edit(
                "replicate/run.py",
                "return watermark >= math.floor(ended_at) + 1 and behind <=",
                "return behind <=",
            ),
        ),
    ),
    Mutant(
        "applying Scan rows and stream rows in two lanes",
        (
            # Each lane sees what was committed before it began, and not what the other is committing.
            Edit(
                "accelerators/memory.py",
                "shielded = copy.notes | written.keys()",
                "shielded = set(copy.notes)",
            ),
        ),
    ),
    Mutant(
        "a dead-letter retry that overwrites a newer row",
        (
            Edit(
                "accelerators/letters.py", "elif stored.superseded:", "elif stored.superseded and not known:"
            ),
        ),
    ),
    Mutant(
        "late records that are not held",
        (
            Edit(
                "replicate/hold.py",
                "if not reader.held and not (counts and _late(page, checkpoint)):",
                "if not (reader.held and reader.ended and reader.busy):",
            ),
        ),
    ),
    Mutant(
        "an unknown commit taken as done",
        (
            Edit(
                "replicate/lane.py",
                "if copy is not None and copy.checkpoint == work.checkpoint and not self.plan.settles_letters:",
                "if copy is not None:",
            ),
        ),
    ),
    Mutant(
        "a shard that a listing hides taken for trimmed",
        (
            Edit(
                "replicate/discovery.py",
                "if isinstance(error, (ShardGone, PositionTrimmed)):",
                "if error is None or isinstance(error, (ShardGone, PositionTrimmed)):",
            ),
        ),
    ),
    Mutant(
        "a closed shard finished although its parent is still read",
        (Edit("replicate/lineage.py", "elif behind:", "elif behind and not shard.closed:"),),
    ),
    Mutant(
        "a new copy built in place of the one that is served",
        (
            Edit(
                "replicate/machine.py",
                "aside = stored.live is not None and stored.live.checkpoint.was_ready",
                "aside = stored.live is None",
            ),
        ),
    ),
    Mutant(
        "a file that is named before it is synced",
        (
            Edit(
                "accelerators/cayenne/data_file.py",
                "        for file in (path, keys):\n            sync(file)\n        sync(self.folder)\n",
                "",
            ),
        ),
        engine="cayenne",
    ),
    Mutant(
        "recent rows kept although a file has them",
        (
            Edit(
                "accelerators/cayenne/transaction.py",
                "        self._metastore.remove_recent(self.state.number, until)\n",
                "",
            ),
        ),
        engine="cayenne",
    ),
    Mutant(
        "dead positions that only memory knows",
        (
            Edit(
                "accelerators/cayenne/transaction.py",
                "            self._metastore.add_deletions(part.source.record.number, positions)\n",
                "            pass\n",
            ),
        ),
        engine="cayenne",
    ),
    Mutant(
        "files that nobody names left behind",
        (Edit("accelerators/cayenne/table.py", "                self._remove_orphans()\n", ""),),
        engine="cayenne",
    ),
    Mutant(
        "a restored copy Ready before all that was seen of the lost one",
        (Edit("replicate/run.py", "max(ended_at, self._restored_at)", "ended_at"),),
    ),
)
