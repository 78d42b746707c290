"""What was applied last is remembered within a bound, and found by key."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.change import ChangeBatch, DeadLetter, Origins
from headrace.column_type import TEXT
from headrace.column_type import Kind as ColumnKind
from headrace.explanation import Fate, Kind
from headrace.position import SequenceNumber
from headrace.replicate.journal import JOINED, Journal, Pending, Trail
from headrace.schema import TableSchema

KEYS = TableSchema.of_keys((("p", "S"), ("n", "N")))
WIDE = TableSchema.of_keys((("p", "S"), ("n", "N"))).including({("n",): TEXT})
MUCH = 2**30


class Key:
    def __init__(self, p, n):
        self.p, self.n = p, n

    def value_in(self, column):
        if column.attribute == "p":
            return self.p
        return str(self.n) if column.type.kind is ColumnKind.TEXT else self.n


def page(changes, first=0, schema=KEYS):
    """Changes of (p, n, deleted), numbered from ``first``."""
    numbers = [str(first + index) for index in range(len(changes))]
    text = schema is WIDE
    rows = [{"p": p, "n": str(n) if text else n} for p, n, _ in changes]
    return ChangeBatch(
        schema,
        pa.RecordBatch.from_pylist(rows, schema=schema.arrow()),
        pa.array([gone for _, _, gone in changes]) if any(gone for _, _, gone in changes) else None,
        100,
        Origins(pa.array(numbers), pa.array([1000.0] * len(numbers))),
    )


def trail(journal, *pending):
    return Trail(journal.pages(), pending, journal.remembered, journal.since, journal.whole)


CHANGES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.booleans()), min_size=1, max_size=3)
PAGES = st.lists(st.tuples(CHANGES, st.sampled_from("st"), st.booleans()), max_size=3 * JOINED)


@settings(max_examples=60, deadline=None)
@given(pages=PAGES)
def test_the_journal_tells_what_a_plain_list_would(pages):
    """Whether or not its small pages were joined, and whether or not the key's column widened between."""
    journal, plain, number = Journal(MUCH), [], 0
    journal.begin(0.0, whole=True)
    for at, (changes, shard, wide) in enumerate(pages):
        journal.add(shard, page(changes, number, WIDE if wide else KEYS), float(at))
        for p, n, gone in changes:
            plain.append(((p, n), Kind.DELETE if gone else Kind.UPSERT, shard, str(number), float(at)))
            number += 1
    assert journal.remembered == len(plain)
    assert journal.size == sum(one.size for one in journal.pages())
    for p in "ab":
        for n in (0, 1):
            told = [
                (event.kind, event.shard_id, event.sequence.text, event.applied_at)
                for event in trail(journal).events(Key(p, n), most=10**6)
            ]
            assert told == [tuple(rest) for key, *rest in plain[::-1] if key == (p, n)]


def test_many_pages_of_one_change_take_little_more_than_their_changes():
    journal = Journal(MUCH)
    journal.begin(0.0, whole=True)
    for number in range(JOINED * 10):
        journal.add("s", page([("a", number, False)], number), float(number))
    assert len(journal.pages()) == 10
    assert journal.size / journal.remembered < 350


def test_memory_is_bounded_and_what_was_forgotten_is_admitted():
    journal = Journal(200_000)
    journal.begin(5.0, whole=True)
    first = page([("first", 0, False)] * 100)
    journal.add("s", first, 10.0)
    assert (journal.since, journal.whole) == (5.0, True)
    for at in range(11, 111):
        journal.add("s", page([("later", 0, False)] * 100, at), float(at))
    assert journal.size <= 200_000
    assert 0 < journal.remembered < 10_000
    assert journal.since > 10.0
    assert not journal.whole
    assert trail(journal).events(Key("first", 0), most=1) == ()
    oldest = journal.pages()[0]
    assert oldest.spans[0].applied_at > journal.since


def test_a_page_larger_than_the_bound_is_not_kept():
    journal = Journal(4000)
    journal.begin(0.0, whole=True)
    journal.add("s", page([("a", 0, False)] * 1000), 1.0)
    assert (journal.size, journal.remembered, journal.since, journal.whole) == (0, 0, 1.0, False)


def test_without_memory_nothing_is_remembered_and_nothing_is_claimed():
    journal = Journal(0)
    journal.begin(0.0, whole=True)
    journal.add("s", page([("a", 0, False)]), 7.0)
    assert (journal.pages(), journal.since, journal.whole) == ((), 7.0, False)


def test_a_new_copy_forgets_what_went_into_the_old_one():
    journal = Journal(MUCH)
    journal.begin(0.0, whole=False)
    journal.add("s", page([("a", 0, False)]), 1.0)
    journal.begin(2.0, whole=True)
    assert (journal.pages(), journal.remembered, journal.size) == ((), 0, 0)
    assert (journal.since, journal.whole) == (2.0, True)


def test_what_is_under_way_comes_before_what_is_applied():
    journal = Journal(MUCH)
    journal.begin(0.0, whole=True)
    journal.add("s", page([("a", 0, False)], 1), 1.0)
    scanned = ChangeBatch(KEYS, page([("a", 0, False)]).rows, None, 1)
    told = trail(
        journal,
        Pending("s", page([("a", 0, True)], 2), Fate.APPLYING),
        Pending(None, scanned, Fate.BUFFERED),
    ).events(Key("a", 0), most=2)
    assert [(event.kind, event.fate, event.applied_at) for event in told] == [
        (Kind.SCAN, Fate.BUFFERED, None),
        (Kind.DELETE, Fate.APPLYING, None),
    ]


def test_a_key_that_the_column_cannot_hold_is_not_in_it():
    journal = Journal(MUCH)
    journal.begin(0.0, whole=True)
    journal.add("s", page([("a", 0, False)]), 1.0)
    assert trail(journal).events(Key("a", None), most=1) == ()


def test_a_change_that_the_engine_refused_is_not_told_as_applied():
    journal = Journal(MUCH)
    journal.begin(0.0, whole=True)
    letter = DeadLetter("s", SequenceNumber("2"), None, "too long", "{}", 1.0)
    journal.add("s", page([("a", 0, False), ("a", 0, False)], 1), 1.0, frozenset({letter.id}))
    told = trail(journal).events(Key("a", 0), most=2)
    assert [(event.fate, event.applied_at) for event in told] == [(Fate.REFUSED, None), (Fate.APPLIED, 1.0)]
    for number in range(JOINED - 1):
        journal.add("s", page([("b", number, False)], 10 + number), 2.0)
    assert len(journal.pages()) == 1
    assert [event.fate for event in trail(journal).events(Key("a", 0), most=2)] == [
        Fate.REFUSED,
        Fate.APPLIED,
    ]
