"""The messages of Arrow Flight SQL, as values, and their Protocol Buffers encoding.

Each class has the name and the fields of the message that it is, in the order of their numbers, which are 1, 2,
3 and so on: https://arrow.apache.org/docs/format/FlightSql.html and ``FlightSql.proto``, which it quotes.
Importing this module takes some 30 ms for Google's library.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "arrow.flight.protocol.sql"
_ADDRESS: Final = f"type.googleapis.com/{_PACKAGE}."
"""What names a message of Flight SQL in a ``google.protobuf.Any``."""


class Damaged(ValueError):
    """Bytes are not the message that they are said to be."""


class Unsupported(ValueError):
    """A message of Flight SQL that this server has no use for; the text is its name."""


@dataclass(frozen=True, slots=True)
class CommandGetSqlInfo:
    """What the server is and can; ``info`` are the numbers that are asked for, none for all."""

    info: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandGetXdbcTypeInfo:
    """The types of values, or the one of that number in JDBC and ODBC."""

    data_type: int | None = None


@dataclass(frozen=True, slots=True)
class CommandGetCatalogs:
    """The catalogs."""


@dataclass(frozen=True, slots=True)
class CommandGetDbSchemas:
    """The schemas of a catalog, or of all."""

    catalog: str | None = None
    db_schema_filter_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class CommandGetTables:
    """The tables that every filter lets through, with their columns where ``include_schema``."""

    catalog: str | None = None
    db_schema_filter_pattern: str | None = None
    table_name_filter_pattern: str | None = None
    table_types: tuple[str, ...] = ()
    include_schema: bool = False


@dataclass(frozen=True, slots=True)
class CommandGetTableTypes:
    """The types of tables."""


@dataclass(frozen=True, slots=True)
class CommandGetPrimaryKeys:
    """The columns of a table's key."""

    catalog: str | None = None
    db_schema: str | None = None
    table: str = ""


@dataclass(frozen=True, slots=True)
class CommandGetExportedKeys:
    """The foreign keys that name a table."""

    catalog: str | None = None
    db_schema: str | None = None
    table: str = ""


@dataclass(frozen=True, slots=True)
class CommandGetImportedKeys:
    """The foreign keys of a table."""

    catalog: str | None = None
    db_schema: str | None = None
    table: str = ""


@dataclass(frozen=True, slots=True)
class CommandGetCrossReference:
    """The foreign keys of one table that name another."""

    pk_catalog: str | None = None
    pk_db_schema: str | None = None
    pk_table: str = ""
    fk_catalog: str | None = None
    fk_db_schema: str | None = None
    fk_table: str = ""


@dataclass(frozen=True, slots=True)
class CommandStatementQuery:
    """A statement that gives rows."""

    query: str = ""
    transaction_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class TicketStatementQuery:
    """What fetches the rows of a statement."""

    statement_handle: bytes = b""


@dataclass(frozen=True, slots=True)
class CommandPreparedStatementQuery:
    """A prepared statement: its parameters (DoPut), or its rows."""

    prepared_statement_handle: bytes = b""


@dataclass(frozen=True, slots=True)
class ActionCreatePreparedStatementRequest:
    """A statement to be prepared."""

    query: str = ""
    transaction_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class ActionCreatePreparedStatementResult:
    """A prepared statement; both schemas as Arrow's IPC writes them."""

    prepared_statement_handle: bytes = b""
    dataset_schema: bytes = b""
    parameter_schema: bytes = b""


@dataclass(frozen=True, slots=True)
class ActionClosePreparedStatementRequest:
    """A prepared statement that is not needed any more."""

    prepared_statement_handle: bytes = b""


@dataclass(frozen=True, slots=True)
class ActionCancelQueryRequest:
    """A statement to be ended: the FlightInfo that was told of it, serialized."""

    info: bytes = b""


@dataclass(frozen=True, slots=True)
class ActionCancelQueryResult:
    """What became of that: 1 cancelled, 3 it cannot be."""

    result: int = 0


Value = (
    CommandGetSqlInfo
    | CommandGetXdbcTypeInfo
    | CommandGetCatalogs
    | CommandGetDbSchemas
    | CommandGetTables
    | CommandGetTableTypes
    | CommandGetPrimaryKeys
    | CommandGetExportedKeys
    | CommandGetImportedKeys
    | CommandGetCrossReference
    | CommandStatementQuery
    | TicketStatementQuery
    | CommandPreparedStatementQuery
    | ActionCreatePreparedStatementRequest
    | ActionCreatePreparedStatementResult
    | ActionClosePreparedStatementRequest
    | ActionCancelQueryRequest
    | ActionCancelQueryResult
)
"""A message of Flight SQL."""

