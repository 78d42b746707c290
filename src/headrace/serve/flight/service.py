"""Flight SQL's calls, answered from the running system.

What each command and action means: https://arrow.apache.org/docs/format/FlightSql.html. A descriptor whose command is
not a message of Flight SQL is the text of a statement, as Spice's own clients send it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pyarrow as pa
from pyarrow import flight

from headrace.access import Access
from headrace.errors import QueryError
from headrace.serve.flight import metadata
from headrace.serve.flight.authentication import Authentication, NoHandshake
from headrace.serve.flight.fault import Invalid, Unimplemented, told
from headrace.serve.flight.listing import tables
from headrace.serve.flight.messages import (
    ActionCancelQueryRequest,
    ActionCancelQueryResult,
    ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult,
    CommandPreparedStatementQuery,
    CommandStatementQuery,
    TicketStatementQuery,
    Unsupported,
    Value,
    cancel_result,
    cancelled_info,
    unwrap,
    wrap,
)
from headrace.serve.flight.parameters import schema_of
from headrace.serve.flight.statements import Statements
from headrace.serve.running import Running

_CANCELLED: Final = 1
"""``CANCEL_STATUS_CANCELLED`` of ``Flight.proto``."""

_ACTIONS: Final = {
    "CreatePreparedStatement": "Check a statement, and keep it for being run again and again.",
    "ClosePreparedStatement": "Forget a prepared statement.",
    "CancelFlightInfo": "End a statement that runs.",
    "CancelQuery": "As CancelFlightInfo, for older clients.",
}
_NO_TRANSACTIONS: Final = (
    "Headrace only reads, so that it has no transactions; each statement sees one state of its tables"
)
_ONLY_READS: Final = "Headrace only reads: what is written to DynamoDB changes its tables"


class Service(flight.FlightServerBase):  # type: ignore[misc] # pyarrow is untyped
    """Listens at ``location`` from its making on; the calls come on gRPC's threads."""

    def __init__(self, location: str, running: Running, access: Access) -> None:
        self._running = running
        self.statements = Statements(running)
        tls = access.tls
        super().__init__(
            location,
            auth_handler=NoHandshake(),
            tls_certificates=[] if tls is None else [(tls.certificate, tls.key.reveal())],
            middleware={"authentication": Authentication(access)},
        )

    def get_flight_info(self, _: Any, descriptor: Any) -> Any:
        """What there is to be fetched: its columns, and a ticket. Nothing runs."""
        with told():
            schema, ticket = self._told(descriptor)
            return _info(descriptor, schema, ticket)

    def get_schema(self, _: Any, descriptor: Any) -> Any:
        """The columns of what there is to be fetched."""
        with told():
            command = _command(descriptor)
            if isinstance(command, CommandPreparedStatementQuery):
                schema = self.statements.prepared(command.prepared_statement_handle).schema
            else:
                schema, _ticket = self._told(descriptor)
            return flight.SchemaResult(schema)

    def do_get(self, call: Any, ticket: Any) -> Any:
        """The rows."""
        with told():
            value = _unwrapped(ticket.ticket)
            if isinstance(value, TicketStatementQuery):
                # Not as a RecordBatchReader: that would make every error amid the rows one of Python's, with its traceback.
                return flight.GeneratorStream(*self.statements.rows(call, value.statement_handle))
            table = None if value is None else metadata.answer(value, self._running)
            if table is None:
                raise Invalid("this ticket is none of Headrace's; GetFlightInfo gives them")
            return flight.RecordBatchStream(table)

    def do_put(self, _: Any, descriptor: Any, reader: Any, __: Any) -> None:
        """Bind the parameters of a prepared statement."""
        with told():
            command = _command(descriptor)
            if not isinstance(command, CommandPreparedStatementQuery):
                raise Unimplemented(_ONLY_READS)
            batches = (chunk.data for chunk in reader)
            self.statements.bind(command.prepared_statement_handle, reader.schema, batches)

    def do_exchange(self, _: Any, __: Any, ___: Any, ____: Any) -> None:
        """Nothing of Flight SQL's."""
        with told():
            raise Unimplemented("DoExchange is not supported: GetFlightInfo and DoGet give rows")

    def do_action(self, _: Any, action: Any) -> list[bytes]:
        """Prepare, close, cancel."""
        with told():
            if action.type not in _ACTIONS:
                ends = "Transaction", "Savepoint"
                why = (
                    _NO_TRANSACTIONS if action.type.endswith(ends) else f"there is no action {action.type!r}"
                )
                raise Unimplemented(f"{why}; the actions are: {', '.join(_ACTIONS)}")
            body = action.body.to_pybytes()
            if action.type == "CancelFlightInfo":
                self._cancel(cancelled_info(body))
                return [cancel_result(_CANCELLED)]
            request = _unwrapped(body)
            if type(request).__name__ != f"Action{action.type}Request":
                raise Invalid(f"the body is not that of {action.type}")
            return self._acted(request)

    def list_actions(self, _: Any) -> list[tuple[str, str]]:
        """The actions, with what they do."""
        return list(_ACTIONS.items())

    def list_flights(self, _: Any, __: Any) -> Iterator[Any]:
        """Every table that may be queried now."""
        with told():
            found = []
            for table in tables(self._running):
                descriptor = flight.FlightDescriptor.for_path(table.catalog, table.schema, table.name)
                with suppress(QueryError):
                    found.append(_info(descriptor, *self._told(descriptor)))
            return iter(found)

    def _told(self, descriptor: Any) -> tuple[pa.Schema | None, bytes]:
        """The columns of what a descriptor stands for, and the ticket for it."""
        match _command(descriptor):
            case str() as sql:
                schema, statement = self.statements.told(sql)
            case CommandStatementQuery(query=sql, transaction_id=transaction):
                _expect_no_transaction(transaction)
                schema, statement = self.statements.told(sql)
            case CommandPreparedStatementQuery(prepared_statement_handle=handle):
                schema, statement = self.statements.told_of_prepared(handle)
            case command:
                schema = metadata.columns(command)
                if schema is None:
                    raise Invalid(f"{type(command).__name__} is not a command that gives rows")
                return schema, wrap(command)
        return schema, wrap(TicketStatementQuery(statement))

    def _acted(self, request: Value | None) -> list[bytes]:
        match request:
            case ActionCreatePreparedStatementRequest(query=sql, transaction_id=transaction):
                _expect_no_transaction(transaction)
                handle, statement = self.statements.prepare(sql)
                schema, parameters = statement.schema, schema_of(statement.parameters)
                return [wrap(ActionCreatePreparedStatementResult(handle, _ipc(schema), _ipc(parameters)))]
            case ActionClosePreparedStatementRequest(prepared_statement_handle=handle):
                self.statements.handles.drop(handle)
                return []
            case ActionCancelQueryRequest(info=info):
                self._cancel(info)
                return [wrap(ActionCancelQueryResult(_CANCELLED))]
            case _:
                raise AssertionError(f"no action takes {request!r}")

    def _cancel(self, info: bytes) -> None:
        try:
            endpoints = flight.FlightInfo.deserialize(info).endpoints
        except (pa.ArrowException, ValueError):
            raise Invalid("what is to be cancelled is not a FlightInfo") from None
        for endpoint in endpoints:
            value = _unwrapped(endpoint.ticket.ticket)
            if isinstance(value, TicketStatementQuery):
                self.statements.cancel(value.statement_handle)


