"""An audit trail of a simulated table, by hand, and what its rows must say."""

from __future__ import annotations

import json
import lzma
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from headrace.batch import Batch
from headrace.dataset import AwsAccess
from headrace.target import AuditTrail, OutputTable
from headrace.target_context import TargetContext
from headrace.targets.audit import AuditTarget
from headrace.targets.plain import plain
from support.json_patch import applied, exact, same
from support.output_table import EVENT, create, image
from support.replication import Side


@dataclass
class Audit:
    """A target from ``source`` to the table ``trail`` of ``output``, or to ``dataset``, where that is one."""

    source: Side = field(default_factory=lambda: Side(seed=1))
    output: Side = field(default_factory=lambda: Side("eu-west-1", seed=2))
    keep: float | None = None
    conditional: bool = False
    dataset: Any = None
    told: list[Any] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    target: Any = None

    def __post_init__(self):
        create(self.output, "trail", EVENT)
        self.start()

    def start(self):
        """A new process."""
        self.stop()
        table = OutputTable("trail", AwsAccess(region="eu-west-1")) if self.dataset is None else None
        self.target = AuditTarget(
            AuditTrail(table, self.keep, self.conditional),
            TargetContext(
                "trail",
                "orders",
                AwsAccess(region="us-east-1"),
                self.source,
                lambda _access, _table: self.output,
                lambda *_: None,
                self.told.append,
                dataset=None if self.dataset is None else lambda key: self.dataset,
            ),
            self.waits.append,
        )

    def stop(self):
        if self.target is not None:
            self.target.close()

    def batch(self, records, **more):
        return Batch("trail", self.source.arn, "shard", tuple(records), **more)

    def deliver(self, records=None, **more):
        return self.target.consume(self.batch(self.source.records() if records is None else records, **more))

    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows in the table by their records' ids."""
        found: dict[str, dict[str, Any]] = {}
        more: dict[str, Any] = {}
        while True:
            page = self.output.call("Scan", TableName="trail", ConsistentRead=True, **more)
            found |= {item["event_id"]["S"]: item for item in page["Items"]}
            if "LastEvaluatedKey" not in page:
                return found
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def expect_row(row: dict[str, Any], record: dict[str, Any]) -> None:
    """Fail unless a row of a table says what its record (as Lambda tells it) says, to the last value."""
    change = record["dynamodb"]
    identity = record.get("userIdentity") or {}
    said = {
        "event_id": record["eventID"],
        "event_name": record["eventName"],
        "sequence_number": change["SequenceNumber"],
        "view_type": change["StreamViewType"],
        "user_type": identity.get("type") or identity.get("Type"),
        "user_principal": identity.get("principalId") or identity.get("PrincipalId"),
    }
    for name, text in said.items():
        assert row.get(name, {}).get("S") == text, f"{name} of {row}"
    assert row["keys"] == {"M": change["Keys"]}
    if "encoding" in row:
        packed = json.loads(lzma.decompress(b64decode(row["record"]["B"])))
        assert packed["dynamodb"] == change
        assert packed["eventID"] == record["eventID"]
        assert not row.keys() & {"old_image", "new_image", "diff"}
        return
    for name, stored in (("old_image", change.get("OldImage")), ("new_image", change.get("NewImage"))):
        assert row.get(name) == (None if stored is None else {"M": stored})
    if "diff" in row:
        expect_diff(row["diff"]["S"], change.get("OldImage"), change.get("NewImage"))


def expect_diff(diff: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
    """Fail unless a patch makes one image of the other, as plain JSON, to the last digit."""
    before, after = (exact(plain(None if each is None else image(each))) for each in (old, new))
    assert same(applied(before, exact(diff)), after)
