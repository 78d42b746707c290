"""Whatever comes again, late, in parts or after a crash: the rows are the records, each once, each as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.attribute_values import values
from support.audited import Audit, expect_row
from support.replication import Crash

WRITES = st.tuples(
    st.sampled_from(("a", "b", "c")), st.dictionaries(st.sampled_from("xyz"), values, max_size=2) | st.none()
)
"""Which item, and what it becomes; None: nothing."""
STEPS = st.tuples(
    st.floats(0, 1),
    st.integers(1, 6),
    st.none() | st.tuples(st.integers(1, 3), st.booleans()),
    st.booleans(),
)
"""From where on records come, how many, at which request a crash, before or after its effect, whether the process begins anew."""

QUICK, THOROUGH = (
    settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    for examples in (25, 1000)
)


def law(writes, steps, conditional, keep):
    audit = Audit(conditional=conditional, keep=3600.0 if keep else None)
    try:
        for key, item in writes:
            if item is None:
                audit.source.delete(key)
            else:
                audit.source.simulator(
                    "PutItem",
                    json.dumps({"TableName": "orders", "Item": {"id": {"S": key}, **item}}).encode(),
                )
        records = audit.source.records()
        told = {record["eventID"]: record for record in (json.loads(each.text) for each in records)}
        for where, count, crash, anew in steps:
            first = round(where * len(records))
            if anew:
                audit.start()
            audit.output.crash_at(*(crash or (None, False)))
            try:
                audit.deliver(records[first : first + count])
            except Crash:
                audit.start()
            for id_, row in audit.rows().items():
                expect_row(row, told[id_])
        audit.output.crash_at(None, False)
        rows = audit.rows()
        audit.deliver(records)
        assert audit.rows().keys() == told.keys()
        for id_, row in audit.rows().items():
            expect_row(row, told[id_])
            assert row == rows.get(id_, row)
    finally:
        audit.stop()


DRAWN = {
    "writes": st.lists(WRITES, min_size=1, max_size=8),
    "steps": st.lists(STEPS, max_size=6),
    "conditional": st.booleans(),
    "keep": st.booleans(),
}


@QUICK
@given(**DRAWN)
def test_rows_are_the_records_whatever_comes_again(writes, steps, conditional, keep):
    law(writes, steps, conditional, keep)


@pytest.mark.long
@pytest.mark.timeout(900)
@THOROUGH
@given(**DRAWN)
def test_rows_are_the_records_in_many_ways(writes, steps, conditional, keep):
    law(writes, steps, conditional, keep)
