"""What every accelerator tells of one key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal

import pytest

from headrace.accelerator import Notes, Target
from headrace.accelerators.plain import plain_rows
from headrace.change import DeadLetter
from headrace.column_type import INT, list_of, map_of, struct_of
from headrace.position import SequenceNumber
from headrace.schema import TableSchema
from support.copies import batch, create, schema_of, work
from support.engines import ENGINES, harness_of
from support.typed_values import number, times

ORDERS = schema_of(n=INT)
PAIR = TableSchema.of_keys((("b", "B"), ("n", "N")))


@dataclass(frozen=True)
class Key:
    """An ItemKey."""

    values: dict[str, dict[str, str]]

    @property
    def text(self) -> str:
        return json.dumps(self.values)


@pytest.fixture(params=ENGINES)
def copy(request, tmp_path):
    harness = harness_of(request.param, tmp_path)
    harness.sink.open()
    yield harness
    harness.close()


def key(text):
    return Key({"id": {"S": text}})


def found(copy, one):
    row = copy.sink.look_up(one).row
    return None if row is None else row.to_pylist()


def test_the_columns_of_the_live_copy_are_those_of_its_last_commit(copy):
    assert copy.sink.schema() is None
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    assert copy.sink.schema() == ORDERS
    copy.sink.apply(create(3, target=Target.BUILDING))
    assert copy.sink.schema() == ORDERS


def test_without_a_copy_nothing_is_known(copy):
    stored = copy.sink.look_up(key("a"))
    assert (stored.schema, stored.row, stored.noted, stored.dead) == (None, None, False, ())


def test_the_row_of_a_key_comes_with_every_column(copy):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1}, {"id": "b", "n": 2})))
    assert found(copy, key("b")) == [{"id": "b", "n": 2}]
    assert found(copy, key("c")) is None
    assert copy.sink.look_up(key("c")).schema == ORDERS


def test_binary_and_number_keys_are_found_in_whatever_type_their_column_has_by_now(copy):
    copy.sink.apply(create(1, keys=PAIR))
    decimals = PAIR.including({("n",): number("7.5", key=True)})
    texts = decimals.including({("n",): number("1e100", key=True)})

    def pair(number):
        return Key({"b": {"B": "aGk="}, "n": {"N": number}})

    copy.sink.apply(work(2, batch(PAIR, {"b": b"hi", "n": 2**62 + 1})))
    assert found(copy, pair(f"{2**62 + 1}.0")) == [{"b": b"hi", "n": 2**62 + 1}]
    for stranger in ("7.5", f"{2**62}", f"{2**64}", "1e100"):
        assert found(copy, pair(stranger)) is None
    copy.sink.apply(work(3, batch(decimals, {"b": b"hi", "n": Decimal("7.5")})))
    assert found(copy, pair("7.50")) == [{"b": b"hi", "n": Decimal("7.5")}]
    assert found(copy, pair(f"{2**62 + 1}")) == [{"b": b"hi", "n": Decimal(2**62 + 1)}]
    for stranger in ("7.55", f"{2**62}", "7.5000000000000000000000000000000000001"):
        assert found(copy, pair(stranger)) is None
    copy.sink.apply(work(4, batch(texts, {"b": b"hi", "n": "0.25"})))
    assert found(copy, pair("25e-2")) == [{"b": b"hi", "n": "0.25"}]
    assert found(copy, pair("75e-1")) == [{"b": b"hi", "n": "7.5"}]
    assert found(copy, pair("8")) is None


def test_the_row_of_a_key_has_the_types_of_its_columns(copy):
    """Whatever units and names the engine keeps them in."""
    made = times("+02:00", "2006-01-02T15:04:05Z07:00")
    table = schema_of(at=made, spots=list_of(struct_of({"at": made})), dictionary=map_of(made))
    copy.sink.apply(create(1))
    row = {"id": "a", "at": 1000, "spots": [{"at": 2000}], "dictionary": {"x": 3000}}
    copy.sink.apply(work(2, batch(table, row)))
    stored = copy.sink.look_up(key("a"))
    assert stored.row.schema == table.arrow()
    assert plain_rows(stored.row) == [row]


def test_a_key_that_the_stream_touched_while_the_scan_runs_is_noted_until_it_ends(copy):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a"}, deleted=[True]), scanning=True))
    assert copy.sink.look_up(key("a")).noted
    assert not copy.sink.look_up(key("b")).noted
    copy.sink.apply(work(3, scanning=True, notes=Notes.DROP))
    assert not copy.sink.look_up(key("a")).noted


def test_the_row_is_the_served_copys_and_the_note_the_building_ones(copy):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1}), notes=Notes.DROP))
    copy.sink.apply(create(3, target=Target.BUILDING))
    copy.sink.apply(work(4, batch(ORDERS, {"id": "a", "n": 2}), target=Target.BUILDING, scanning=True))
    stored = copy.sink.look_up(key("a"))
    assert stored.row.to_pylist() == [{"id": "a", "n": 1}]
    assert stored.noted


def test_a_keys_dead_letters_are_found_however_the_service_wrote_it(copy):
    numbered = TableSchema.of_keys((("n", "N"),))
    copy.sink.apply(create(1, keys=numbered))

    def letter(text, at):
        return DeadLetter("s", SequenceNumber(f"{at:.0f}"), text, f"broken at {at:.0f}", "{}", at)

    dead = (letter('{"n": {"N":"1.0"}}', 1.0), letter('{"n":{"N":"1"}}', 2.0), letter('{"n":{"N":"2"}}', 3.0))
    copy.sink.apply(work(2, dead=(*dead, DeadLetter(None, None, None, "no key", "?", 4.0))))
    known = copy.sink.look_up(Key({"n": {"N": "1"}})).dead
    assert [one.letter.reason for one in known] == ["broken at 2", "broken at 1"]
    newest = known[0].letter
    assert (newest.shard, newest.sequence, newest.at) == ("s", SequenceNumber("2"), 2.0)
    assert [one.superseded_at for one in known] == [None, 0.0], "the later letter supersedes the earlier"
    copy.sink.apply(work(3, batch(numbered, {"n": 1}), at=9.0))
    assert [one.superseded_at for one in copy.sink.look_up(Key({"n": {"N": "1"}})).dead] == [9.0, 0.0]


def test_a_closed_copy_is_nothing_to_look_at_but_no_error(copy):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    copy.sink.close()
    stored = copy.sink.look_up(key("a"))
    assert stored.row is None or copy.remembers
