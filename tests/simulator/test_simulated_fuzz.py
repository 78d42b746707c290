"""Whatever is sent, the answer is one that AWS could give."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.simulator.requests import OPERATIONS

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 1001),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
_PLAUSIBLE = st.sampled_from(
    [
        *(
            "orders",
            "id",
            ":v",
            "#n",
            "id = :v",
            "SET n = :v",
            "S",
            "N",
            "1",
            "HASH",
            "RANGE",
            "COUNT",
            "ALL_OLD",
        ),
        *("AT_TIMESTAMP", "LATEST", "NEW_IMAGE", "PAY_PER_REQUEST", "shardId-00000001700000000250-00000000"),
        {"id": {"S": "a"}},
        {"id": {"S": "a"}, "n": {"N": "1E5"}, "l": {"L": [{"M": {"k": {"NULL": True}}}]}},
        {":v": {"S": "a"}},
        {"#n": "n"},
        [{"AttributeName": "id", "KeyType": "HASH"}],
        [{"AttributeName": "id", "AttributeType": "S"}],
        {"orders": [{"PutRequest": {"Item": {"id": {"S": "b"}}}}]},
        {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    ]
)
_JSON = st.one_of(
    _PLAUSIBLE,
    st.recursive(
        _SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("SNBLM"), inner, max_size=2)
        ),
        max_leaves=6,
    ),
)
_OPERATION = st.sampled_from(sorted(OPERATIONS))
_REQUESTS = _OPERATION.flatmap(
    lambda operation: st.tuples(
        st.just(operation),
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(sorted({*OPERATIONS[operation].members, "TableName", "Other"}), _JSON)
        ),
    )
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_REQUESTS, min_size=1, max_size=5))
def test_any_request_is_answered_or_refused(caller, requests):
    call = caller()
    call.table(view="NEW_AND_OLD_IMAGES")
    call.put("a", n={"N": "1"})
    for operation, request in requests:
        response = call.simulator(operation, json.dumps({"TableName": "orders"} | request).encode())
        answer = json.loads(response.body)
        assert response.status == 200 or (response.status == 400 and answer["__type"])


@pytest.mark.parametrize(
    "body",
    [
        b'{"TableName":"orders","Item":' + b'{"L":[' * 50_000,
        b'{"TableName":"orders","Item":{"a":' + b'{"L":[' * 50_000 + b"]}" * 50_000 + b"}}",
        b'{"TableName":"orders","Item":{"a":' + b'{"L":[' * 400 + b"]}" * 400 + b"}}",
        b'{"TableName":"\\ud800"}',
        b'{"TableName":"orders","Limit":1e999}',
        b'{"TableName":"orders","Limit":' + b"9" * 5000 + b"}",
    ],
)
def test_monstrous_json_is_refused(call, body):
    call.table()
    for operation in ("PutItem", "Scan"):
        assert call.simulator(operation, body).status == 400
