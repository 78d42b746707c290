"""A table with indexes in a DynamoDB, its items, and what statements over it are to be answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from headrace.dynamodb import ServedTable, TableLeaf
from headrace.dynamodb.decode import Decoder
from headrace.errors import LeafWidened
from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Predicate
from headrace.mapping import Mapping
from headrace.observe import TableAsked
from headrace.schema import TableSchema
from headrace.simulator import Simulator

Item = dict[str, dict[str, Any]]


def keys(*names: str) -> list[dict[str, str]]:
    """A KeySchema."""
    return [
        {"AttributeName": name, "KeyType": role} for name, role in zip(names, ("HASH", "RANGE"), strict=False)
    ]


def index(name: str, *key: str, included: Sequence[str] | None = None) -> dict[str, Any]:
    """An index that has all attributes, those of the keys alone (none ``included``), or some more."""
    projected: dict[str, Any] = {"ProjectionType": "ALL"}
    if included is not None:
        projected = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(included)} if included else {}
        projected = projected or {"ProjectionType": "KEYS_ONLY"}
    return {"IndexName": name, "KeySchema": keys(*key), "Projection": projected}


PLAIN = {"key": {"id": "S"}, "global_": [], "local": [], "kinds": {}}
INDEXED = {
    "key": {"id": "S", "at": "N"},
    "kinds": {"tag": "S", "n": "N", "seen": "S", "raw": "B"},
    "global_": [
        index("by-tag", "tag", "n"),
        index("by-n", "n", included=["tag", "text"]),
        index("by-tag-seen", "tag", "seen", included=[]),
    ],
    "local": [index("local-n", "id", "n"), index("local-raw", "id", "raw", included=[])],
}


class AskedTable:
    """A table ``orders`` of some shape, and leaves over it. ``asked`` are the requests that read, ``units`` what they took.

    ``ask`` sends a request to a DynamoDB that is empty; without it, to a simulator.
    """

    def __init__(
        self,
        shape: dict[str, Any] | None = None,
        *,
        transport: Callable[[str, bytes], Any] | None = None,
        faults: Callable[[str, Any], Any] = lambda *_: None,
        name: str = "orders",
    ) -> None:
        shape = INDEXED if shape is None else shape
        self.name = name
        self.shape = shape
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.facts: list[Any] = []
        self.faults = faults
        self.items: dict[str, Item] = {}
        self.transport = transport or Simulator(lambda: 1_700_000_000.0, faults=self._fault)
        kinds = shape["key"] | shape["kinds"]
        more = {"GlobalSecondaryIndexes": shape["global_"], "LocalSecondaryIndexes": shape["local"]}
        self(
            "CreateTable",
            TableName=name,
            KeySchema=keys(*shape["key"]),
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()
            ],
            BillingMode="PAY_PER_REQUEST",
            **{member: some for member, some in more.items() if some},
        )

    def __call__(self, operation: str, **request: Any) -> Any:
        answer = self.transport(operation, json.dumps(request).encode())
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def put(self, item: Item) -> None:
        """Store an item."""
        self("PutItem", TableName=self.name, Item=item)
        self.items[json.dumps([item[name] for name in self.shape["key"]])] = item

    def hold(self, items: Iterable[Item]) -> None:
        """Hold these items and no others."""
        for item in self.items.values():
            self("DeleteItem", TableName=self.name, Key={name: item[name] for name in self.shape["key"]})
        self.items.clear()
        for item in items:
            self.put(item)

    def leaf(self, mapping: Mapping | None = None, *, knowing: bool = False, **options: Any) -> TableLeaf:
        """A new leaf; a ``knowing`` one has seen all items."""
        self.served = ServedTable(self.transport, self.name, mapping=mapping or Mapping())
        leaf = TableLeaf(self.name, self.served, observe=self.facts.append, **options)
        if knowing:
            while True:
                reading = leaf.begin()
                try:
                    list(reading.scan(reading.schema.names, ()))
                except LeafWidened:
                    continue
                break
        self.forget()
        return leaf

    def forget(self) -> None:
        """Count from here."""
        self.asked.clear()
        self.facts.clear()

    @property
    def units(self) -> float:
        """Read units that statements have consumed."""
        return sum(fact.units for fact in self.facts if isinstance(fact, TableAsked))

    def rows(self, mapping: Mapping | None = None) -> pa.Table:
        """All items as one page is decoded, whose columns hold them all."""
        decoder = Decoder(TableSchema.of_keys(tuple(self.shape["key"].items())), mapping or Mapping())
        body = json.dumps({"Items": list(self.items.values())}).encode()
        if decoder.wants_sample:
            decoder.freeze([body])
        page = decoder.scan_page(body, at=0.0)
        if page.changes is None:
            return decoder.schema.arrow().empty_table()
        return pa.Table.from_batches([page.changes.rows])

    def _fault(self, operation: str, request: Any) -> Any:
        if operation in ("Query", "Scan", "BatchGetItem"):
            self.asked.append((operation, request))
        return self.faults(operation, request)


_SIGNS = {
    Comparison.EQUAL: "= ?",
    Comparison.NOT_EQUAL: "<> ?",
    Comparison.LESS: "< ?",
    Comparison.LESS_OR_EQUAL: "<= ?",
    Comparison.GREATER: "> ?",
    Comparison.GREATER_OR_EQUAL: ">= ?",
    Comparison.IS_NULL: "IS NULL",
    Comparison.IS_NOT_NULL: "IS NOT NULL",
}


def written(condition: Condition) -> tuple[str, list[pa.Scalar]]:
    """A condition as DuckDB's SQL, with ``?`` for its values."""
    match condition:
        case AllOf(conditions=inner) | AnyOf(conditions=inner):
            parts = [written(one) for one in inner]
            word = " AND " if isinstance(condition, AllOf) else " OR "
            return f"({word.join(text for text, _ in parts)})", [value for _, some in parts for value in some]
        case Predicate(column=column, comparison=comparison, values=values, field=field):
            place = ".".join('"{}"'.format(name.replace('"', '""')) for name in (column, *field))
            if comparison in (Comparison.IN, Comparison.NOT_IN):
                return f"{place} {comparison} ({', '.join('?' * len(values))})", list(values)
            if comparison in (Comparison.STARTS_WITH, Comparison.NOT_STARTS_WITH):
                never = "NOT " if comparison is Comparison.NOT_STARTS_WITH else ""
                return f"{never}starts_with({place}, ?)", list(values)
            return f"{place} {_SIGNS[comparison]}", list(values)


