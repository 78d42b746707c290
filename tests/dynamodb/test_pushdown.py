"""Each statement is answered by as few requests, and read units, as DynamoDB can answer it with."""

import threading
from math import ceil

import pyarrow as pa
import pytest

from headrace.dynamodb import asking, fetching, served_table
from headrace.dynamodb import leaf as leaves
from headrace.errors import LeafWidened, QueryError
from headrace.leaf import AllOf, AnyOf, Comparison, Fit, Predicate
from headrace.simulator.faults import Alter, Amend, Refuse
from headrace.simulator.items import canonical_item
from support.asked_tables import INDEXED, PLAIN, AskedTable, as_rows, duckdbs_rows
from support.deadline import eventually


def is_(column, comparison, *values, field=()):
    """A predicate; values are given the type that they look like."""
    return Predicate(column, Comparison(comparison), tuple(map(pa.scalar, values)), field)


@pytest.fixture(scope="module")
def table():
    """600 items in six partitions of a hundred, each of about 1 KB; half have a tag, a tenth a time."""
    table = AskedTable(INDEXED)
    for number in range(600):
        item = {"id": {"S": f"p{number % 6}"}, "at": {"N": str(number)}, "n": {"N": str(number // 60)}}
        item |= {"tag": {"S": f"t{number % 4}"}} if number % 2 else {}
        item |= {"seen": {"S": f"2024-01-{number % 28 + 1:02}T10:00:00Z"}} if number % 10 == 1 else {}
        table.put(item | {"text": {"S": f"{number:04}" * 230}, "ok": {"BOOL": number % 3 == 0}})
    return table


def size(table, wanted, attributes=None):
    """Bytes of the items that are ``wanted``, or of some of their attributes."""
    chosen = [item for item in table.items.values() if wanted(item)]
    if attributes is not None:
        chosen = [{name: item[name] for name in attributes if name in item} for item in chosen]
    return sum(canonical_item(item)[1] for item in chosen)


def units(some):
    return ceil(some / 4096) / 2


def partition(name):
    return lambda item: item["id"]["S"] == name


def at(item):
    return int(item["at"]["N"])


def tagged(name):
    return lambda item: item.get("tag", {}).get("S") == name


COLUMNS = ["id", "at", "n", "tag"]
PART = is_("id", "=", "p1")
CASES = {
    "a whole key": ([PART, is_("at", "=", 7)], COLUMNS, [("Query", None)], lambda t: 0.5),
    "whole keys": (
        [is_("id", "in", "p1", "p2"), is_("at", "in", 7, 8, 9)],
        COLUMNS,
        [("BatchGetItem", None)],
        lambda t: 3.0,
    ),
    "a partition": ([PART], COLUMNS, [("Query", None)], lambda t: units(size(t, partition("p1")))),
    "partitions": (
        [AnyOf((PART, is_("id", "=", "p2"), is_("id", "=", "none")))],
        COLUMNS,
        [("Query", None)] * 3,
        lambda t: units(size(t, partition("p1"))) + units(size(t, partition("p2"))) + 0.5,
    ),
    "a range of a partition": (
        [PART, is_("at", ">", 103), is_("at", "<", 199)],
        COLUMNS,
        [("Query", None)],
        lambda t: units(size(t, lambda item: partition("p1")(item) and 103 <= at(item) <= 199)),
    ),
    "a local index": (
        [PART, is_("n", "=", 3)],
        COLUMNS,
        [("Query", "local-n")],
        lambda t: units(size(t, lambda item: partition("p1")(item) and item["n"]["N"] == "3")),
    ),
    "a global index with a range": (
        [is_("tag", "=", "t1"), is_("n", ">", 7)],
        COLUMNS,
        [("Query", "by-tag")],
        lambda t: units(size(t, lambda item: tagged("t1")(item) and int(item["n"]["N"]) > 7)),
    ),
    "a global index that has little": (
        [is_("n", "=", 3)],
        ["id", "at", "tag"],
        [("Query", "by-n")],
        lambda t: units(size(t, lambda item: item["n"]["N"] == "3")),
    ),
    "no index that lacks items": ([is_("tag", "=", "t1")], COLUMNS, [("Scan", None)], None),
    "no index that lacks attributes": ([is_("n", "=", 3)], [*COLUMNS, "ok"], [("Scan", None)], None),
    "a filter": ([is_("ok", "=", True)], COLUMNS, [("Scan", None)], None),
    "a count": ([], [], [("Scan", None)], None),
    "a contradiction": ([PART, is_("id", "=", "p2")], COLUMNS, [], lambda t: 0.0),
    "an empty range": ([PART, is_("at", ">", 5), is_("at", "<", 5)], COLUMNS, [], lambda t: 0.0),
    "NULL and not": ([is_("ok", "=", True), is_("ok", "is null")], COLUMNS, [], lambda t: 0.0),
    "a range and NULL": ([is_("n", ">", 5), is_("n", "is null")], COLUMNS, [], lambda t: 0.0),
    "a key that no item has": ([is_("id", "=", "")], COLUMNS, [], lambda t: 0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_asked_is_the_least(table, case):
    conditions, columns, requests, least = CASES[case]
    reading = table.leaf(knowing=True).begin()
    found = list(reading.scan(columns, conditions))
    assert sorted((operation, body.get("IndexName")) for operation, body in table.asked) == sorted(
        requests, key=str
    )
    whole = units(size(table, lambda _: True))
    assert table.units == (whole if least is None else least(table))
    if columns:
        assert as_rows(found, columns) == as_rows(duckdbs_rows(table.rows(), conditions), columns)
    assert reading.told(columns, conditions, None)


def test_a_count_comes_without_items_and_a_projection_without_the_rest(table):
    reading = table.leaf(knowing=True).begin()
    assert sum(batch.num_rows for batch in reading.scan([], [])) == 600
    assert table.asked[0][1]["Select"] == "COUNT"
    table.forget()
    list(reading.scan(["n"], []))
    assert set(table.asked[0][1]["ExpressionAttributeNames"].values()) == {"id", "at", "n"}
    table.forget()
    list(reading.scan(reading.schema.names, []))
    assert "ProjectionExpression" not in table.asked[0][1]


@pytest.mark.parametrize("limit", [1, 5])
def test_a_limit_ends_the_reading(table, limit):
    reading = table.leaf(knowing=True).begin()
    found = list(reading.scan(COLUMNS, [], limit))
    assert sum(batch.num_rows for batch in found) == limit
    (asked,) = table.asked
    assert asked[1]["Limit"] == limit
    assert table.units == units(limit * 1000)
    table.forget()
    assert sum(batch.num_rows for batch in reading.scan([], [], limit)) == limit
    assert [(body["Select"], body["Limit"]) for _, body in table.asked] == [("COUNT", limit)]
    table.forget()
    (rows,) = list(reading.scan(COLUMNS, [is_("n", ">=", 0)], limit))
    assert rows.num_rows == limit
    assert [body["Limit"] for _, body in table.asked] == [25]


def test_a_small_limit_begins_one_segment_after_another():
    table = AskedTable(PLAIN)
    for number in range(100):
        table.put({"id": {"S": f"p{number}"}})
    reading = table.leaf(knowing=True, segments=lambda *_: 4).begin()
    assert sum(batch.num_rows for batch in reading.scan(["id"], [], 5)) == 5
    assert [(body["Segment"], body["Limit"]) for _, body in table.asked] == [(0, 5)]
    table.forget()
    assert sum(batch.num_rows for batch in reading.scan(["id"], [], 60)) == 60
    assert next(body["Segment"] for _, body in table.asked) == 0
    assert len(table.asked) < 4


def test_pages_grow_where_few_items_satisfy_the_filter(table):
    reading = table.leaf(knowing=True).begin()
    assert list(reading.scan(COLUMNS, [is_("at", "=", 599)], 1))
    assert [body.get("Limit") for _, body in table.asked][:2] == [25, 100]


def test_what_reads_consistently_uses_no_global_index(table):
    reading = table.leaf(knowing=True, consistent=True).begin()
    list(reading.scan(["id", "at", "tag"], [is_("n", "=", 3)]))
    assert [(operation, body["ConsistentRead"]) for operation, body in table.asked] == [("Scan", True)]
    table.forget()
    list(reading.scan(COLUMNS, [PART, is_("n", "=", 3)]))
    assert [(body.get("IndexName"), body["ConsistentRead"]) for _, body in table.asked] == [("local-n", True)]
    assert table.units == units(size(table, lambda item: partition("p1")(item) and item["n"]["N"] == "3")) * 2


def denied(*names):
    """Refuses operations, and Queries of indexes, by their names."""
    return lambda operation, request: (
        Refuse("AccessDeniedException") if {operation, request.get("IndexName")} & set(names) else None
    )


def test_without_permission_for_batches_and_indexes_the_table_is_asked(table):
    table.faults = denied("BatchGetItem", "by-n")
    reading = table.leaf(knowing=True).begin()
    keys = [is_("id", "in", "p1", "p2"), is_("at", "in", 7, 8)]
    assert sum(batch.num_rows for batch in reading.scan(COLUMNS, keys)) == 2
    assert [operation for operation, _ in table.asked] == ["BatchGetItem", *["Query"] * 4]
    table.forget()
    assert sum(batch.num_rows for batch in reading.scan(COLUMNS, keys)) == 2
    assert [operation for operation, _ in table.asked] == ["Query"] * 4
    table.forget()
    assert sum(batch.num_rows for batch in reading.scan(["id", "at", "tag"], [is_("n", "=", 3)])) == 60
    assert [(operation, body.get("IndexName")) for operation, body in table.asked] == [
        ("Query", "by-n"),
        ("Scan", None),
    ]
    table.faults = denied("Scan")
    with pytest.raises(QueryError, match="allow dynamodb:Scan"):
        list(reading.scan(COLUMNS, []))
    table.faults = lambda *_: None


def test_keys_that_a_batch_leaves_unprocessed_are_asked_for_again(table, monkeypatch):
    monkeypatch.setattr(served_table, "UNPROCESSED_PAUSE", 0.001)
    left = iter([3, 1, 0])

    def short(answer):
        count = next(left)
        items = answer["Responses"]["orders"]
        keep, back = items[: len(items) - count], items[len(items) - count :]
        keys = [{name: item[name] for name in ("id", "at")} for item in back]
        answer["Responses"]["orders"] = keep
        answer["UnprocessedKeys"] = {"orders": {"Keys": keys}} if keys else {}
        return answer

    reading = table.leaf(knowing=True).begin()
    table.faults = lambda operation, _: Alter(short) if operation == "BatchGetItem" else None
    found = list(reading.scan(["at"], [PART, is_("at", "in", 1, 7, 13, 19)]))
    table.faults = lambda *_: None
    assert sorted(value for batch in found for value in batch.column("at").to_pylist()) == [1, 7, 13, 19]
    assert [len(body["RequestItems"]["orders"]["Keys"]) for _, body in table.asked] == [4, 3, 1]


def test_conditions_that_one_expression_cannot_hold_are_carried_out_here(table):
    reading = table.leaf(knowing=True).begin()
    many = is_("n", "not in", *range(100, 100 + 900))
    few = is_("ok", "=", True)
    assert reading.fit(many) is Fit.EXACT
    found = sum(batch.num_rows for batch in reading.scan([], [AllOf((many, few)), is_("tag", "=", "t1")]))
    assert found == sum(1 for item in table.items.values() if item["ok"]["BOOL"] and tagged("t1")(item))
    text = table.asked[0][1]["FilterExpression"]
    assert len(text) < 4096
    assert "IN" not in text


def test_a_sparse_index_teaches_the_columns_that_a_sample_lacks():
    table = AskedTable(INDEXED)
    for number in range(300):
        table.put({"id": {"S": f"p{number}"}, "at": {"N": "1"}, "text": {"S": "x"}})
    # The last of the order of a Scan.
    last = table("Scan", TableName="orders")["Items"][-1]
    table.put({**last, "tag": {"S": "rare"}, "n": {"N": "1"}})
    reading = table.leaf().begin()
    assert {"tag", "n"} <= set(reading.schema.names)


def test_late_columns_are_told_and_known_by_the_next_reading(table):
    table = AskedTable(PLAIN)
    for number in range(200):
        table.put({"id": {"S": f"p{number}"}, "n": {"N": "1"}})
    last = table("Scan", TableName="orders")["Items"][-1]
    table.put({**last, "n": {"S": "one"}, "more": {"S": "x"}})
    leaf = table.leaf()
    reading = leaf.begin()
    assert reading.schema.names == ["id", "n"]
    # A number is asked for, and the item that has none there comes through: by its text it may be what is meant.
    with pytest.raises(LeafWidened):
        list(reading.scan(["id", "n"], [is_("n", "=", 5)]))
    again = leaf.begin()
    assert again.schema.field("n").type == pa.string()
    assert sum(batch.num_rows for batch in again.scan(["n"], [is_("n", "=", "one")])) == 1
    # All columns were asked for, so it taught all that it has.
    assert "more" in again.schema.names


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("10", [{"S": "10"}, {"N": "10"}]),
        ("0.5", [{"S": "0.5"}, {"N": "0.50"}]),
        ("1.0", [{"S": "1.0"}]),
        ("true", [{"S": "true"}, {"BOOL": True}, {"B": "true"}]),
        ("YQ==", [{"S": "YQ=="}, {"B": "YQ=="}]),
        ('["a"]', [{"S": '["a"]'}, {"L": [{"S": "a"}]}, {"SS": ["a"]}]),
        ("plain", [{"S": "plain"}]),
    ],
)
def test_a_text_is_found_in_whatever_type_it_is_written_so(text, alike):
    table = AskedTable(PLAIN)
    others = [{"S": "10 "}, {"N": "11"}, {"BOOL": False}, {"B": "YWE="}, {"L": []}, {"NULL": True}, {"S": ""}]
    for number, value in enumerate([*alike, *others]):
        table.put({"id": {"S": f"k{number}"}, "text": value})
    reading = table.leaf(knowing=True).begin()
    for condition in (is_("text", "=", text), is_("text", "in", text, "none"), is_("text", "<>", text)):
        wanted = as_rows(duckdbs_rows(table.rows(), [condition]), ["id", "text"])
        found = as_rows(list(reading.scan(["id", "text"], [condition])), ["id", "text"])
        exact = reading.fit(condition) is Fit.EXACT
        assert exact is (text[0] != "[")
        assert found == wanted if exact else set(wanted) <= set(found)
    assert len(duckdbs_rows(table.rows(), [is_("text", "=", text)])) == len(alike)


def test_a_member_that_is_written_otherwise_now_is_told():
    """Strings alone stay as they are; beside a number they are JSON, and quoted: one Arrow type, other texts."""
    table = AskedTable(PLAIN)
    table.put({"id": {"S": "a"}, "place": {"M": {"y": {"S": "p"}}}})
    leaf = table.leaf(knowing=True)
    reading = leaf.begin()
    table.put({"id": {"S": "b"}, "place": {"M": {"y": {"N": "5"}}}})
    with pytest.raises(LeafWidened):
        list(reading.scan(["place"], []))
    found = [row["place"]["y"] for batch in leaf.begin().scan(["place"], []) for row in batch.to_pylist()]
    assert sorted(found) == ['"p"', "5"]


def test_what_does_not_fit_its_column_is_not_counted():
    table = AskedTable(PLAIN)
    table.put({"id": {"S": "a"}, "n": {"N": "5"}})
    leaf = table.leaf(knowing=True)
    reading = leaf.begin()
    assert sum(batch.num_rows for batch in reading.scan([], [is_("n", "=", 5)])) == 1
    table.put({"id": {"S": "b"}, "n": {"S": "five"}})
    with pytest.raises(LeafWidened):
        list(reading.scan([], [is_("n", "=", 5)]))
    again = leaf.begin()
    table.forget()
    assert sum(batch.num_rows for batch in again.scan([], [is_("n", "=", "five")])) == 1
    assert table.asked[0][1]["Select"] == "COUNT"


@pytest.mark.parametrize(
    "condition",
    [
        is_("place", "=", 1, field=("x",)),
        is_("place", "<>", 1, field=("x",)),
        is_("place", ">", 1, field=("x",)),
        is_("place", "is null", field=("x",)),
        is_("place", "is not null", field=("x",)),
        AnyOf((is_("place", "in", 1, 2, field=("x",)), is_("n", "=", 7))),
    ],
    ids=str,
)
def test_what_is_no_map_comes_through_a_condition_on_a_field(condition):
    table = AskedTable(PLAIN)
    table.put({"id": {"S": "a"}, "n": {"N": "1"}, "place": {"M": {"x": {"N": "1"}}}})
    leaf = table.leaf(knowing=True)
    table.put({"id": {"S": "b"}, "n": {"N": "1"}, "place": {"NULL": True}})
    reading = leaf.begin()
    list(reading.scan(["id", "place"], [condition]))
    table.put({"id": {"S": "c"}, "n": {"N": "1"}, "place": {"S": "home"}})
    with pytest.raises(LeafWidened):
        list(reading.scan(["id", "place"], [condition]))


def test_an_attribute_that_is_new_is_noticed_where_all_columns_are_asked_for():
    table = AskedTable(PLAIN)
    table.put({"id": {"S": "a"}, "n": {"N": "1"}})
    leaf = table.leaf(knowing=True)
    table.put({"id": {"S": "b"}, "n": {"N": "2"}, "more": {"S": "x"}})
    reading = leaf.begin()
    assert sum(batch.num_rows for batch in reading.scan(["n"], [])) == 2
    with pytest.raises(LeafWidened):
        list(reading.scan(["id", "n"], []))
    assert leaf.begin().schema.names == ["id", "n", "more"]


def test_rows_that_nobody_takes_are_not_read_ahead_without_bound(monkeypatch):
    monkeypatch.setattr(fetching, "MOST_BUFFERED", 30_000)
    monkeypatch.setattr(leaves, "HELD_BYTES", 10_000)
    table = AskedTable(PLAIN)
    for number in range(400):
        table.put({"id": {"S": f"p{number}"}, "text": {"S": "x" * 1000}})
    table.faults = lambda operation, _: Amend({"Limit": 5}) if operation == "Scan" else None
    leaf = table.leaf(knowing=True, segments=lambda *_: 2)
    reading = leaf.begin()
    scan = reading.scan(["id", "text"], [])
    next(scan)
    eventually(lambda: len(table.asked) >= 8, within=10, what="the buffer is full")
    assert len(table.asked) < 20
    found = 5 + sum(batch.num_rows for batch in scan)
    assert found == 400


def test_a_scan_that_is_closed_early_asks_no_more(table):
    table.faults = lambda operation, _: Amend({"Limit": 5}) if operation == "Scan" else None
    before = threading.active_count()
    reading = table.leaf().begin()
    scan = reading.scan(["id"], [])
    next(scan)
    scan.close()
    eventually(lambda: threading.active_count() <= before, within=10, what="its threads have ended")
    table.faults = lambda *_: None


def test_a_table_that_was_made_anew_under_another_key_is_another_one(monkeypatch):
    monkeypatch.setattr(served_table, "KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(asking, "PATIENCE", 0.1)
    table = AskedTable(PLAIN)
    table.put({"id": {"S": "a"}, "n": {"N": "1"}})
    leaf = table.leaf(knowing=True)
    assert leaf.begin().schema.names == ["id", "n"]
    table("DeleteTable", TableName="orders")
    table(
        "CreateTable",
        TableName="orders",
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table("PutItem", TableName="orders", Item={"other": {"N": "5"}})
    assert leaf.begin().schema.names == ["other"]
