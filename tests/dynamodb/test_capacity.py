"""What answers say that they consumed, and pages that wait for it."""

import json

import pytest

from headrace.dynamodb import DynamoDBSource
from headrace.dynamodb.capacity import consumed
from headrace.errors import Unavailable
from headrace.read_budget import ReadBudget
from headrace.simulator import Simulator


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("body", "units"),
    [
        (b'{"Items":[],"ConsumedCapacity":{"TableName":"t","CapacityUnits":12.5}}', 12.5),
        (b'{"ConsumedCapacity":[{"TableName":"t","CapacityUnits":1},{"CapacityUnits":2.0}]}', 3),
        (b'{"Items":[]}', 0),
        (b'{"ConsumedCapacity":null}', 0),
        (b'{"ConsumedCapacity":"none"}', 0),
    ],
)
def test_an_answer_tells_what_it_consumed(body, units):
    assert consumed(body) == units


def test_an_answer_that_is_cut_off_is_asked_for_again():
    with pytest.raises(Unavailable):
        consumed(b'{"Items":[')


def test_pages_of_a_scan_say_how_long_the_next_one_must_wait():
    simulator = Simulator(lambda: 1_700_000_000.0)

    def ask(operation, **request):
        assert simulator(operation, json.dumps(request).encode()).status == 200

    ask(
        "CreateTable",
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(10):
        ask("PutItem", TableName="orders", Item={"id": {"S": str(number)}, "text": {"S": "x" * 4000}})
    clock = Clock()
    source = DynamoDBSource(simulator, "orders", followed=False, budget=ReadBudget(2, clock))
    source.describe()
    # Ten items of about 4 KB are ten units; two of them are there, the others are paid at two a second.
    assert source.scan_page(0, 1, None).pause == 4
    assert DynamoDBSource(simulator, "orders", followed=False).scan_page(0, 1, None).pause == 0
