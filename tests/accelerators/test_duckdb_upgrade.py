"""Files of format 3, which had no hashes of keys and the rows under the dataset's own name, are brought up to date.

``data/format-3-*.duckdb.xz`` are what a Headrace of that format left of ``life``.
"""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path
from unittest import mock

import duckdb
import pytest

from headrace.accelerator import Target, Which
from headrace.accelerators.duckdb import key_hash, upgrade
from headrace.accelerators.duckdb.tables import FORMAT
from headrace.column_type import INT, TEXT, list_of, struct_of
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema
from support.copies import batch, create, dead, schema_of, work
from support.engines import harness_of
from support.engines.duckdb import DuckDBHarness

DATA = Path(__file__).parent / "data"

KEYS = {
    "text": TableSchema.of_keys((("id", "S"),)),
    "number": TableSchema.of_keys((("id", "N"),)),
    "pair": TableSchema.of_keys((("p", "B"), ("s", "N"))),
}


def key_of(kind, number):
    match kind:
        case "text":
            return {"id": f"order-{number:05}"}
        case "number":
            return {"id": number * 7919}
        case _:
            return {"p": b"%d" % (number % 10), "s": number}


def table_of(kind):
    return schema_of(KEYS[kind], n=INT, text=TEXT, tags=list_of(TEXT), at=struct_of({"x": INT, "y": TEXT}))


def life(kind):
    """A live copy with rows that were replaced and deleted, and one that is being scanned, with notes."""
    keys, table = KEYS[kind], table_of(kind)
    rows = [
        {
            **key_of(kind, k),
            "n": k,
            "text": f"text {k}",
            "tags": [str(k), None],
            "at": {"x": k, "y": "y"},
        }
        for k in range(3000)
    ]
    gone = [key_of(kind, k) for k in range(0, 3000, 7)]
    again = [{**key_of(kind, k), "n": -k} for k in range(1, 3000, 7)]
    deleted = [True] * len(gone) + [False] * len(again)
    lost = () if kind == "pair" else (dead("lost", 5),)
    building = {"target": Target.BUILDING, "scanning": True}
    yield create(1, keys=keys)
    yield work(2, batch(table, *rows))
    yield work(3, batch(table, *gone, *again, deleted=deleted), dead=lost)
    yield create(4, keys=keys, target=Target.BUILDING)
    few = [{**key_of(kind, k), "n": k} for k in range(10)]
    yield work(5, batch(table, *few, deleted=[k < 5 for k in range(10)]), **building)
    yield work(6, scan=(batch(table, *({**key_of(kind, k), "n": 2 * k} for k in range(8, 30))),), **building)


def later(kind):
    """Changes of rows that are there, and of noted keys."""
    table = table_of(kind)
    rows = [{**key_of(kind, k), "n": k + 1} for k in range(0, 3000, 5)]
    yield work(7, batch(table, *rows, key_of(kind, 2), deleted=[False] * len(rows) + [True]))
    page = batch(table, *({**key_of(kind, k), "n": -1} for k in range(3, 40, 4)))
    yield work(8, scan=(page,), scanning=True, target=Target.BUILDING)
    yield work(9, batch(table, *rows[:3]), target=Target.BUILDING, swap=True)
    yield work(10, batch(table, *rows[:9]))


def stored(folder, kind):
    """A file of format 3."""
    path = folder / "orders.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.decompress((DATA / f"format-3-{kind}.duckdb.xz").read_bytes()))
    return path


def formats_of(path):
    with duckdb.connect(str(path), read_only=True) as connection:
        return {row[0] for row in connection.execute("SELECT format FROM headrace_checkpoint").fetchall()}


def agree(duck, plain):
    assert duck.sink.open() == plain.sink.open()
    assert duck.live() == plain.live()
    assert duck.building() == plain.building()
    assert duck.letters(Which.ANY) == plain.letters(Which.ANY)


@pytest.mark.parametrize("kind", KEYS)
def test_a_file_of_format_3_is_brought_up_to_date_and_goes_on(tmp_path, kind):
    path = stored(tmp_path, kind)
    assert formats_of(path) == {3}
    plain, duck = harness_of("memory", None), DuckDBHarness(path)
    try:
        for one in life(kind):
            plain.sink.apply(one)
        agree(duck, plain)
        if kind != "number":
            hashed = f"count(*) = count(*) FILTER (headrace_hash = {key_hash.key_hash(KEYS[kind])})"
            for table in ("headrace_rows", "headrace_building_rows", "headrace_building_notes"):
                with duck.reading() as cursor:
                    assert cursor.execute(f"SELECT {hashed} FROM {table}").fetchall() == [(True,)]
        for one in later(kind):
            assert duck.sink.apply(one) == plain.sink.apply(one)
            agree(duck, plain)
        duck.restart()
        agree(duck, plain)
    finally:
        duck.close()
    assert formats_of(path) == {FORMAT}


def lose_the_world(path, folder):
    folder.mkdir()
    for file in path.parent.glob("orders.duckdb*"):
        shutil.copy(file, folder / file.name)
    return folder / path.name


def test_a_process_lost_while_it_brings_a_file_up_to_date_leaves_the_file_as_it_was(tmp_path):
    """Invariant 1: nothing of it is there before its commit, all of it after."""
    path = stored(tmp_path / "here", "text")
    lost = []
    true = upgrade.rehash

    def losing(*arguments):
        lost.append(lose_the_world(path, tmp_path / f"lost-{len(lost)}"))
        yield from true(*arguments)

    duck = DuckDBHarness(path)
    with mock.patch.object(upgrade, "rehash", losing):
        duck.sink.open()
    try:
        lost.append(lose_the_world(path, tmp_path / "after"))
        before, after = [formats_of(one) for one in lost[:-1]], formats_of(lost[-1])
        assert before == [{3}] * 3
        assert after == {FORMAT}
        for one in lost:
            found = DuckDBHarness(one)
            assert found.live() == duck.live()
            assert found.building() == duck.building()
            found.close()
    finally:
        duck.close()


def test_a_file_that_cannot_be_brought_up_to_date_stays_as_it_was(tmp_path):
    path = stored(tmp_path, "text")
    duck = DuckDBHarness(path)
    try:
        failing = ["UPDATE headrace_rows SET headrace_hash = error('planted')"]
        with (
            mock.patch.object(upgrade, "rehash", return_value=failing),
            pytest.raises(AcceleratorError, match="planted"),
        ):
            duck.sink.open()
        duck.close()
        assert formats_of(path) == {3}
        duck.restart()
        assert len(duck.live()) == 3000 - len(range(0, 3000, 7))
    finally:
        duck.close()
