"""Who is measured decodes the right thing, and all the same."""

import json

import pytest

from answers import FULL, SHAPES, answers
from decode import CEILING, FIRST, HEADRACE, Figures, ceiling, from_boto3, show, verify, whole_boto3
from headrace.dynamodb.decode import Decoder
from headrace.schema import TableSchema

by_name = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


@pytest.fixture(scope="module")
def bodies():
    return {shape.name: answers(shape, 2) for shape in SHAPES}


@by_name
def test_answers_are_whole_compact_and_about_one_megabyte(shape, bodies):
    for body in bodies[shape.name]:
        answer = json.loads(body)
        assert 0.95 * FULL < len(body) <= FULL
        assert body == json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()
        assert answer["Count"] == answer["ScannedCount"] == len(answer["Items"])
        last = answer["Items"][-1]
        assert answer["LastEvaluatedKey"] == {name: last[name] for name, _ in shape.keys}


@by_name
def test_pages_follow_each_other_and_are_the_same_always(shape, bodies):
    (key, _), *_ = shape.keys
    items = [item for body in bodies[shape.name] for item in json.loads(body)["Items"]]
    assert len({item[key]["S"] for item in items}) == len(items)
    assert answers(shape, 2) == bodies[shape.name]


@by_name
def test_headrace_and_both_ways_of_boto3_read_the_same_values(shape, bodies):
    verify(Decoder(TableSchema.of_keys(shape.keys)), bodies[shape.name])
    for body in bodies[shape.name]:
        assert whole_boto3()(body) == from_boto3(body)


def test_a_value_that_differs_is_found(bodies):
    class Wrong(Decoder):
        def scan_page(self, body, *, at):
            return super().scan_page(body.replace(b'{"BOOL":true}', b'{"BOOL":false}', 1), at=at)

    with pytest.raises(RuntimeError, match="is False instead of True"):
        verify(Wrong(TableSchema.of_keys(SHAPES[0].keys)), bodies["flat"])


@by_name
def test_the_ceiling_splits_every_item_into_every_attribute(shape, bodies):
    split = ceiling(bodies[shape.name])
    for body in bodies[shape.name]:
        found, expected = split(body).Items, json.loads(body)["Items"]
        assert len(found) == len(expected)
        for one, item in zip(found, expected, strict=True):
            raws = [bytes(getattr(one, field)) for field in one.__struct_fields__]
            assert sorted(json.dumps(json.loads(raw)) for raw in raws if raw) == sorted(
                map(json.dumps, item.values())
            )


def test_the_table_says_rates_ratios_and_what_became_of_the_aims(capsys):
    seconds = {HEADRACE: 0.010, "boto3": 0.450, "boto3, whole": 0.9, CEILING: 0.003, FIRST: 0.020}
    show({"flat": Figures(2, 6000, 2 * 2**20, 3000, 2**20, seconds)}, 3)
    out = capsys.readouterr().out
    lines = {
        line.partition("  ")[0]: line.split()[-5:] for line in out.splitlines() if line.startswith("flat")
    }
    assert lines["flat: Headrace"] == ["5.00", "600,000", "200", "45.0x", "30%"]
    assert lines["flat: Headrace, first page"] == ["20.00", "150,000", "50", "11.2x", "8%"]
    assert "aim 40x of boto3, flat: 45.0x: reached" in out
    assert "aim 40% of the ceiling, flat: 30%: not reached" in out
