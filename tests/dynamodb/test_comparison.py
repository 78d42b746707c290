"""What a table of DynamoDB gives for conditions is what DuckDB makes of the same rows, and no less."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.asked_law import MAPPINGS, expect_law
from support.asked_tables import INDEXED, PLAIN, AskedTable

# Each example fills a table anew, so that to make one smaller takes minutes.
generous = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}


@pytest.fixture(scope="module")
def tables():
    return {"indexed": AskedTable(INDEXED), "plain": AskedTable(PLAIN)}


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("shape", ["indexed", "plain"])
@settings(max_examples=5, **generous)
@given(data=st.data())
def test_no_row_is_missing_and_exact_is_exact(tables, shape, mapping, data):
    consistent = data.draw(st.booleans())
    expect_law(data, tables[shape], MAPPINGS[mapping], consistent=consistent)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("shape", ["indexed", "plain"])
@settings(max_examples=500, **generous)
@given(data=st.data())
def test_no_row_is_missing_and_exact_is_exact_of_thousands(tables, shape, mapping, data):
    expect_law(data, tables[shape], MAPPINGS[mapping], consistent=data.draw(st.booleans()))
