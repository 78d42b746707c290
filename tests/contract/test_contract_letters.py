"""What every accelerator must do with changes that could not be decoded, or that it cannot hold."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.accelerator import LETTERS_AT_ONCE, Notes, Target, Which
from headrace.change import Redriven
from headrace.column_type import INT, TEXT
from headrace.errors import AcceleratorError, AcceleratorFull, RowRefused
from headrace.schema import TableSchema
from support.copies import BROKEN, batch, broken_texts, checkpoint, create, dead, paged, schema_of, work
from support.engines import ENGINES, REAL, harness_of
from support.typed_values import number

ORDERS = schema_of(n=INT)
TEXTS = schema_of(n=INT, text=TEXT)


@pytest.fixture(params=ENGINES)
def copy(request, tmp_path):
    harness = harness_of(request.param, tmp_path)
    harness.sink.open()
    yield harness
    harness.close()


def row(key, n):
    return {"id": key, "n": n}


def one(key, n, number=100):
    return paged(batch(ORDERS, row(key, n)), number)


def back(key, n, number):
    """The letter of record ``number``, decoded anew."""
    return Redriven(dead(key, number).id, str(number), one(key, n, number))


def superseded(copy):
    return sorted(name for name, stored in copy.letters().items() if stored.superseded_at is not None)


def waiting(copy):
    return sorted(copy.letters(Which.WAITING))


# Storing


def test_letters_are_kept_once_whole_and_with_the_rows(copy):
    letter = replace(dead("a", 100), record='{"dynamodb":{"Keys":{"id":{"S":"a"}}}}')
    copy.sink.apply(create())
    for _ in range(2):
        applied = copy.sink.apply(work(1, one("b", 1), dead=(letter, dead("c", None))))
        assert (applied.letters.added, applied.letters.stored, applied.letters.waiting) == (2, 2, 2)
    assert copy.letters()["100"].letter == letter
    assert waiting(copy) == ["100", "c"]
    assert (copy.sink.open().live.letters, copy.sink.open().live.waiting) == (2, 2)


def test_letters_without_key_or_number_are_kept_apart(copy):
    copy.sink.apply(create())
    first = replace(dead(None, None), record="{1}")
    copy.sink.apply(work(1, dead=(first, replace(first, record="{2}"), dead(None, 7))))
    assert copy.sink.open().live.waiting == 3


def test_letters_are_read_in_parts_by_name_and_by_condition(copy):
    copy.sink.apply(create())
    count = LETTERS_AT_ONCE + 10
    copy.sink.apply(work(1, dead=tuple(dead(f"k{n}", 100 + n) for n in range(count))))
    first = copy.sink.letters(None, Which.ANY, None)
    rest = copy.sink.letters(None, Which.ANY, first[-1].letter.id)
    ids = [stored.letter.id for stored in (*first, *rest)]
    assert len(first) == LETTERS_AT_ONCE
    assert ids == sorted(dead(f"k{n}", 100 + n).id for n in range(count))
    named = copy.sink.letters((ids[3], "105", "no such letter"), Which.ANY, None)
    assert {stored.letter.id for stored in named} == {ids[3], dead("k5", 105).id}
    assert copy.sink.letters(None, Which.SUPERSEDED, None) == ()


def test_large_letters_are_read_a_few_at_a_time(copy):
    copy.sink.apply(create())
    large = tuple(replace(dead(f"k{n}", 100 + n), record="x" * 2**20) for n in range(12))
    copy.sink.apply(work(1, dead=large))
    assert 3 <= len(copy.sink.letters(None, Which.ANY, None)) <= 5


# Superseding


def test_a_later_record_of_the_key_supersedes_and_an_earlier_one_does_not(copy):
    copy.sink.apply(create())
    changes = batch(
        ORDERS, row("a", 1), row("b", 1), {"id": "c"}, row("d", 1), deleted=[False, False, True, False]
    )
    letters = (
        dead("a", 100, place=0),
        dead("b", 101, place=2),
        dead("c", 102, place=1),
        dead("e", 103, place=4),
    )
    applied = copy.sink.apply(work(1, changes, dead=letters, at=77.0))
    assert superseded(copy) == ["100", "102"]
    assert copy.letters()["100"].superseded_at == 77.0
    assert (applied.letters.superseded, applied.letters.waiting, applied.letters.stored) == (2, 2, 4)
    copy.sink.apply(work(2, batch(ORDERS, {"id": "e"}, deleted=[True])))
    assert superseded(copy) == ["100", "102", "103"]
    assert copy.letters()["103"].superseded_at is not None


def test_of_several_letters_of_a_key_only_the_newest_waits(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead("a", 100), dead("a", 101))))
    assert (waiting(copy), superseded(copy)) == (["101"], ["100"])
    copy.sink.apply(work(2, dead=(dead("a", 102),)))
    assert (waiting(copy), superseded(copy)) == (["102"], ["100", "101"])


@pytest.mark.parametrize(
    ("keys", "written", "value"),
    [
        ((("p", "S"), ("s", "N")), '{"s":{"N":"1.50E1"},"p":{"S":"x\\u0041\\""}}', {"p": 'xA"', "s": 15}),
        ((("p", "N"),), '{"p":{"N":"-0.0"}}', {"p": 0}),
        ((("p", "B"),), '{"p":{"B":"AP8="}}', {"p": b"\x00\xff"}),
    ],
)
def test_keys_are_compared_however_they_are_written(copy, keys, written, value):
    table = TableSchema.of_keys(keys)
    copy.sink.apply(create(keys=table))
    copy.sink.apply(work(1, dead=(replace(dead(None, 100), key=written),)))
    assert waiting(copy) == ["100"]
    copy.sink.apply(work(2, batch(table, value)))
    assert superseded(copy) == ["100"]


@pytest.mark.parametrize(
    ("written", "value"),
    [("015e-1", Decimal("1.5")), ("1E100", "1" + "0" * 100), ("-1e-130", f"-0.{1:0130}")],
)
def test_numbers_that_are_no_integers_are_keys_too(copy, written, value):
    table = TableSchema.of_keys((("p", "N"),)).including({("p",): number(written, key=True)})
    copy.sink.apply(create(keys=TableSchema.of_keys((("p", "N"),))))
    copy.sink.apply(work(1, dead=(replace(dead(None, 100), key=f'{{"p":{{"N":"{written}"}}}}'),)))
    copy.sink.apply(work(2, batch(table, {"p": value})))
    assert superseded(copy) == ["100"]


# The Scan beside the stream


def test_a_row_of_the_scan_supersedes_nothing_and_is_applied(copy):
    """It may be older than the letter; where it is newer, the stream brings what made it so."""
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead("a", 100),), scanning=True))
    copy.sink.apply(work(2, scan=(one("a", 3, None),), scanning=True))
    assert waiting(copy) == ["100"]
    assert copy.live() == {("a",): row("a", 3)}


@pytest.mark.parametrize("touch", [one("a", 5), batch(ORDERS, {"id": "a"}, deleted=[True])])
def test_an_item_of_the_scan_has_no_say_where_the_stream_has_spoken(copy, touch):
    """A deleted key must not return by the retry of an older item."""
    copy.sink.apply(create())
    copy.sink.apply(work(1, touch, scanning=True))
    copy.sink.apply(work(2, dead=(dead("a", None), dead("b", None)), scanning=True))
    assert (waiting(copy), superseded(copy)) == (["b"], ["a"])
    copy.sink.apply(work(3, one("b", 2), scanning=True))
    assert waiting(copy) == []


def test_an_item_of_the_scan_gives_way_to_a_letter_of_the_stream_in_whatever_order(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead("a", 100),), scanning=True))
    copy.sink.apply(work(2, dead=(dead("a", None), dead("b", None)), scanning=True))
    copy.sink.apply(work(3, dead=(dead("b", 101),), scanning=True))
    copy.sink.apply(work(4, dead=(dead("c", None), dead("c", 102)), scanning=True))
    assert (waiting(copy), superseded(copy)) == (["100", "101", "102"], ["a", "b", "c"])


def test_a_new_copy_starts_without_letters_and_the_swap_brings_its_own(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead("a", 100),)))
    copy.sink.apply(create(2, target=Target.BUILDING))
    copy.sink.apply(work(3, dead=(dead("b", 200),), target=Target.BUILDING))
    assert waiting(copy) == ["100"]
    copy.sink.apply(work(4, one("b", 1), target=Target.BUILDING))
    assert waiting(copy) == ["100"]
    copy.sink.apply(work(5, target=Target.BUILDING, dead=(dead("c", 201),), swap=True, notes=Notes.DROP))
    assert (waiting(copy), superseded(copy)) == (["201"], ["200"])
    copy.sink.apply(create(6))
    assert copy.letters() == {}
    assert copy.sink.open().live.letters == 0


# Rows that the engine refuses


@pytest.mark.parametrize("section", ["stream", "scan"])
def test_a_row_that_the_engine_cannot_hold_is_set_aside_and_all_others_are_applied(copy, section):
    """Invariant 3, with a value that every engine really refuses."""
    copy.sink.apply(create())
    texts = ["x"] * 40
    texts[7] = texts[30] = BROKEN
    rows = pa.RecordBatch.from_arrays(
        [pa.array([f"k{n}" for n in range(40)]), pa.array(range(40)), broken_texts(texts)],
        schema=TEXTS.arrow(),
    )
    whole = batch(TEXTS, *({"id": f"k{n}"} for n in range(40)))
    page = replace(paged(whole, 100 if section == "stream" else None), rows=rows)
    given = work(2, page, scanning=True) if section == "stream" else work(2, scan=(page,), scanning=True)
    applied = copy.sink.apply(given)
    assert (applied.upserted, applied.letters.refused, applied.letters.added) == (38, 2, 2)
    assert copy.live().keys() == {(f"k{n}",) for n in range(40) if n not in (7, 30)}
    names = ["107", "130"] if section == "stream" else ["k30", "k7"]
    assert waiting(copy) == names
    assert all(stored.letter.reason for stored in copy.letters().values())
    assert copy.sink.open().live.checkpoint == checkpoint(2)


def test_a_refused_row_stands_in_the_order_of_its_key(copy):
    copy.sink.apply(create())
    changes = paged(batch(ORDERS, *(row(key, n) for key, n in (("a", 1), ("a", 666), ("b", 666), ("b", 2)))))
    with copy.refusing(666):
        copy.sink.apply(work(1, changes, dead=(dead("b", 90, place=2), dead("c", 91, place=4))))
    assert copy.live() == {("a",): row("a", 1), ("b",): row("b", 2)}
    assert waiting(copy) == ["101", "91"]
    # Whether 102 leaves a letter is the engine's: it need not try what a later row of the key replaces.
    assert set(superseded(copy)) - {"102"} == {"90"}


def test_letters_keep_their_place_when_rows_before_them_are_refused(copy):
    copy.sink.apply(create())
    first = paged(batch(ORDERS, row("x", 666), row("a", 1)), 100)
    second = paged(batch(ORDERS, row("y", 666), row("b", 1)), 200)
    letters = (dead("a", 150, place=1), dead("a", 160, place=2), dead("b", 250, place=4))
    with copy.refusing(666):
        copy.sink.apply(work(1, first, second, dead=letters))
    assert (waiting(copy), superseded(copy)) == (["100", "160", "200", "250"], ["150"])


def test_a_refused_row_of_the_scan_counts_as_scanned(copy):
    copy.sink.apply(create(checkpoint=checkpoint()))
    page = paged(batch(ORDERS, row("a", 1), row("b", 666)), None)
    with copy.refusing(666):
        copy.sink.apply(
            work(0, scan=(page,), scanning=True, checkpoint=checkpoint(rows_scanned=2, cursor="b"))
        )
    assert copy.sink.open().live.checkpoint.rows_scanned == 2
    assert (list(copy.live()), waiting(copy)) == ([("a",)], ["b"])


def test_a_refused_deletion_is_a_letter_too(copy):
    copy.sink.apply(create(1))
    changes = paged(batch(ORDERS, row("b", 2), {"id": None}, deleted=[False, True]))
    applied = copy.sink.apply(work(2, changes))
    assert (applied.letters.refused, list(copy.live())) == (1, [("b",)])


def test_a_row_that_cannot_be_set_aside_is_not_skipped(copy):
    """Invariant 3: without its record nothing would be left of it."""
    copy.sink.apply(create(1))
    with copy.refusing(666), pytest.raises(RowRefused, match="planted"):
        copy.sink.apply(work(2, batch(ORDERS, row("a", 666), row("b", 1))))
    assert copy.live() == {}
    assert copy.sink.open().live.checkpoint == checkpoint(1)


def test_what_fails_without_any_row_is_no_fault_of_the_rows(copy):
    copy.sink.apply(create(1))
    copy.plant(_refuse_all)
    with pytest.raises(RowRefused, match="whatever the rows"):
        copy.sink.apply(work(2, one("a", 1)))


def _refuse_all(*_):
    raise RowRefused("whatever the rows")


@pytest.mark.parametrize("error", [AcceleratorFull("disk full"), AcceleratorError("disk error")])
def test_a_disk_that_fails_makes_no_letter(copy, error):
    copy.sink.apply(create(1))

    def fail(*_):
        raise error

    copy.plant(fail)
    with pytest.raises(type(error)):
        copy.sink.apply(work(2, one("a", 1)))
    assert copy.letters() == {}


# Retrying and discarding


def test_a_waiting_letter_that_decodes_again_is_applied_and_gone(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, one("a", 1), dead=(dead("a", 100, place=1), dead("b", 101, place=1))))
    applied = copy.sink.apply(work(1, redriven=(back("a", 2, 100),)))
    assert (applied.letters.retried, applied.letters.stored, applied.letters.waiting) == (1, 1, 1)
    assert copy.live() == {("a",): row("a", 2)}
    again = copy.sink.apply(work(1, redriven=(back("a", 2, 100),)))
    assert (again.letters.retried, again.letters.absent) == (0, 1)


def test_a_superseded_letter_never_takes_its_key_back(copy):
    """Invariant 4: no key goes backwards, whatever was read of the letter before the newer record came."""
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead("a", 100), dead("b", 101))))
    gone = batch(ORDERS, row("a", 9), {"id": "b"}, deleted=[False, True])
    copy.sink.apply(work(2, gone))
    applied = copy.sink.apply(work(2, redriven=(back("a", 1, 100), back("b", 1, 101))))
    assert (applied.letters.retried, applied.letters.outdated) == (0, 2)
    assert copy.live() == {("a",): row("a", 9)}
    assert superseded(copy) == ["100", "101"]


def test_a_retry_in_one_transaction_with_newer_records_of_the_key_is_the_older_one(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead("a", 100),)))
    copy.sink.apply(work(2, one("a", 2), redriven=(back("a", 1, 100),)))
    assert copy.live() == {("a",): row("a", 2)}
    assert copy.letters() == {}


def test_a_letter_that_fails_again_stays_with_its_new_reason(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead("a", 100), dead("b", 101), dead("c", 102))))
    undecodable = Redriven(dead("b", 101).id, "101", None, "still no such type")
    with copy.refusing(666):
        applied = copy.sink.apply(work(1, redriven=(back("a", 666, 100), undecodable, back("c", 3, 102))))
    assert (applied.letters.retried, applied.letters.failing) == (1, 2)
    reasons = {name: stored.letter.reason for name, stored in copy.letters().items()}
    assert reasons["101"] == "still no such type"
    assert "planted" in reasons["100"]
    assert copy.live() == {("c",): row("c", 3)}
    assert waiting(copy) == ["100", "101"]


def test_a_letter_whose_key_was_never_read_is_never_applied(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead(None, 100),)))
    applied = copy.sink.apply(work(1, redriven=(Redriven(dead(None, 100).id, "100", one("a", 1)),)))
    assert (applied.letters.retried, applied.letters.failing) == (0, 1)
    (letter,) = (stored.letter for stored in copy.sink.letters(None, Which.WAITING, None))
    assert "key cannot be read" in letter.reason
    assert copy.live() == {}


def test_discarded_letters_are_gone_and_a_second_time_is_no_failure(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, dead=(dead("a", 100), dead("b", 101))))
    ids = (dead("a", 100).id, "0123456789abcdef")
    applied = copy.sink.apply(work(1, discarded=ids))
    assert (applied.letters.discarded, applied.letters.undiscarded, applied.letters.stored) == (1, 1, 1)
    assert waiting(copy) == ["101"]


def test_letters_survive_the_process(copy):
    copy.sink.apply(create())
    letters = (
        dead("a", 100),
        replace(dead("b", 101), key=None),
        replace(dead("c", None), at=1_700_000_000.123456),
    )
    copy.sink.apply(work(1, one("a", 1), dead=letters, at=1_700_000_001.5))
    before = copy.sink.letters(None, Which.ANY, None)
    copy.restart()
    copy.sink.open()
    if copy.remembers:
        assert copy.sink.letters(None, Which.ANY, None) == before
        assert len(before) == 3


# The law


CHANGES = st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "delete", "dead", "refused"]))
WORKS = st.lists(st.lists(CHANGES, max_size=6) | st.just("retry"), max_size=8)


@pytest.mark.parametrize("engine", ["memory", *REAL])
@given(works=WORKS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_letter_waits_exactly_while_it_is_the_last_that_was_heard_of_its_key(engine, tmp_path, works):
    copy = harness_of(engine, tmp_path)
    try:
        copy.sink.open()
        copy.sink.apply(create())
        copy.sink.apply(work(0, scanning=True, notes=Notes.DROP))
        _live(copy, works)
    finally:
        copy.close()


def _live(copy, works):
    number, last, rows = 100, {}, {}
    for mark, changes in enumerate(works, 1):
        if changes == "retry":
            due = {key: n for key, (kind, n) in last.items() if kind in ("dead", "refused")}
            copy.sink.apply(work(mark, redriven=tuple(back(key, n, n) for key, n in due.items())))
            rows |= due
            last |= dict.fromkeys(due, ("put", 0))
        else:
            batches, letters, place = [], [], 0
            for key, kind in changes:
                number += 1
                last[key] = (kind, number)
                if kind == "dead":
                    letters.append(dead(key, number, place=place))
                    continue
                place += 1
                n = {"put": number, "delete": None, "refused": 666}[kind]
                rows = {k: v for k, v in rows.items() if k != key} if kind == "delete" else rows
                rows |= {key: number} if kind == "put" else {}
                batches.append(paged(batch(ORDERS, row(key, n), deleted=[kind == "delete"]), number))
            with copy.refusing(666):
                copy.sink.apply(work(mark, *batches, dead=tuple(letters)))
        expected = sorted(str(n) for kind, n in last.values() if kind in ("dead", "refused"))
        assert waiting(copy) == expected
        assert {key: values["n"] for (key,), values in copy.live().items()} == rows
