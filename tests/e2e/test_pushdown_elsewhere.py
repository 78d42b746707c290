"""What is asked of DynamoDB is asked of an implementation that is not ours, over HTTP: the same answers."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import botocore_transport
from support.asked_law import MAPPINGS, expect_law
from support.asked_tables import INDEXED, PLAIN, AskedTable
from support.ministack import Ministack

# Each example fills a table anew, so that to make one smaller takes minutes.
generous = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}


@pytest.fixture(scope="module")
def tables():
    with Ministack() as stand_in:
        keys = {"access_key_id": Secret("test"), "secret_access_key": Secret("test")}
        transport = botocore_transport(AwsAccess("us-east-1", stand_in.url, **keys))
        shapes = {"indexed": INDEXED, "plain": PLAIN}
        yield {name: AskedTable(shape, transport=transport, name=name) for name, shape in shapes.items()}


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("shape", ["indexed", "plain"])
@settings(max_examples=60, **generous)
@given(data=st.data())
def test_no_row_is_missing_and_exact_is_exact(tables, shape, mapping, data):
    # Its begins_with refuses items whose attribute is of another type (support.differences).
    consistent = data.draw(st.booleans())
    expect_law(data, tables[shape], MAPPINGS[mapping], consistent=consistent, prefixes=False)
