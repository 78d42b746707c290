"""What a table of DynamoDB must give for any conditions on any items."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from headrace.dynamodb.bounds import targets_of
from headrace.leaf import Comparison, Fit, Predicate
from headrace.mapping import ListType, Mapping, NumberType
from support.asked_items import conditions, items
from support.asked_tables import INDEXED, AskedTable, as_rows, duckdbs_rows

SOUGHT = {"id": pa.scalar("a"), "tag": pa.scalar("a"), "n": pa.scalar(1, pa.int64()), "raw": pa.scalar(b"a")}
"""A value of each attribute that is the partition key of something."""

MAPPINGS = {
    "usual": Mapping(),
    "flat": Mapping(unnest_depth=1),
    "packed": Mapping(unnest_depth=0, list_type=ListType.TYPED),
    "floats": Mapping(number_type=NumberType.FLOAT),
    "decimals": Mapping(number_type=NumberType.DECIMAL),
    "frozen": Mapping(freeze=True, sample=100),
}


def expect_law(
    data: Any, table: AskedTable, mapping: Mapping, *, consistent: bool, prefixes: bool = True
) -> None:
    """No row is missing; where all conditions are exact, none is too many, and counts and limits are right."""
    table.hold(data.draw(items(indexed=table.shape is INDEXED), label="items"))
    segments = data.draw(st.sampled_from([1, 3]))
    leaf = table.leaf(mapping, knowing=True, consistent=consistent, segments=lambda *_: segments)
    everything = table.rows(mapping)
    reading = leaf.begin()
    assert dict(zip(reading.schema.names, reading.schema.types, strict=True)) == dict(
        zip(everything.schema.names, everything.schema.types, strict=True)
    )
    names = list(reading.schema.names)
    keys = [name for name in names if name in table.shape["key"] | table.shape["kinds"]]
    weighed = names + keys * 4
    asked = tuple(
        data.draw(
            st.lists(conditions(reading.schema, weighed, prefixes=prefixes), max_size=3), label="conditions"
        )
    )
    sought = data.draw(st.none() | st.sampled_from(sorted(SOUGHT)), label="sought")
    if sought is not None and sought in names and reading.schema.field(sought).type == SOUGHT[sought].type:
        asked = (Predicate(sought, Comparison.EQUAL, (SOUGHT[sought],)), *asked)
    columns = data.draw(st.just(names) | st.lists(st.sampled_from(names), unique=True), label="columns")
    limit = data.draw(st.none() | st.integers(0, 3), label="limit")
    exact = all(reading.fit(one) is Fit.EXACT for one in asked)
    told = reading.told(columns, asked, limit)
    wanted = duckdbs_rows(everything, asked)
    # What decides is whether a row is there; so its key is asked for, too.
    whole = list(dict.fromkeys([*columns, *table.shape["key"]]))
    found = list(reading.scan(whole, asked))
    needed = as_rows(wanted, whole)
    given_ = as_rows(found, whole)
    for row in needed:
        assert row in given_, (told, row)
    if exact:
        assert given_ == needed, told
        bare = sum(batch.num_rows for batch in reading.scan([], asked))
        assert bare == wanted.num_rows, told
        some = as_rows(list(reading.scan(whole, asked, limit)), whole)
        assert len(some) == min(len(needed), len(needed) if limit is None else limit)
        assert set(some) <= set(needed)
    # Of what comes, DuckDB makes the same.
    again = pa.Table.from_batches(found, pa.schema([everything.schema.field(name) for name in whole]))
    if {name for one in asked for name, _ in targets_of(one)} <= set(whole):
        assert as_rows(duckdbs_rows(again, asked), whole) == needed