def _info(descriptor: Any, schema: pa.Schema | None, ticket: bytes) -> Any:
    # No location: the rows are where the client has asked.
    return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(ticket, [])], -1, -1)


def _command(descriptor: Any) -> Value | str:
    """The message of Flight SQL in a descriptor, or the statement that it is otherwise."""
    if descriptor.descriptor_type == flight.DescriptorType.PATH:
        quoted = ('"' + part.decode(errors="replace").replace('"', '""') + '"' for part in descriptor.path)
        return f"SELECT * FROM {'.'.join(quoted)}"  # noqa: S608 - quoted, and checked as any statement
    command = descriptor.command or b""
    value = _unwrapped(command)
    if value is not None:
        return value
    try:
        return command.decode()
    except UnicodeDecodeError:
        raise Invalid("the command is neither a message of Flight SQL nor a statement in UTF-8") from None


def _unwrapped(data: bytes) -> Value | None:
    try:
        return unwrap(data)
    except Unsupported as error:
        name = str(error)
        why = f"; {_ONLY_READS}" if "Update" in name or "Ingest" in name else ""
        raise Unimplemented(f"{name} is not supported{why}") from None


def _expect_no_transaction(transaction: bytes | None) -> None:
    if transaction:
        raise Unimplemented(_NO_TRANSACTIONS)


def _ipc(schema: pa.Schema) -> bytes:
    encoded: bytes = schema.serialize().to_pybytes()
    return encoded
