"""Tables: made, described, changed and deleted.

Rules: DynamoDB API reference (CreateTable, DescribeTable, ListTables, UpdateTable, DeleteTable).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from headrace.simulator.agenda import Agenda
from headrace.simulator.answers import in_use, invalid, not_found, timestamp
from headrace.simulator.definitions import (
    check_definitions,
    indexes_of,
    key_schema,
    throughput_of,
    view_type_of,
)
from headrace.simulator.expiry import SERVICE_IDENTITY, TimeToLive, deletion_time, expiry_of
from headrace.simulator.history import History
from headrace.simulator.indexes import Index
from headrace.simulator.items import Item
from headrace.simulator.keys import RING, Key, KeySchema
from headrace.simulator.rows import Rows, StoredItem
from headrace.simulator.streams import Stream, Streams, key_schema_json

_LIST_LIMIT = 100


@dataclass(slots=True)
class Table:
    """One table with its items. ``stream`` is the latest, enabled or not.

    ``status`` is CREATING, ACTIVE, UPDATING or DELETING, as the API spells it.
    """

    name: str
    arn: str
    id: str
    schema: KeySchema
    created_at: float
    billing_mode: str
    throughput: dict[str, int]
    protected: bool
    status: str = "CREATING"
    rows: Rows = field(default_factory=Rows)
    history: History = field(default_factory=History)
    stream: Stream | None = None
    time_to_live: TimeToLive = field(default_factory=TimeToLive)
    indexes: tuple[Index, ...] = ()

    def check(self, attributes: Item) -> None:
        """Raise for an item whose attributes can be no key of an index."""
        for index in self.indexes:
            index.check(attributes)

    def index(self, name: str) -> Index:
        """The index of this name."""
        for index in self.indexes:
            if index.name == name:
                return index
        raise invalid(f"The table does not have the specified index: {name}")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the service takes, in seconds.

    ``table_seconds``: to create, change or delete a table, to enable or disable its stream or time to live.
    ``expiry_seconds``: the longest that an expired item may still be there.
    """

    table_seconds: float
    expiry_seconds: float


