"""A simulated DynamoDB as the plugin makes it, but without the plugin."""

from __future__ import annotations

import pytest

from headrace.testing.dynamodb import SimulatedDynamoDB


@pytest.fixture
def dynamodb():
    """Empty, its clock at the beginning of 2026."""
    return SimulatedDynamoDB()


@pytest.fixture
def orders(dynamodb):
    """With a table, whose items expire by ``expires``, and a writer of it."""
    dynamodb.create_table("orders", "id", time_to_live="expires")

    def put(identity, **attributes):
        dynamodb.call("PutItem", TableName="orders", Item={"id": {"S": identity}, **attributes})

    dynamodb.put = put
    return dynamodb
