"""What a table of DynamoDB gives for conditions is what DuckDB makes of the same rows, and no less."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headrace.leaf import Fit
from headrace.mapping import ListType, Mapping, NumberType
from support.asked_items import conditions, items
from support.asked_tables import INDEXED, PLAIN, AskedTable, as_rows, duckdbs_rows

generous = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}

MAPPINGS = {
    "usual": Mapping(),
    "flat": Mapping(unnest_depth=1),
    "packed": Mapping(unnest_depth=0, list_type=ListType.TYPED),
    "floats": Mapping(number_type=NumberType.FLOAT),
    "decimals": Mapping(number_type=NumberType.DECIMAL),
    "frozen": Mapping(freeze=True, sample=100),
}


@pytest.fixture(scope="module")
def tables():
    return {"indexed": AskedTable(INDEXED), "plain": AskedTable(PLAIN)}


def expect_law(data, table, mapping, consistent):
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
    asked = tuple(data.draw(st.lists(conditions(reading.schema, weighed), max_size=3), label="conditions"))
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
    if {name for one in asked for name in names} <= set(whole):
        assert as_rows(duckdbs_rows(again, asked), whole) == needed


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("shape", ["indexed", "plain"])
@settings(max_examples=20, **generous)
@given(data=st.data())
def test_no_row_is_missing_and_exact_is_exact(tables, shape, mapping, data):
    consistent = data.draw(st.booleans())
    expect_law(data, tables[shape], MAPPINGS[mapping], consistent)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("shape", ["indexed", "plain"])
@settings(max_examples=500, **generous)
@given(data=st.data())
def test_no_row_is_missing_and_exact_is_exact_of_thousands(tables, shape, mapping, data):
    expect_law(data, tables[shape], MAPPINGS[mapping], data.draw(st.booleans()))