_CLASSES: Final = {class_.__name__: class_ for class_ in get_args(Value)}
_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_TYPES: Final = {
    str: _FIELD.TYPE_STRING,
    bytes: _FIELD.TYPE_BYTES,
    bool: _FIELD.TYPE_BOOL,
    int: _FIELD.TYPE_INT32,
}
_ANY: Final = "Any"
"""Has the shape of ``google.protobuf.Any``, and so its encoding."""


def unwrap(data: bytes) -> Value | None:
    """The message in ``data``, an encoded ``google.protobuf.Any``; None if that is not of Flight SQL.

    Raises Damaged, and Unsupported where this server has no use for it.
    """
    try:
        any_: Any = _message_class(_ANY).FromString(data)
        address, inside = any_.type_url, any_.value
    except DecodeError:
        return None
    if not address.startswith(_ADDRESS):
        return None
    name = address.removeprefix(_ADDRESS)
    class_ = _CLASSES.get(name)
    if class_ is None:
        raise Unsupported(name)
    try:
        message = _message_class(name).FromString(inside)
    except DecodeError:
        raise Damaged(f"{name} is damaged") from None
    return _value(class_, message)


def wrap(value: Value) -> bytes:
    """``value`` as an encoded ``google.protobuf.Any``."""
    name = type(value).__name__
    any_: Any = _message_class(_ANY)
    encoded: bytes = any_(
        type_url=_ADDRESS + name, value=_message(name, value).SerializeToString()
    ).SerializeToString()
    return encoded


def cancelled_info(body: bytes) -> bytes:
    """The serialized FlightInfo in the body of Flight's action CancelFlightInfo. Raises Damaged.

    ``CancelFlightInfoRequest`` of ``Flight.proto``: a message in field 1 is encoded as bytes are.
    """
    try:
        message: Any = _message_class("ActionCancelQueryRequest").FromString(body)
    except DecodeError:
        raise Damaged("CancelFlightInfoRequest is damaged") from None
    info: bytes = message.info
    return info


def cancel_result(status: int) -> bytes:
    """The encoded ``CancelFlightInfoResult`` of ``Flight.proto``, which has the shape of its older sister."""
    return _message("ActionCancelQueryResult", ActionCancelQueryResult(status)).SerializeToString()


def _value(class_: type[Value], message: Any) -> Value:
    given: dict[str, Any] = {}
    for field, (_, repeated, optional) in _shape(class_.__name__).items():
        if repeated:
            given[field] = tuple(getattr(message, field))
        elif not optional or message.HasField(field):
            given[field] = getattr(message, field)
    return class_(**given)


def _message(name: str, value: Value) -> Message:
    told = {field.name: getattr(value, field.name) for field in fields(value)}
    return _message_class(name)(**{key: one for key, one in told.items() if one is not None})


@cache
def _shape(name: str) -> dict[str, tuple[type, bool, bool]]:
    """Of each field of a message its type, whether it is repeated, and whether it may be absent."""
    return {field: _field_shape(hint) for field, hint in get_type_hints(_CLASSES[name]).items()}


def _field_shape(hint: Any) -> tuple[type, bool, bool]:
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True, False
    if get_origin(hint) in (types.UnionType, Union):
        return get_args(hint)[0], False, True
    return hint, False, False


@cache
def _message_class(name: str) -> type[Message]:
    # A pool of our own: another library of the process may have brought the same names into the default one.
    return GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="flight_sql", package=_PACKAGE, syntax="proto3")
    any_ = file.message_type.add(name=_ANY)
    any_.field.add(name="type_url", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    any_.field.add(name="value", number=2, type=_FIELD.TYPE_BYTES, label=_FIELD.LABEL_OPTIONAL)
    for name in _CLASSES:
        _describe(file.message_type.add(name=name), _shape(name))
    pool = DescriptorPool()
    pool.Add(file)
    return pool


def _describe(described: descriptor_pb2.DescriptorProto, shape: dict[str, tuple[type, bool, bool]]) -> None:
    for number, (field, (type_, repeated, optional)) in enumerate(shape.items(), 1):
        label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
        added = described.field.add(name=field, number=number, type=_TYPES[type_], label=label)
        if optional:
            added.proto3_optional = True
            added.oneof_index = len(described.oneof_decl)
            described.oneof_decl.add(name=f"_{field}")