def duckdbs_rows(rows: pa.Table, conditions: Sequence[Condition]) -> pa.Table:
    """The rows that satisfy all conditions, as DuckDB has it over a table of its own."""
    asked = [written(condition) for condition in conditions]
    where = " AND ".join(text for text, _ in asked) or "true"
    values = [value for _, some in asked for value in some]
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("given", rows)
        # Over Arrow's own table, DuckDB would leave conditions to Arrow, which compares otherwise.
        database.execute("CREATE TABLE everything AS SELECT * FROM given")
        for number, value in enumerate(values):
            database.register(f"value_{number}_given", pa.table({"x": pa.array([value.as_py()], value.type)}))
            database.execute(f"CREATE TABLE value_{number} AS FROM value_{number}_given")
            where = where.replace("?", f"(SELECT x FROM value_{number})", 1)
        return database.execute(f"SELECT * FROM everything WHERE {where}").to_arrow_table()


def as_rows(table: pa.Table | Sequence[pa.RecordBatch], columns: Sequence[str]) -> list[str]:
    """Rows to compare, in no order."""
    found = (
        table.select(list(columns)).to_pylist()
        if isinstance(table, pa.Table)
        else [row for batch in table for row in batch.to_pylist()]
    )
    return sorted(repr({name: row[name] for name in columns}) for row in found)
