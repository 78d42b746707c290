"""What a file is asked of rows: every row that a predicate lets through comes, and parts without one are not read."""

from __future__ import annotations

import pyarrow as pa
import pytest
import vortex
from hypothesis import given, settings

from headrace.accelerators.cayenne.condition import all_of, condition
from headrace.column_type import INT
from headrace.leaf import Comparison, Predicate, simple
from support.copies import schema_of
from support.leaf_questions import duckdbs_answer, questions
from support.vortex_files import Files


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("conditions"))


def compare(files, question):
    type_, held, predicate = question
    schema = schema_of(v=type_)
    # Runs of one value, so that what is stored is not only what is asked for.
    order = [place for place in range(len(held)) for _ in range(3)]
    values = pa.array(held, type_.arrow()).take(pa.array(order))
    rows = pa.Table.from_arrays([[str(place) for place in order], values], schema=schema.arrow())
    asked = condition(predicate, schema.column("v"), schema)
    if asked is None:
        return
    path = files.write(rows, schema)
    found = vortex.open(str(path)).scan(["c0"], expr=all_of([asked])).to_arrow().read_all()
    assert set(found.column(0).to_pylist()) >= duckdbs_answer(rows, predicate)


@settings(max_examples=100, deadline=None)
@given(questions().filter(lambda asked: simple(asked[2]) is not None))
def test_a_file_gives_every_row_that_a_predicate_lets_through(files, question):
    compare(files, question)


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=5000, deadline=None)
@given(questions().filter(lambda asked: simple(asked[2]) is not None))
def test_a_file_gives_every_row_of_thousands_of_predicates(files, question):
    compare(files, question)


def test_conditions_are_asked_of_what_is_stored():
    file = schema_of(n=INT)
    one = pa.scalar(1, pa.int64())
    assert condition(Predicate("n", Comparison.EQUAL, (one,)), file.column("n"), file) is not None
    many = Predicate("n", Comparison.IN, (one,) * 101)
    assert condition(many, file.column("n"), file) is None
    other = schema_of(m=INT)
    assert condition(Predicate("n", Comparison.EQUAL, (one,)), file.column("n"), other) is None
