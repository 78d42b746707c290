"""Time to live: who expires, when, and what the stream says of it."""

from __future__ import annotations

import pytest

DAY = 86_400.0
SERVICE = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


def switch(call, *, on=True, attribute="ends"):
    specification = {"Enabled": on, "AttributeName": attribute}
    return call("UpdateTimeToLive", TableName="orders", TimeToLiveSpecification=specification)


def refused_switch(call, *, on=True, attribute="ends"):
    specification = {"Enabled": on, "AttributeName": attribute}
    return call.refused("UpdateTimeToLive", TableName="orders", TimeToLiveSpecification=specification)


def status(call):
    return call("DescribeTimeToLive", TableName="orders")["TimeToLiveDescription"]


def at(call, seconds):
    return {"N": str(int(call.now + seconds))}


@pytest.fixture
def orders(call):
    call.arn = call.table(view="NEW_AND_OLD_IMAGES")
    switch(call)
    return call


def test_an_expired_item_is_deleted_a_little_later_by_the_service(orders):
    orders.put("a", ends=at(orders, 60))
    orders.now += 60
    assert orders.get("a") is not None, "an item is readable on the second of its expiry"
    orders.now += 11
    assert orders.get("a") is None
    record = orders.changes(orders.arn)[-1]
    assert record["eventName"] == "REMOVE"
    assert record["userIdentity"] == SERVICE
    assert "OldImage" in record["dynamodb"]
    assert 60 <= record["dynamodb"]["ApproximateCreationDateTime"] - int(orders.now - 71) <= 71


def test_a_clients_delete_names_no_service(orders):
    orders.put("a", ends=at(orders, 60))
    orders("DeleteItem", TableName="orders", Key={"id": {"S": "a"}})
    assert "userIdentity" not in orders.changes(orders.arn)[-1]
    orders.now += 100
    assert len(orders.changes(orders.arn)) == 2


@pytest.mark.parametrize(
    ("value", "expires"),
    [
        ({"N": "1700000001"}, True),
        ({"N": "1"}, False),  # more than five years ago
        ({"N": str(1_700_000_000 - 4 * 365 * 86_400)}, True),
        ({"S": "1700000001"}, False),
        ({"NS": ["1700000001"]}, False),
        ({"M": {"N": {"N": "1700000001"}}}, False),
        ({"N": "1E125"}, False),
    ],
)
def test_only_a_number_of_the_last_five_years_expires(orders, value, expires):
    orders.put("a", ends=value)
    orders.now += 100
    assert (orders.get("a") is None) == expires


def test_an_item_that_is_given_more_time_lives_on(orders):
    orders.put("a", ends=at(orders, 60))
    orders.put("b", ends=at(orders, 60))
    orders.put("a", ends=at(orders, 600))
    orders("UpdateItem", TableName="orders", Key={"id": {"S": "b"}}, UpdateExpression="REMOVE ends")
    orders.now += 100
    assert orders.get("a") is not None
    orders.now += 600
    assert orders.get("a") is None
    assert orders.get("b") is not None


def test_a_late_clock_deletes_in_the_order_of_time_and_says_when_it_was(orders):
    for number in range(20):
        orders.put(f"{number:02}", ends=at(orders, 1000 - 30 * number))
    start = orders.now
    orders.now += DAY / 2
    removed = [record["dynamodb"] for record in orders.changes(orders.arn)[20:]]
    assert [record["Keys"]["id"]["S"] for record in removed] == [f"{n:02}" for n in reversed(range(20))]
    delays = [
        record["ApproximateCreationDateTime"] - int(start + 1000 - 30 * int(record["Keys"]["id"]["S"]))
        for record in removed
    ]
    assert all(0 <= delay <= 11 for delay in delays)
    assert len(set(delays)) > 3, "the delays differ"


def test_items_written_before_it_was_switched_on_expire_too(call):
    call.table()
    call.put("a", ends=at(call, -10))
    call.now += 100
    assert call.get("a") is not None
    switch(call)
    call.now += 11
    assert call.get("a") is None


def test_switched_off_nothing_expires(orders):
    orders.put("a", ends=at(orders, 60))
    switch(orders, on=False)
    orders.now += 100
    assert orders.get("a") is not None
    switch(orders, attribute="other")
    orders.now += 100
    assert orders.get("a") is not None


def test_an_item_of_a_table_made_again_is_not_expired_by_the_old_ones_time(orders):
    orders.put("a", ends=at(orders, 60))
    orders("DeleteTable", TableName="orders")
    orders.table()
    orders.put("a", ends=at(orders, 60))
    orders.now += 100
    assert orders.get("a") is not None


def test_the_setting_is_described_and_changes_only_to_another(call):
    call.table()
    assert status(call) == {"TimeToLiveStatus": "DISABLED"}
    assert refused_switch(call, on=False) == "ValidationException: TimeToLive is already disabled"
    assert switch(call) == {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}}
    assert status(call) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ends"}
    assert refused_switch(call) == "ValidationException: TimeToLive is already enabled"
    assert refused_switch(call, attribute="x") == (
        "ValidationException: TimeToLive is active on a different AttributeName: current AttributeName is ends"
    )
    switch(call, on=False)
    assert status(call) == {"TimeToLiveStatus": "DISABLED"}
    for operation in ("DescribeTimeToLive", "UpdateTimeToLive"):
        specification = {"Enabled": True, "AttributeName": "ends"}
        more = {"TimeToLiveSpecification": specification} if operation.startswith("Update") else {}
        assert call.refused(operation, TableName="none", **more).startswith("ResourceNotFoundException")


def test_a_change_takes_its_time_and_bars_the_next(caller):
    call = caller(table_seconds=30)
    call.table()
    call.now += 30
    call.put("a", ends=at(call, -10))
    switch(call)
    assert status(call) == {"TimeToLiveStatus": "ENABLING", "AttributeName": "ends"}
    assert "modified multiple times within a fixed interval" in refused_switch(call, on=False)
    call.now += 30
    assert status(call)["TimeToLiveStatus"] == "ENABLED"
    assert call.get("a") is not None
    call.now += 10
    assert call.get("a") is None


def test_the_same_seed_deletes_at_the_same_times_and_another_at_others(caller):
    def times(seed):
        call = caller(seed=seed, expiry_seconds=1000)
        arn = call.table(view="KEYS_ONLY")
        switch(call)
        for name in "abcd":
            call.put(name, ends=at(call, 60))
        call.now += 2000
        return [record["dynamodb"]["ApproximateCreationDateTime"] for record in call.changes(arn)[4:]]

    assert times(1) == times(1)
    assert times(1) != times(2)


def test_delays_must_be_possible(caller):
    with pytest.raises(ValueError, match="expiry_seconds 0"):
        caller(expiry_seconds=0)
    with pytest.raises(ValueError, match="table_seconds is -1"):
        caller(table_seconds=-1)
