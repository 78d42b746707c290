"""The context of an invocation, on a clock that the test moves."""

from __future__ import annotations

import pytest

from headrace.lambda_context import LambdaContext
from support.functions import ARN, SHARD, batch, change


def test_the_time_that_is_left_counts_down_to_none():
    now = [100.0]
    context = LambdaContext(deadline=102.5, clock=lambda: now[0])
    assert context.get_remaining_time_in_millis() == 2500
    now[0] = 102.4999
    assert context.get_remaining_time_in_millis() == 0
    now[0] = 200.0
    assert context.get_remaining_time_in_millis() == 0
    assert LambdaContext(clock=lambda: now[0]).get_remaining_time_in_millis() == 30_000


def test_a_records_key_is_that_of_its_batch():
    one = batch([change(7)])
    context = LambdaContext(shard=SHARD)
    assert context.idempotency_key(change(7)) == one.idempotency_key(one.records[0])
    assert LambdaContext(shard="other").idempotency_key(change(7)) != context.idempotency_key(change(7))
    assert context.idempotency_key(change(7)).startswith(ARN)


def test_what_is_no_record_has_no_key():
    with pytest.raises(TypeError, match="takes a record of the event"):
        LambdaContext().idempotency_key({"dynamodb": "change"})


def test_what_is_logged_is_written_as_it_is(capsys):
    LambdaContext().log("one")
    LambdaContext().log(2)
    assert capsys.readouterr().out == "one2"