class Tables:
    """Every table of the account and region."""

    def __init__(
        self,
        region: str,
        account: str,
        seed: int,
        random: Random,
        streams: Streams,
        agenda: Agenda,
        pace: Pace,
    ) -> None:
        self._prefix = f"arn:aws:dynamodb:{region}:{account}:table/"
        self._seed = seed
        self._random = random
        self._streams = streams
        self._agenda = agenda
        self._pace = pace
        self._tables: dict[str, Table] = {}

    def get(self, name: str) -> Table:
        """The table that a data operation names, by name or ARN, if it can be read and written."""
        table = self.find(name)
        if table is None or table.status not in {"ACTIVE", "UPDATING"}:
            raise not_found("Requested resource not found")
        return table

    def get_described(self, name: str) -> Table:
        """The table that a table operation names, whatever its status."""
        table = self.find(name)
        if table is None:
            raise not_found(f"Requested resource not found: Table: {name} not found")
        return table

    def get_active(self, name: str) -> Table:
        """The table that is to be changed. Raises ResourceInUseException while another change goes on."""
        table = self.get_described(name)
        if table.status != "ACTIVE":
            deed = {"CREATING": "created", "UPDATING": "updated", "DELETING": "deleted"}[table.status]
            raise in_use(
                f"Attempt to change a resource which is still in use: Table is being {deed}: {table.name}"
            )
        return table

    def find(self, name: str) -> Table | None:
        """The table of this name or ARN."""
        return self._tables.get(name) or self._tables.get(name.removeprefix(self._prefix))

    def write(
        self,
        table: Table,
        old: StoredItem | None,
        new: StoredItem | None,
        keys: Item,
        now: float,
        identity: bytes = b"",
    ) -> None:
        """Replace ``old``, what the table holds for this key, by ``new``, and record it unless it is equal.

        ``identity`` is the record's userIdentity member, where it is not a client that writes.
        """
        if new is not None:
            if old is not None and _equal(old, new):
                return
            table.rows.put(new, old)
            table.history.note(new.key, old, now)
            if table.time_to_live.status == "ENABLED":
                self._schedule_expiry(table, new, now)
        elif old is not None:
            table.rows.remove(old)
            table.history.note(old.key, old, now)
        else:
            return
        for index in table.indexes:
            index.change(old, new)
        if table.stream is not None and table.stream.is_enabled:
            self._streams.record(table.stream, keys, old, new, now, identity)

    def create_table(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """CreateTable."""
        name = request["TableName"]
        schema = key_schema(request["KeySchema"], request["AttributeDefinitions"])
        indexes = indexes_of(request, schema)
        check_definitions(request["AttributeDefinitions"], [schema, *(index.schema for index in indexes)])
        mode, throughput = throughput_of(request)
        view_type = view_type_of(request.get("StreamSpecification"))
        if name in self._tables:
            raise in_use(f"Table already exists: {name}")
        table = Table(
            name,
            self._prefix + name,
            str(UUID(int=self._random.getrandbits(128), version=4)),
            schema,
            now,
            mode,
            throughput,
            request.get("DeletionProtectionEnabled", False),
            indexes=indexes,
        )
        if view_type is not None:
            table.stream = self._streams.enable(name, table.arn, schema, view_type, now)
        self._tables[name] = table
        self._agenda.after(self._pace.table_seconds, now, lambda due: self._settle(table, due))
        return {"TableDescription": self._description(table, now)}

    def describe_table(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """DescribeTable."""
        return {"Table": self._description(self.get_described(request["TableName"]), now)}

    def list_tables(self, request: dict[str, Any], _: float) -> dict[str, Any]:
        """ListTables."""
        after, limit = request.get("ExclusiveStartTableName", ""), request.get("Limit", _LIST_LIMIT)
        names = [name for name in sorted(self._tables) if name > after]
        answer: dict[str, Any] = {"TableNames": names[:limit]}
        if len(names) > limit:
            answer["LastEvaluatedTableName"] = names[limit - 1]
        return answer

    def update_table(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """UpdateTable: the stream, the billing mode, the throughput, the protection."""
        table = self.get_described(request["TableName"])
        if request.keys() <= {"TableName", "AttributeDefinitions"}:
            raise invalid(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
                "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"
            )
        if "AttributeDefinitions" in request:
            schemas = [table.schema, *(index.schema for index in table.indexes)]
            check_definitions(request["AttributeDefinitions"], schemas)
        billing = None
        if "BillingMode" in request or "ProvisionedThroughput" in request:
            billing = throughput_of({"BillingMode": table.billing_mode} | request)
        self.get_active(table.name)
        specification = request.get("StreamSpecification")
        if specification is not None:
            self._update_stream(table, specification, now)
        if billing is not None:
            table.billing_mode, table.throughput = billing
        table.protected = request.get("DeletionProtectionEnabled", table.protected)
        table.status = "UPDATING"
        self._agenda.after(self._pace.table_seconds, now, lambda due: self._settle(table, due))
        return {"TableDescription": self._description(table, now)}

    def delete_table(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """DeleteTable. Its stream is closed and stays readable for a day. Deleting it again is no error."""
        table = self.get_described(request["TableName"])
        if table.status != "DELETING":
            self._start_deletion(self.get_active(table.name), now)
        return {"TableDescription": self._description(table, now)}

    def change_time_to_live(self, table: Table, attribute: str | None, now: float) -> None:
        """Delete items by this attribute from now on; None: delete no more."""
        if attribute is None:
            table.time_to_live.status = "DISABLING"
        else:
            table.time_to_live = TimeToLive(attribute, "ENABLING")
        self._agenda.after(self._pace.table_seconds, now, lambda due: self._settle_time_to_live(table, due))

    def _start_deletion(self, table: Table, now: float) -> None:
        if table.protected:
            raise invalid(
                "Resource cannot be deleted as it is currently protected against deletion. "
                "Disable deletion protection first."
            )
        table.status = "DELETING"
        if table.stream is not None and table.stream.is_enabled:
            self._streams.disable(table.stream, now)
            self._streams.settle(table.stream, now)
        self._agenda.after(self._pace.table_seconds, now, lambda _: self._forget(table))

    def _forget(self, table: Table) -> None:
        del self._tables[table.name]

    def _settle(self, table: Table, now: float) -> None:
        """The table's change is done."""
        if table.status == "DELETING":
            return
        table.status = "ACTIVE"
        if table.stream is not None:
            self._streams.settle(table.stream, now)

    def _settle_time_to_live(self, table: Table, now: float) -> None:
        setting = table.time_to_live
        if setting.status == "DISABLING":
            setting.status = "DISABLED"
            return
        setting.status = "ENABLED"
        for item in table.rows.between(0, RING, None):
            self._schedule_expiry(table, item, now)

    def _schedule_expiry(self, table: Table, item: StoredItem, now: float) -> None:
        setting = table.time_to_live
        expiry = expiry_of(item, setting.attribute)
        if expiry is None:
            return
        # Seeded by what expires, so that no other item's writes change when this one goes.
        random = Random(f"{self._seed}/{table.id}/{item.key}/{expiry}")  # noqa: S311  # Reproducible is the point.
        due = deletion_time(expiry, now, self._pace.expiry_seconds, random)
        if due is not None:
            self._agenda.at(due, lambda due: self._expire(table, setting, item.key, expiry, due))

    def _expire(self, table: Table, setting: TimeToLive, key: Key, expiry: float, now: float) -> None:
        """Delete the item, unless it has another time by now, or its table no such setting."""
        item = table.rows.get(key)
        if item is None or setting is not table.time_to_live or setting.status != "ENABLED":
            return
        if self._tables.get(table.name) is table and expiry_of(item, setting.attribute) == expiry:
            keys = table.schema.attributes_of(item.attributes)
            self.write(table, item, None, keys, now, SERVICE_IDENTITY)

    def _update_stream(self, table: Table, specification: dict[str, Any], now: float) -> None:
        view_type = view_type_of(specification)
        enabled = table.stream is not None and table.stream.is_enabled
        if view_type is not None:
            if enabled:
                raise invalid(f"Table already has an enabled stream: TableName: {table.name}")
            table.stream = self._streams.enable(table.name, table.arn, table.schema, view_type, now)
        elif enabled and table.stream is not None:
            self._streams.disable(table.stream, now)
        else:
            raise invalid(f"Table is already having stream disabled: TableName: {table.name}")

    def _description(self, table: Table, now: float) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "TableName": table.name,
            "TableArn": table.arn,
            "TableId": table.id,
            "TableStatus": table.status,
            "CreationDateTime": timestamp(round(table.created_at, 3)),
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": kind}
                for name, kind in sorted(
                    {
                        (attribute.name, attribute.kind)
                        for schema in (table.schema, *(index.schema for index in table.indexes))
                        for attribute in schema.attributes
                    }
                )
            ],
            "KeySchema": key_schema_json(table.schema),
            "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, **table.throughput},
            "ItemCount": table.rows.count,
            "TableSizeBytes": table.rows.size,
            "DeletionProtectionEnabled": table.protected,
        }
        for index in table.indexes:
            member = "LocalSecondaryIndexes" if index.local else "GlobalSecondaryIndexes"
            answer.setdefault(member, []).append(_index_description(table, index))
        if table.billing_mode == "PAY_PER_REQUEST":
            answer["BillingModeSummary"] = {"BillingMode": table.billing_mode}
        stream = table.stream
        if stream is not None and self._streams.knows(stream.arn, now):
            answer |= {"LatestStreamArn": stream.arn, "LatestStreamLabel": stream.label}
            if stream.status in {"ENABLING", "ENABLED"}:
                answer["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream.view_type}
        return answer


def _index_description(table: Table, index: Index) -> dict[str, Any]:
    """As DescribeTable has it (API reference, GlobalSecondaryIndexDescription and LocalSecondaryIndexDescription)."""
    projection: dict[str, Any] = {"ProjectionType": index.projection}
    if index.included:
        projection["NonKeyAttributes"] = list(index.included)
    answer = {
        "IndexName": index.name,
        "KeySchema": key_schema_json(index.schema),
        "Projection": projection,
        "IndexSizeBytes": index.size,
        "ItemCount": index.count,
        "IndexArn": f"{table.arn}/index/{index.name}",
    }
    if index.local:
        return answer
    status = "ACTIVE" if table.status == "UPDATING" else table.status
    throughput = {"NumberOfDecreasesToday": 0, **index.throughput}
    return answer | {"IndexStatus": status, "ProvisionedThroughput": throughput}


def _equal(old: StoredItem, new: StoredItem) -> bool:
    """Whether a write changes nothing; attributes may come in another order."""
    if old.body == new.body:
        return True
    return len(old.body) == len(new.body) and old.attributes == new.attributes
