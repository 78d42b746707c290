"""Exports of a copy in PostgreSQL, beside what holds for all engines."""

from __future__ import annotations

import json
import threading
from random import Random

import pyarrow.parquet as pq
import pytest

from headrace.accelerators.postgres import exporting
from headrace.column_type import INT, TEXT
from headrace.dataset import Index
from headrace.errors import AcceleratorError, SnapshotRefused
from headrace.schema import TableSchema
from support.copies import batch, checkpoint, create, dead, schema_of, work
from support.deadline import eventually
from support.engines.postgres import PostgresHarness

ORDERS = schema_of(n=INT)


@pytest.fixture
def copies():
    harnesses = []

    def make(**options):
        harnesses.append(PostgresHarness(**options))
        harnesses[-1].sink.open()
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.close()


def filled(copy):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1}, {"id": "b"})))
    return copy


def test_an_exported_copy_is_parquet_that_anybody_reads(copies):
    folder = filled(copies()).exported()
    assert pq.read_table(folder / "rows.parquet").to_pylist() == [{"id": "a", "n": 1}, {"id": "b", "n": None}]
    assert pq.ParquetFile(folder / "rows.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
    facts = json.loads((folder / "copy.json").read_text())
    assert (facts["engine"], facts["dataset"], facts["rows"]) == ("postgres", "orders", 2)


def test_a_change_of_columns_waits_for_no_export(copies, monkeypatch):
    """PostgreSQL lets no table be altered that is read: the export gives way, and the next try succeeds."""
    copy = filled(copies())
    copy.sink._session.connection.execute("SET lock_timeout = '50ms'")
    begun, ended = threading.Event(), []
    true = exporting._write_letters

    def write_letters(*given):
        begun.set()
        eventually(lambda: copy.sink._exports._forbidden, within=20, what="it is to give way")
        copy_ = true(*given)
        copy.sink._exports.expect_going()
        return copy_

    def export():
        try:
            copy.exported()
        except AcceleratorError as error:
            ended.append(str(error))

    monkeypatch.setattr(exporting, "_write_letters", write_letters)
    thread = threading.Thread(target=export)
    thread.start()
    assert begun.wait(20)
    wider = work(3, batch(schema_of(more=TEXT), {"id": "c", "more": "x"}))
    with pytest.raises(AcceleratorError, match="it is tried again"):
        copy.sink.apply(wider)
    copy.sink.apply(wider)
    thread.join()
    assert "its table is being changed" in ended[0]
    monkeypatch.undo()
    copy.exported()


@pytest.mark.parametrize("noted", [True, False])
def test_keys_too_long_for_an_index_are_found_after_a_restore(copies, noted):
    keys = TableSchema.of_keys((("id", "S"), ("s", "S")))
    dice = Random(1)
    long = {"id": dice.randbytes(1024).hex(), "s": dice.randbytes(512).hex()}
    here, there = copies(), copies()
    for mark, one in enumerate(({"id": "short", "s": ""}, long)):
        here.sink.apply(create(1, keys) if not mark else work(2))
        here.sink.apply(work(3, batch(keys, one), scanning=noted))
    there.sink.restore(here.exported())
    there.sink.open()
    there.sink.apply(work(4, batch(schema_of(keys, n=INT), {**long, "n": 7})))
    assert there.live()[long["id"], long["s"]]["n"] == 7
    assert there.sink.rows() == 2


def test_a_restored_table_has_the_indexes_that_the_spicepod_asks_for_here(copies):
    folder = filled(copies()).exported()
    there = copies(indexes=(Index(("n",)),))
    there.sink.restore(folder)
    with there.server.connect() as connection:
        found = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = 'orders'", [there.schema]
        ).fetchall()
    assert sorted("UNIQUE" in text for (text,) in found) == [False, True]


def test_rows_that_a_unique_index_forbids_are_not_restored_and_the_former_copy_stays(copies):
    here = filled(copies())
    here.sink.apply(work(3, batch(ORDERS, {"id": "c", "n": 1})))
    there = copies(indexes=(Index(("n",), unique=True),))
    there.sink.apply(create(5))
    with pytest.raises(AcceleratorError, match="unique index over n cannot be made"):
        there.sink.restore(here.exported())
    assert there.sink.open().live.checkpoint == checkpoint(5)


@pytest.mark.parametrize("name", ["rows.parquet", "letters.parquet"])
def test_a_file_that_is_damaged_anywhere_is_refused_in_the_middle_of_a_restore(copies, name):
    here, there = filled(copies()), filled(copies())
    dice = Random(1)
    texts = [dice.randbytes(40).hex() for _ in range(200)]
    here.sink.apply(work(3, batch(schema_of(text=TEXT), *({"id": text, "text": text} for text in texts))))
    here.sink.apply(work(4, dead=tuple(dead(text, number) for number, text in enumerate(texts, 100))))
    folder = here.exported()
    whole, refused = (folder / name).read_bytes(), 0
    for place in range(4, len(whole) - 8, len(whole) // 20):
        (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            there.sink.restore(folder)
        except SnapshotRefused:
            refused += 1
            assert there.sink.open().live.checkpoint == checkpoint(2)
        else:
            # What is damaged was of no account, as a statistic.
            assert there.live() == here.live()
            assert there.letters() == here.letters()
            filled(there)
    assert refused > 10
