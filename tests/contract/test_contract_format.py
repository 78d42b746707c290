"""Files of another Headrace: an older one's are brought up to date or refused, a newer one's are refused."""

from __future__ import annotations

import pytest

from headrace.column_type import INT
from headrace.errors import AcceleratorError
from support.copies import batch, create, schema_of, work
from support.engines import IN_FILES, harness_of

ORDERS = schema_of(n=INT)


@pytest.mark.parametrize("engine", IN_FILES)
def test_a_newer_format_is_refused_with_the_cure_and_left_alone(tmp_path, engine):
    harness = harness_of(engine, tmp_path)
    try:
        harness.sink.open()
        harness.sink.apply(create(1))
        harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
        ((format_,),) = harness.theirs("SELECT DISTINCT format FROM headrace_checkpoint")
        harness.theirs("UPDATE headrace_checkpoint SET format = 999")
        for _ in range(2):
            with pytest.raises(AcceleratorError, match=r"has format 999.*use the newer Headrace"):
                harness.sink.open()
        with pytest.raises(AcceleratorError):
            harness.sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 2})))
        harness.theirs(f"UPDATE headrace_checkpoint SET format = {format_}")
        assert list(harness.live()) == [("a",)]
    finally:
        harness.close()
