"""Rows in a DynamoDB table: each is there, or it is said why not, whatever the service leaves undone."""

import msgspec
import pytest

from headrace.errors import RequestRejected, TableUnusable, Throttled, Unavailable
from headrace.row_table import Row
from headrace.simulator import Lose, Refuse, Unprocessed
from support.output_table import EVENT, Output, image, plain
from support.replication import Side

THROTTLE = Refuse("ProvisionedThroughputExceededException")


@pytest.fixture
def output():
    return Output()


@pytest.fixture
def opened(output):
    """Opens rows; all are closed at the end."""
    made = []

    def rows(**more):
        made.append(output.rows(**more))
        return made[-1]

    yield rows
    for each in made:
        each.close()


def items(count, **more):
    return [{"event_id": {"S": f"e{number:03}"}, "v": {"N": str(number)}, **more} for number in range(count)]


def writes(side, fault):
    """Have ``fault`` befall every BatchWriteItem."""
    side.faults = lambda operation, request: fault if operation == "BatchWriteItem" else None


def test_rows_are_put_replaced_deleted_and_read(output, opened):
    rows = opened()
    written = items(60)
    assert rows.write([output.row(item) for item in written]) == [None] * 60
    changed = {**written[0], "v": {"L": [{"NULL": True}]}}
    gone = Row(image({"event_id": {"S": "e001"}}), None)
    assert rows.write([output.row(changed), gone, output.row(written[2])]) == [None] * 3
    expected = [changed, *written[2:]]
    assert output.stored() == expected
    read = [plain(item) for page in rows.rows() for item in page]
    assert sorted(read, key=lambda item: item["event_id"]["S"]) == expected
    assert rows.write([]) == []


def test_a_key_of_two_attributes_of_any_type_names_rows():
    output = Output(key=(("p", "B"), ("s", "N")))
    rows = output.rows()
    pairs = [{"p": {"B": "AA=="}, "s": {"N": str(number)}} for number in range(30)]
    writes(output.side, Unprocessed(most=4))
    assert rows.write([output.row(item) for item in pairs]) == [None] * 30
    rows.close()
    assert len(output.stored()) == 30


def test_what_is_left_unprocessed_is_sent_again_for_as_long_as_it_gets_on(output, opened):
    writes(output.side, Unprocessed(most=1))
    assert opened().write([output.row(item) for item in items(75)]) == [None] * 75
    assert len(output.stored()) == 75
    assert output.side.asked.count("BatchWriteItem") == 75


def test_throttled_for_too_long_raises_and_the_next_time_all_is_written(output, opened):
    rows = opened()
    written = [output.row(item) for item in items(30)]
    writes(output.side, THROTTLE)
    with pytest.raises(Throttled):
        rows.write(written)
    assert 0 < sum(output.waits) <= 2 * 10
    writes(output.side, Lose(after_effect=True))
    with pytest.raises(Unavailable):
        rows.write(written)
    output.side.faults = None
    assert rows.write(written) == [None] * 30
    assert len(output.stored()) == 30


def test_of_a_refused_request_the_row_at_fault_is_found_and_the_others_are_written(output, opened):
    output.side.faults = lambda operation, request: (
        Refuse("ValidationException", "no such number") if b'"bad"' in msgspec.json.encode(request) else None
    )
    written = items(40)
    for number in (3, 4, 39):
        written[number]["v"] = {"S": "bad"}
    outcomes = opened().write([output.row(item) for item in written])
    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [3, 4, 39]
    assert all(isinstance(outcomes[number], RequestRejected) for number in (3, 4, 39))
    assert "no such number" in str(outcomes[3])
    assert len(output.stored()) == 37


def test_a_row_that_no_table_takes_is_not_sent(output, opened):
    large = {"event_id": {"S": "large"}, "v": {"S": "x" * 400 * 1024}}
    no_item = Row(image({"event_id": {"S": "none"}}), {"event_id": msgspec.Raw(b'{"S":"' + b"x" * 500_000)})
    outcomes = opened().write([*map(output.row, items(2)), output.row(large), no_item])
    assert outcomes[:2] == [None, None]
    assert "the row has 409,614 bytes, and an item of DynamoDB at most 409,600" in str(outcomes[2])
    assert "the row is no item" in str(outcomes[3])
    assert output.side.asked.count("BatchWriteItem") == 1
    assert output.stored() == items(2)


def test_rows_as_large_as_can_be_are_sent_in_requests_that_the_service_takes(output, opened):
    sizes = []
    output.side.faults = lambda operation, request: sizes.append(len(msgspec.json.encode(request)))
    # In JSON an escaped character takes six bytes, and weighs one.
    written = [output.row(item) for item in items(8, v={"S": "\x01" * 390_000})]
    assert opened().write(written) == [None] * 8
    # As full as it may be: none was refused and taken apart.
    assert 13 * 2**20 < max(sizes) <= 16 * 2**20
    assert len(output.stored()) == 8


def test_a_table_of_another_key_is_refused_with_the_command_that_makes_one(output, opened):
    rows = opened(key=(("group", "S"), ("at", "N")))
    with pytest.raises(
        TableUnusable,
        match=r"the key of table rows .* is event_id \(S\), and must be group \(S\) and at \(N\).*"
        r"AttributeName=group,AttributeType=S AttributeName=at,AttributeType=N "
        r"--key-schema AttributeName=group,KeyType=HASH AttributeName=at,KeyType=RANGE",
    ):
        rows.write([])
    with pytest.raises(TableUnusable, match=r"is event_id \(S\), and must be event_id \(N\)"):
        next(opened(key=(("event_id", "N"),)).rows())


def test_a_table_that_is_not_there_is_looked_at_again_each_time(output, opened):
    rows = opened()
    assert rows.write([output.row(item) for item in items(1)]) == [None]
    identity = rows.identity()
    assert rows.identity() == identity
    output.side.call("DeleteTable", TableName="rows")
    for _ in range(2):
        with pytest.raises(TableUnusable, match="does not exist"):
            rows.write([output.row(item) for item in items(1)])
    with pytest.raises(TableUnusable, match="or create it: `aws dynamodb create-table --table-name rows"):
        next(rows.rows())
    output.side.now += 1
    output.__post_init__()
    assert rows.identity() != identity
    assert rows.write([output.row(item) for item in items(1)]) == [None]


def test_the_table_that_is_read_is_never_written_to():
    rows = Output(name="orders", key=(("id", "S"),), side=Side(seed=1)).rows()
    with pytest.raises(TableUnusable, match="is the table that is read"):
        rows.write([])
    rows.close()


def test_a_table_that_is_closed_takes_no_rows(output, opened):
    rows = opened()
    rows.close()
    with pytest.raises(Unavailable, match="are being stopped"):
        rows.write([])
    with pytest.raises(Unavailable, match="are being stopped"):
        next(rows.rows())
    assert output.key == EVENT
