"""What is told of columns: only of the copy that is served, and each change once."""

from headrace.accelerator import Applied, Stored, StoredCopy, Target, Work
from headrace.checkpoint import Checkpoint
from headrace.column_type import INT, TEXT, Digits, number_type
from headrace.observe import ColumnsKnown, SchemaEvolved
from headrace.replicate.commands import Tell
from headrace.replicate.outbox import Outbox
from headrace.replicate.plan import Plan
from headrace.replicate.telling import Telling
from headrace.schema import TableSchema

CHECKPOINT = Checkpoint(table_id="t", stream_arn="s", started_at=0.0, segments=(), shards=())
KEYS = TableSchema.of_keys((("id", "S"),))
WITH_N = KEYS.including({("n",): INT})
WITH_DOUBLE = WITH_N.including({("n",): number_type(Digits(fraction=1, long=False))})


class Story:
    """A Telling, and in short what it has told since it was last asked."""

    def __init__(self):
        self._outbox = Outbox()
        self._telling = Telling("orders", self._outbox)

    def opened(self, schema):
        copy = None if schema is None else StoredCopy(CHECKPOINT, schema)
        self._telling.opened(Stored(copy, None))
        return self

    def applied(self, schema, target=Target.LIVE, **work):
        self._telling.applied(Plan(Work(target, CHECKPOINT, **work)), Applied(0, 0, schema), 0.1)
        return self

    @property
    def told(self):
        facts = [command.observation for command in self._outbox.drain() if isinstance(command, Tell)]
        changes = [
            change.text for fact in facts if isinstance(fact, SchemaEvolved) for change in fact.changes
        ]
        known = [dict(fact.columns) for fact in facts if isinstance(fact, ColumnsKnown)]
        return changes, known


def test_the_columns_of_a_copy_that_is_opened_are_known_and_have_not_changed():
    assert Story().opened(WITH_N).told == ([], [{"id": "Utf8", "n": "Int64"}])
    assert Story().opened(None).told == ([], [])


def test_a_commit_that_changes_columns_is_told_once():
    story = Story().opened(KEYS)
    assert story.told == ([], [{"id": "Utf8"}])
    assert story.applied(WITH_N).told == (["added n (Int64)"], [{"id": "Utf8", "n": "Int64"}])
    assert story.applied(WITH_N).told == ([], [])
    assert story.applied(WITH_DOUBLE).told == (["n: Int64 -> Float64"], [{"id": "Utf8", "n": "Float64"}])


def test_a_copy_that_begins_has_lost_no_columns():
    story = Story().opened(WITH_N).applied(KEYS, create=KEYS)
    assert story.told == ([], [{"id": "Utf8", "n": "Int64"}, {"id": "Utf8"}])
    assert story.applied(WITH_N).told[0] == ["added n (Int64)"]


def test_a_copy_that_is_built_aside_is_told_when_it_takes_the_place_of_the_old():
    story = Story().opened(WITH_DOUBLE)
    assert story.applied(KEYS, Target.BUILDING, create=KEYS).told == ([], [{"id": "Utf8", "n": "Float64"}])
    new = KEYS.including({("n",): INT, ("x",): TEXT})
    assert story.applied(new, Target.BUILDING).told == ([], [])
    assert story.applied(new, Target.BUILDING, swap=True).told == (
        ["n: Float64 -> Int64", "added x (Utf8)"],
        [{"id": "Utf8", "n": "Int64", "x": "Utf8"}],
    )


def test_a_commit_of_which_nothing_was_heard_is_told_when_its_traces_are_found():
    story = Story().opened(KEYS).applied(WITH_N)
    assert story.told[0] == ["added n (Int64)"]
    assert story.opened(WITH_DOUBLE).told == (["n: Int64 -> Float64"], [{"id": "Utf8", "n": "Float64"}])
