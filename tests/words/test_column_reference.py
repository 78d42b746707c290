import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.column_reference import format_reference, is_there, parse_reference, referenced
from headrace.column_type import INT, TEXT
from headrace.schema import TableSchema

NAMES = st.lists(
    st.text('ab ",()\n☃.', min_size=1) | st.text(min_size=1), min_size=1, max_size=4, unique=True
)


@settings(deadline=None)
@given(NAMES)
def test_a_reference_is_read_back_as_it_was_written(names):
    assert parse_reference(format_reference(names)) == tuple(names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("id", ("id",)),
        (" ( id ) ", ("id",)),
        ("(id, version)", ("id", "version")),
        ("id,version", ("id", "version")),
        ("a b.c-d", ("a b.c-d",)),
        ('"service.instance.id"', ("service.instance.id",)),
        ('(time, " a,b ")', ("time", " a,b ")),
        ('"say ""so"""', ('say "so"',)),
    ],
)
def test_a_reference_names_columns_in_order(text, names):
    assert parse_reference(text) == names


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "lacks a name"),
        ("()", "lacks a name"),
        ("(id, )", "lacks a name"),
        ("id,,version", "lacks a name"),
        ("(id", "odd bracket"),
        ("id)", "odd bracket"),
        ("((id))", r"has '\(' where a name is expected"),
        ("a(b)c", r"needs double quotes around a name with '\('"),
        ('a"b', "needs double quotes around a name with '\"'"),
        ('"a', "a quote that is not closed"),
        ('""', "a quote that is not closed, or with nothing in it"),
        ("(id, id)", "names a column twice"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_cure(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        parse_reference(text)


def test_a_name_is_an_attributes_exactly_or_a_columns_in_any_capitals():
    keys = TableSchema.of_keys((("Id", "S"), ("id", "S")))
    schema = keys.including({("Status",): TEXT, ("b", "x"): INT})
    renamed = schema.column("Id").name
    assert renamed != "Id"
    found = {
        name: referenced(schema, name) for name in ("Id", "id", "ID", renamed.upper(), "STATUS", "B.x", "b")
    }
    attributes = [column.path[0] for column in schema.columns if len(column.path) == 1]
    columns = [column.name for column in schema.columns]
    for name, column in found.items():
        assert is_there(name, attributes, columns) is (column is not None)
    paths = {name: column and column.path for name, column in found.items()}
    assert paths == {
        "Id": ("Id",),
        "id": ("id",),
        "ID": ("id",),
        renamed.upper(): ("Id",),
        "STATUS": ("Status",),
        "B.x": ("b", "x"),
        "b": None,
    }
