"""Time to live: UpdateTimeToLive and DescribeTimeToLive.

Rules: DynamoDB API reference. A change takes time, and a further one meanwhile is refused.
"""

from __future__ import annotations

from typing import Any

from headrace.simulator.answers import invalid
from headrace.simulator.tables import Table, Tables


class TimesToLive:
    """The operations that say which attribute tells an item's end."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def update_time_to_live(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """UpdateTimeToLive. Items that have expired already are deleted in their turn."""
        table = self._tables.get_active(request["TableName"])
        specification = request["TimeToLiveSpecification"]
        _check(table, specification["Enabled"], specification["AttributeName"])
        self._tables.change_time_to_live(
            table, specification["AttributeName"] if specification["Enabled"] else None, now
        )
        return {"TimeToLiveSpecification": specification}

    def describe_time_to_live(self, request: dict[str, Any], _: float) -> dict[str, Any]:
        """DescribeTimeToLive."""
        setting = self._tables.get_described(request["TableName"]).time_to_live
        answer = {"TimeToLiveStatus": setting.status}
        if setting.status != "DISABLED":
            answer["AttributeName"] = setting.attribute
        return {"TimeToLiveDescription": answer}


def _check(table: Table, enabled: bool, attribute: str) -> None:  # noqa: FBT001  # As the request has it.
    setting = table.time_to_live
    if setting.status in {"ENABLING", "DISABLING"}:
        raise invalid("Time to live has been modified multiple times within a fixed interval")
    if setting.status == "ENABLED" and setting.attribute != attribute:
        raise invalid(
            f"TimeToLive is active on a different AttributeName: current AttributeName is {setting.attribute}"
        )
    if enabled == (setting.status == "ENABLED"):
        raise invalid(f"TimeToLive is already {'enabled' if enabled else 'disabled'}")
