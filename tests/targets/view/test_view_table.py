"""A view in a DynamoDB table: what its key may be, what is refused, and what is left alone."""

from __future__ import annotations

import pytest

from headrace.dataset import AwsAccess
from headrace.errors import TableUnusable
from headrace.target import MaterializedView, OutputTable
from headrace.target_context import TargetContext
from headrace.targets.view import ViewTarget
from support.replication import Side

ACCESS = AwsAccess("us-east-1")


class World:
    """A table ``orders``, and a view of it in the table ``stats`` with the key ``key``."""

    def __init__(self, sql, key):
        self.side = Side(view="NEW_IMAGE")
        self.key = key
        self.create()
        context = TargetContext(
            "stats",
            "orders",
            ACCESS,
            self.side,
            lambda *_: self.side,
            lambda *_: None,
            observe=lambda _: None,
            clock=lambda: self.side.now,
        )
        self.target = ViewTarget(
            MaterializedView(sql, OutputTable("stats", ACCESS)), context, settle=0.0, pause=lambda _: None
        )

    def create(self):
        self.side.call(
            "CreateTable",
            TableName="stats",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": name, "KeyType": role}
                for (name, _), role in zip(self.key, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": tag} for name, tag in self.key],
        )

    def deliver(self):
        from headrace.batch import Batch

        return self.target.consume(Batch("stats", self.side.arn, "s", tuple(self.side.records())))

    def fill(self):
        self.target.begin_fill(1.0)
        self.target.fill(next(iter(self.target._source.scan(0, 1))))
        self.target.end_fill()

    def rows(self):
        found = self.side.call("Scan", TableName="stats")["Items"]
        return sorted(
            ({name: next(iter(value.values())) for name, value in row.items()} for row in found), key=str
        )


@pytest.fixture
def made():
    worlds = []

    def make(sql, *key):
        worlds.append(World(sql, key or (("category", "S"),)))
        return worlds[-1]

    yield make
    for world in worlds:
        world.target.close()


def test_rows_have_the_group_as_their_key(made):
    world = made("SELECT category, count(*) AS n FROM orders GROUP BY category")
    world.side.put("a", category="books")
    world.side.put("b", category="books")
    world.side.put("c", category="music")
    world.deliver()
    assert world.rows() == [{"category": "books", "n": "2"}, {"category": "music", "n": "1"}]
    world.side.delete("c")
    world.deliver()
    assert world.rows() == [{"category": "books", "n": "2"}]
    assert world.target.verify().is_equal


def test_a_group_that_cannot_be_a_key_is_reported_with_the_cure_and_others_go_on(made):
    world = made("SELECT category, count(*) AS n FROM orders GROUP BY category")
    world.side.put("a", category="books")
    world.side.put("b")
    world.side.put("c", category="")
    failures = world.deliver()["batchItemFailures"]
    assert [failure["itemIdentifier"] for failure in failures] == [
        record.sequence.text for record in world.side.records()[1:]
    ]
    assert (
        "category is NULL, and stats has it in its key, as a S that is not empty; write coalesce(category, ...)"
        in (failures[0]["error"])
    )
    assert world.rows() == [{"category": "books", "n": "1"}]
    world.side.delete("b")
    world.side.put("c", category="books")
    assert not world.deliver()["batchItemFailures"]
    assert world.rows() == [{"category": "books", "n": "2"}]


def test_a_constant_shares_the_table_with_others(made):
    world = made(
        "SELECT 'category' AS pk, category AS sk, count(*) AS n FROM orders GROUP BY category",
        ("pk", "S"),
        ("sk", "S"),
    )
    world.side.put("a", category="books")
    for pk in ("category", "other"):
        world.side.call("PutItem", TableName="stats", Item={"pk": {"S": pk}, "sk": {"S": "old"}})
    world.fill()
    assert world.rows() == [{"n": "1", "pk": "category", "sk": "books"}, {"pk": "other", "sk": "old"}]
    assert world.target.verify().is_equal


def test_a_row_of_all_items_has_a_constant_as_its_key(made):
    world = made("SELECT 'all' AS pk, count(*) AS n FROM orders", ("pk", "S"))
    world.deliver()
    assert world.rows() == [{"n": "0", "pk": "all"}]


def test_numbers_are_keys(made):
    world = made("SELECT length(name) AS size, count(*) AS n FROM orders GROUP BY 1", ("size", "N"))
    world.side.put("a", name="abc")
    world.fill()
    assert world.rows() == [{"n": "1", "size": "3"}]


def test_rows_that_are_items_have_the_key_of_the_table(made):
    world = made("SELECT upper(name) AS name FROM orders WHERE name <> 'no'", ("id", "S"))
    world.side.put("a", name="yes")
    world.side.put("b", name="no")
    world.deliver()
    assert world.rows() == [{"id": "a", "name": "YES"}]
    assert world.target.verify().is_equal


def test_a_table_that_was_made_anew_while_rows_come_gets_all_of_them(made):
    world = made("SELECT category, count(*) AS n FROM orders GROUP BY category")
    world.side.put("a", category="books")
    world.deliver()
    world.side.call("DeleteTable", TableName="stats")
    world.side.put("b", category="music")
    with pytest.raises(TableUnusable):
        world.deliver()
    world.create()
    world.deliver()
    assert world.rows() == [{"category": "books", "n": "1"}, {"category": "music", "n": "1"}]


def test_a_group_with_more_digits_than_a_key_takes_is_reported(made):
    world = made(
        "SELECT CAST(price AS DECIMAL(38, 0)) * CAST(price AS DECIMAL(38, 0)) AS square, count(*) AS n FROM orders GROUP BY 1",
        ("square", "N"),
    )
    for name, last in (("a", 1), ("b", 2)):
        world.side.put(name, price=f"1{'0' * 30}{last}")
    world.side.put("c", price="3")
    failures = world.deliver()["batchItemFailures"]
    assert len(failures) == 2
    assert "more digits than a key" in failures[0]["error"]
    assert world.rows() == [{"square": "9", "n": "1"}]
    world.fill()
    assert world.rows() == [{"square": "9", "n": "1"}]


@pytest.mark.parametrize(
    ("sql", "key", "words"),
    [
        (
            "SELECT category AS c, count(*) AS n FROM orders GROUP BY 1",
            ("category", "S"),
            "rename columns with AS",
        ),
        ("SELECT category, status, count(*) AS n FROM orders GROUP BY 1, 2", ("category", "S"), "all of it"),
        (
            "SELECT max(category) AS category FROM orders",
            ("category", "S"),
            "must be columns that are what stands in",
        ),
        ("SELECT name FROM orders", ("category", "S"), "create it with that key"),
    ],
)
def test_a_table_that_cannot_tell_the_rows_apart_is_refused(made, sql, key, words):
    with pytest.raises(TableUnusable, match=words):
        made(sql, key).deliver()
