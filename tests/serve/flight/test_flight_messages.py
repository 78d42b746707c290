"""The encoding of Flight SQL's messages, against bytes written by hand and against itself."""

from contextlib import suppress
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.serve.flight.messages import (
    CommandGetTables,
    CommandGetXdbcTypeInfo,
    CommandStatementQuery,
    Damaged,
    Unsupported,
    Value,
    cancel_result,
    cancelled_info,
    unwrap,
    wrap,
)

ADDRESS = b"type.googleapis.com/arrow.flight.protocol.sql."


def any_of(name, body):
    """``google.protobuf.Any``, by https://protobuf.dev/programming-guides/encoding: fields 1 and 2, both of bytes."""
    address = ADDRESS + name
    return b"\x0a" + bytes([len(address)]) + address + b"\x12" + bytes([len(body)]) + body


@pytest.mark.parametrize(
    ("value", "name", "body"),
    [
        (CommandStatementQuery("SELECT 1"), b"CommandStatementQuery", b"\x0a\x08SELECT 1"),
        (CommandStatementQuery("", b""), b"CommandStatementQuery", b"\x12\x00"),
        (CommandGetTables(), b"CommandGetTables", b""),
        (
            CommandGetTables("", "a", None, ("T", "V"), include_schema=True),
            b"CommandGetTables",
            b"\x0a\x00\x12\x01a\x22\x01T\x22\x01V\x28\x01",
        ),
        (CommandGetXdbcTypeInfo(0), b"CommandGetXdbcTypeInfo", b"\x08\x00"),
        (CommandGetXdbcTypeInfo(None), b"CommandGetXdbcTypeInfo", b""),
        (CommandGetXdbcTypeInfo(-1), b"CommandGetXdbcTypeInfo", b"\x08" + b"\xff" * 9 + b"\x01"),
    ],
    ids=str,
)
def test_a_message_is_encoded_as_protocol_buffers_say(value, name, body):
    assert unwrap(any_of(name, body)) == value
    assert unwrap(wrap(value)) == value
    if body:
        assert wrap(value) == any_of(name, body)


DRAWN = {
    str: st.text(),
    bytes: st.binary(),
    bool: st.booleans(),
    int: st.integers(-(2**31), 2**31 - 1),
    str | None: st.none() | st.text(),
    bytes | None: st.none() | st.binary(),
    int | None: st.none() | st.integers(-(2**31), 2**31 - 1),
    tuple[str, ...]: st.lists(st.text()).map(tuple),
    tuple[int, ...]: st.lists(st.integers(0, 1000)).map(tuple),
}


@given(
    st.one_of(
        [
            st.builds(class_, **{name: DRAWN[hint] for name, hint in get_type_hints(class_).items()})
            for class_ in get_args(Value)
        ]
    )
)
def test_every_message_comes_back(value):
    assert unwrap(wrap(value)) == value


@pytest.mark.parametrize("text", ["", "SELECT 1", "\n\n  SELECT", "show tables", "-- ü", "\x0a\x01a"])
def test_a_statement_is_no_message(text):
    assert unwrap(text.encode()) is None


@given(st.sampled_from([*(class_.__name__ for class_ in get_args(Value)), "Other"]), st.binary(max_size=100))
def test_any_bytes_are_a_message_or_said_not_to_be(name, body):
    with suppress(Damaged, Unsupported):
        assert type(unwrap(any_of(name.encode(), body))).__name__ == name


def test_what_is_damaged_or_not_supported_is_named():
    with pytest.raises(Damaged, match="CommandGetTables is damaged"):
        unwrap(any_of(b"CommandGetTables", b"\x0a\x05a"))
    with pytest.raises(Unsupported, match="CommandStatementIngest"):
        unwrap(any_of(b"CommandStatementIngest", b""))


def test_the_messages_of_cancelling_are_those_of_flight_itself():
    assert cancelled_info(b"\x0a\x03abc") == b"abc"
    assert cancel_result(1) == b"\x08\x01"
    with pytest.raises(Damaged):
        cancelled_info(b"\x0a\x03a")
