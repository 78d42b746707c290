import json

import pytest
from click.testing import CliRunner

from headrace.cli import main

INSERTED = {
    "eventName": "INSERT",
    "dynamodb": {"NewImage": {"status": {"S": "NEW"}, "total": {"N": "12"}}, "StreamViewType": "NEW_IMAGE"},
}
PAID = {"eventName": "MODIFY", "dynamodb": {"NewImage": {"status": {"S": "PAID"}, "total": {"N": "120"}}}}
EXPIRED = {
    "eventName": "REMOVE",
    "userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"},
    "dynamodb": {"ApproximateCreationDateTime": "2026-01-01T00:00:00+00:00"},
}
NEW = '{"dynamodb": {"NewImage": {"status": {"S": ["NEW"]}}}}'


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events.json"
    path.write_text(json.dumps({"Records": [INSERTED, PAID, EXPIRED]}))
    return path


def run(pattern, events, *arguments, stdin=None):
    return CliRunner().invoke(main, ["filter", "test", pattern, str(events), *arguments], input=stdin)


def test_each_record_is_told_with_the_first_field_that_fails(events):
    result = run(NEW, events)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{events}.Records[0]: passes",
        f'{events}.Records[1]: left out: dynamodb.NewImage.status.S does not match: it is "PAID"',
        f"{events}.Records[2]: left out: dynamodb.NewImage.status.S does not match: it is not there",
        "1 of 3 records pass",
    ]
    assert result.stderr == ""


def test_that_none_passes_is_an_exit_code_of_its_own(events):
    result = run('{"eventName": ["insert"]}', events)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "0 of 3 records pass"
    assert "warning: filters[0]: line 1, column 2: eventName: no event is called 'insert'" in result.stderr


def test_a_pattern_that_is_wrong_is_wrong_usage_with_its_place(events):
    result = run('{"eventName": "INSERT"}', events)
    assert result.exit_code == 2
    assert (
        "the pattern is wrong: filters[0]: line 1, column 15: eventName: a field takes an array"
        in result.stderr
    )


def test_a_pattern_may_be_in_a_file(events, tmp_path):
    (tmp_path / "pattern.json").write_text(NEW)
    assert run(f"@{tmp_path}/pattern.json", events).stdout.endswith("1 of 3 records pass\n")
    result = run(f"@{tmp_path}/none.json", events)
    assert result.exit_code == 2
    assert "the pattern cannot be read from" in result.stderr


def test_extended_patterns_are_tried_where_that_is_said(events):
    pattern = '{"new": {"total": [{"numeric": [">", 100]}]}}'
    assert run(pattern, events, "--extended").stdout.splitlines()[1:] == [
        f"{events}.Records[1]: passes",
        f"{events}.Records[2]: left out: new.total does not match: it is not there",
        "1 of 3 records pass",
    ]
    assert run(pattern, events).exit_code == 1


def test_records_of_get_records_are_tried_as_lambda_would_see_them(tmp_path):
    lines = tmp_path / "records.jsonl"
    lines.write_text("\n".join(json.dumps(record) for record in (PAID, EXPIRED)))
    pattern = {
        "userIdentity": {"type": ["Service"]},
        "dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 0]}]},
    }
    result = run(json.dumps(pattern), lines)
    assert result.stdout.splitlines() == [
        f"{lines}:1: left out: userIdentity.type does not match: it is not there",
        f"{lines}:2: passes",
        "1 of 2 records pass",
    ]


def test_standard_input_is_a_file_too(events):
    result = run(NEW, "-", stdin=json.dumps([INSERTED, PAID]))
    assert result.stdout.splitlines()[0] == "standard input[0]: passes"


def test_images_that_the_records_stream_does_not_have_are_warned_of(events):
    pattern = '{"dynamodb": {"OldImage": {"status": {"S": ["NEW"]}}}}'
    assert "records of a stream of NEW_IMAGE have no OldImage" in run(pattern, events).stderr


def test_programs_get_the_same_as_json(events):
    told = json.loads(run(NEW, events, "--format", "json").stdout)
    assert told["passed"] == 1
    assert told["warnings"] == []
    assert told["records"][1] == {
        "record": f"{events}.Records[1]",
        "passes": False,
        "reason": 'dynamodb.NewImage.status.S does not match: it is "PAID"',
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ('{"Records": 5}', "expected a list of records"),
        ("[5]", "expected an event or a record"),
    ],
)
def test_a_file_that_holds_no_records_is_told(tmp_path, content, message):
    path = tmp_path / "events.json"
    path.write_text(content)
    result = run(NEW, path)
    assert result.exit_code == 1
    assert message in result.stderr
    assert str(path) in result.stderr


def test_a_file_that_is_not_there_is_told(tmp_path):
    result = run(NEW, tmp_path / "none.json")
    assert (result.exit_code, "No such file" in result.stderr) == (1, True)
