"""A reader of a dataset's folder that was written from docs/cayenne-format.md, and knows nothing of the engine."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import struct
from contextlib import closing
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pytest
import vortex
from hypothesis import strategies as st

from headrace.accelerator import Target
from headrace.accelerators.plain import plain_rows, widened_row
from headrace.accelerators.stored_schema import decode_schema
from headrace.column_type import INT, TEXT, map_of, struct_of
from headrace.schema import TableSchema
from support.copies import batch, create, schema_of, work
from support.engines.cayenne import CayenneHarness
from support.laws import hold
from support.lives import agree, few_members, works
from support.typed_values import number, times


class Snapshot:
    """One commit of a folder: `rows` by key of a copy, `entries` what files of keys give."""

    def __init__(self, folder, target):
        self.folder = folder
        address = f"{(folder / 'metastore.sqlite').as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            self.ask = connection.execute
            self.ask("BEGIN")
            assert self.ask("SELECT format FROM headrace_metastore").fetchall() == [(1,)]
            self.schemas = {
                n: decode_schema(text) for n, text in self.ask("SELECT number, columns FROM headrace_schema")
            }
            found = self.ask("SELECT schema FROM headrace_checkpoint WHERE target = ?", (target,)).fetchone()
            self.rows = {} if found is None else self._rows(target, decode_schema(found[0]))

    def _rows(self, target, schema):
        keys = [column.name for column in schema.keys]
        ((copy,),) = self.ask("SELECT number FROM headrace_copy WHERE target = ?", (target,)).fetchall()
        rows = {}
        for file, known, count, checks, statistics in self.ask(
            "SELECT number, schema, rows, json_array(size, checksum, keys_size, keys_checksum), statistics "
            "FROM headrace_file WHERE copy = ?",
            (copy,),
        ).fetchall():
            self._check_sums(file, json.loads(checks))
            dead = self._dead(file)
            held = self._of_file(file, self.schemas[known])
            assert len(held) == count
            self._check_keys(file, held, self.schemas[known])
            check_statistics(json.loads(statistics), held, self.schemas[known])
            for place, row in enumerate(held):
                if place not in dead:
                    wide = widened_row(row, self.schemas[known], schema)
                    key = tuple(wide[name] for name in keys)
                    assert key not in rows, "a key is there twice"
                    rows[key] = wide
        for known, written, removed in self.ask(
            "SELECT schema, written, removed FROM headrace_level0 WHERE copy = ? ORDER BY number", (copy,)
        ):
            old = self.schemas[known]
            for gone in stored(removed):
                row = widened_row(gone, TableSchema(old.keys), TableSchema(schema.keys))
                rows.pop(tuple(row.values()), None)
            for new in stored(written):
                row = widened_row(new, old, schema)
                rows[tuple(row[name] for name in keys)] = row
        return rows

    def _check_sums(self, file, sums):
        for suffix in ("vortex", "keys"):
            data = (self.folder / f"part-{file:08}.{suffix}").read_bytes()
            assert [len(data), hashlib.sha256(data).hexdigest()] == sums[:2]
            sums = sums[2:]

    def _dead(self, file):
        found = self.ask("SELECT positions FROM headrace_deletion WHERE file = ?", (file,))
        dead = [place for (blob,) in found for (place,) in struct.iter_unpack("<I", blob)]
        assert len(set(dead)) == len(dead)
        return set(dead)

    def _of_file(self, file, schema):
        table = vortex.open(str(self.folder / f"part-{file:08}.vortex")).to_arrow().read_all()
        arrow = schema.arrow()
        names = [f"c{place}" for place in range(len(arrow))]
        assert table.column_names == [*names, "headrace_row"]
        assert table["headrace_row"].to_pylist() == [file * 2**32 + place for place in range(table.num_rows)]
        columns = {}
        for name, field in zip(names, arrow, strict=True):
            values = table[name].to_pylist()
            columns[field.name] = [decoded(value, field.type) for value in values]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _check_keys(self, file, held, schema):
        """A key leads to its position, and nowhere too often."""
        data = (self.folder / f"part-{file:08}.keys").read_bytes()
        magic, rows, bits = struct.unpack_from("<8sII", data)
        assert (magic, rows, bits) == (b"HRKEYS01", len(held), (len(held) // 16).bit_length())
        starts = struct.unpack_from(f"<{2**bits + 1}I", data, 16)
        place = 16 + 4 * len(starts)
        fingerprints = data[place : place + rows]
        low = struct.unpack_from(f"<{rows}H", data, place + rows)
        high = data[place + 3 * rows :]
        assert len(high) == rows
        texts = []
        for position, row in enumerate(held):
            *first, last = (key_bytes(row[column.name]) for column in schema.keys)
            text = b"".join(struct.pack("<I", len(one)) + one for one in first) + last
            texts.append([row[column.name] for column in schema.keys])
            hash_ = struct.unpack(">I", hashlib.md5(text).digest()[:4])[0]
            bucket, fingerprint = hash_ >> 32 - bits, (hash_ >> 24 - bits) & 0xFF
            entries = range(starts[bucket], starts[bucket + 1])
            found = [high[one] << 16 | low[one] for one in entries if fingerprints[one] == fingerprint]
            assert position in found
        texts = [[one.encode() if isinstance(one, str) else one for one in key] for key in texts]
        assert texts == sorted(texts)


def stored(blob):
    if blob is None:
        return []
    with pa.ipc.open_stream(blob) as stream:
        return plain_rows(stream.read_all())


def decoded(value, type_):
    if value is None:
        return None
    if pa.types.is_list(type_):
        return [decoded(one, type_.value_type) for one in value]
    if pa.types.is_map(type_):
        return {one["key"]: decoded(one["value"], type_.item_type) for one in value}
    if pa.types.is_struct(type_):
        return {field.name: decoded(value[field.name], field.type) for field in type_}
    return value


def key_bytes(value):
    if isinstance(value, bytes):
        return value
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return (text.rstrip("0").rstrip(".") if "." in text and not isinstance(value, str) else text).encode()


def check_statistics(told, held, schema):
    for field in schema.arrow():
        if field.name not in told:
            continue
        low, high, nulls = told[field.name]
        values = [row[field.name] for row in held if row[field.name] is not None]
        assert nulls == len(held) - len(values)
        assert (low is None) == (not values)
        if pa.types.is_binary(field.type):
            low, high = (one if one is None else base64.b64decode(one) for one in (low, high))
        elif pa.types.is_decimal(field.type) or pa.types.is_floating(field.type):
            number_of = Decimal if pa.types.is_decimal(field.type) else float
            low, high = (one if one is None else number_of(one) for one in (low, high))
        assert all(low <= value and (high is None or value <= high) for value in values)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    harness = CayenneHarness(tmp_path_factory.mktemp("format") / "data")
    harness.sink.open()
    with few_members():
        yield harness
    harness.close()


def expect_alike(copy):
    for target, rows in ((Target.LIVE, copy.live()), (Target.BUILDING, copy.building())):
        assert Snapshot(copy.path.parent, target).rows == rows


def test_a_reader_of_the_document_finds_rows_of_all_forms_in_files_of_several_schemas(copy):
    inner = struct_of({"a": INT, "b": struct_of({"at": times("UTC", "2006-01-02T15:04:05Z07:00")})})
    keys = TableSchema.of_keys((("p", "B"), ("s", "N"))).including({("s",): number("0.25", key=True)})
    old = schema_of(keys, n=INT, deep=inner, m=map_of(struct_of({"x": TEXT})))
    new = schema_of(keys, n=TEXT, more=number("0.5"))
    rows = [
        {"p": bytes([n % 7]), "s": Decimal(f"{n}.25"), "n": n, "m": {"k": {"x": str(n)}}} for n in range(100)
    ]
    rows[3]["deep"] = {"a": 1, "b": {"at": 86_400_000}}
    rows[4]["deep"] = {"a": None, "b": None}
    copy.sink.apply(create(keys=keys))
    copy.sink.apply(work(1, batch(old, *rows)))
    copy.sink.upkeep.settle()
    keyed = [{"p": row["p"], "s": row["s"]} for row in rows]
    copy.sink.apply(work(2, batch(new, {**keyed[0], "n": "x", "more": 0.5}, keyed[1], deleted=[False, True])))
    any_upkeep(copy, iter([1]))
    copy.sink.apply(work(3, batch(old, rows[1], keyed[2], deleted=[False, True])))
    expect_alike(copy)
    copy.sink.upkeep.settle()
    expect_alike(copy)
    assert len(copy.live()) == 99


def any_upkeep(copy, choices):
    """Between works: nothing, a flush, or files of everything without a dead row; then what the document says."""
    choice = next(choices, 0)
    upkeep = copy.sink.upkeep
    if choice == 1:
        for state in tuple(copy.sink._table.copies.values()):
            upkeep._flush(state.number)
    elif choice == 2:
        upkeep.settle()
    expect_alike(copy)


def _agree(copy, plan, choices):
    agree(copy, plan, partial(any_upkeep, copy, iter(choices)))


LIFE = {"choices": st.lists(st.integers(0, 2), min_size=10, max_size=10)}


def test_any_life_with_upkeep_between_is_what_plain_dictionaries_say_to_sql_and_to_the_second_reader(copy):
    """Invariants 1, 4 and 5: whatever is flushed or compacted between two works, rows are the same."""
    hold(partial(_agree, copy), copy, examples=12, plan=works(copy.holding), **LIFE)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_any_of_five_hundred_lives_is_what_plain_dictionaries_say(copy):
    """Invariants 1, 4 and 5, at length."""
    hold(partial(_agree, copy), copy, examples=500, plan=works(copy.holding), **LIFE)
