"""All or nothing: TransactWriteItems and TransactGetItems.

Rules: DynamoDB API reference (both operations, TransactionCanceledException), and the developer guide's "Amazon
DynamoDB Transactions: How it works". Requests are answered one after another, so that there is never a conflict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from headrace.simulator.answers import KeyRefusal, Refusal, encode, invalid
from headrace.simulator.capacity import read_units, write_units
from headrace.simulator.intents import Aim, parse_intent
from headrace.simulator.keys import Key
from headrace.simulator.reads import View, view_of
from headrace.simulator.rows import StoredItem
from headrace.simulator.tables import Table, Tables

MAX_BYTES = 4 * 1024 * 1024
TOKEN_SECONDS = 10 * 60.0
_KINDS = ("ConditionCheck", "Put", "Delete", "Update")
# Both phases of a transaction consume capacity: twice as much as the same call alone.
_PHASES = 2


@dataclass(frozen=True, slots=True)
class _Done:
    """A transaction that is done, as its token remembers it."""

    digest: bytes
    at: float
    sizes: tuple[tuple[str, int], ...]


class Transactions:
    """The operations on many items at once that other requests see wholly or not at all."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._tokens: dict[str, _Done] = {}

    def transact_write_items(self, request: dict[str, Any], now: float) -> bytes:
        """TransactWriteItems. The same token within ten minutes does nothing again."""
        named = [_only(item, number) for number, item in enumerate(request["TransactItems"], 1)]
        intents = [parse_intent(kind, action) for kind, action in named]
        token = request.get("ClientRequestToken")
        digest = _digest(request)
        done = self._remembered(token, digest, now)
        if done is not None:
            return encode(_capacity(request, done.sizes, "Read"))
        tables = [self._tables.get(intent.request["TableName"]) for intent in intents]
        aims: list[Aim | Refusal] = []
        for intent, table in zip(intents, tables, strict=True):
            try:
                aims.append(intent.aim(table))
            except KeyRefusal as refusal:
                aims.append(refusal)
        aimed = [aim for aim in aims if isinstance(aim, Aim)]
        _check_distinct([(aim.table, aim.key) for aim in aimed])
        _raise_if_cancelled([aim if isinstance(aim, Refusal) else None for aim in aims])
        olds = [aim.table.rows.get(aim.key) for aim in aimed]
        outcomes = [_outcome(aim, old) for aim, old in zip(aimed, olds, strict=True)]
        _raise_if_cancelled([outcome if isinstance(outcome, Refusal) else None for outcome in outcomes])
        news = [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]
        sizes = tuple(
            (aim.table.name, max(_size(old), _size(new)))
            for aim, old, new in zip(aimed, olds, news, strict=True)
        )
        _check_size(sizes)
        for aim, old, new in zip(aimed, olds, news, strict=True):
            if aim.intent.kind != "ConditionCheck":
                self._tables.write(aim.table, old, new, aim.keys, now)
        if token is not None:
            self._tokens[token] = _Done(digest, now, sizes)
        return encode(_capacity(request, sizes, "Write"))

    def transact_get_items(self, request: dict[str, Any], _: float) -> bytes:
        """TransactGetItems: one answer for each Get, in order; an empty one where there is no item."""
        gets = [item["Get"] for item in request["TransactItems"]]
        views = [view_of(get) for get in gets]
        tables = [self._tables.get(get["TableName"]) for get in gets]
        keys: list[Key | Refusal] = []
        for get, table in zip(gets, tables, strict=True):
            try:
                keys.append(table.schema.of_request(get["Key"])[0])
            except KeyRefusal as refusal:
                keys.append(refusal)
        _raise_if_cancelled([key if isinstance(key, Refusal) else None for key in keys])
        wanted = [
            (table, key) for table, key in zip(tables, keys, strict=True) if not isinstance(key, Refusal)
        ]
        _check_distinct(wanted)
        items = [table.rows.get(key) for table, key in wanted]
        sizes = tuple((table.name, _size(item)) for (table, _), item in zip(wanted, items, strict=True))
        _check_size(sizes)
        answers = [_got(view, item) for view, item in zip(views, items, strict=True)]
        return encode({"Responses": answers, **_capacity(request, sizes, "Read")})

    def _remembered(self, token: str | None, digest: bytes, now: float) -> _Done | None:
        """The transaction of this token, if it was done lately. Raises if another one was."""
        for old in [name for name, done in self._tokens.items() if done.at + TOKEN_SECONDS < now]:
            del self._tokens[old]
        done = None if token is None else self._tokens.get(token)
        if done is not None and done.digest != digest:
            raise Refusal(
                "IdempotentParameterMismatchException",
                "Request token already in use for another request with a different payload",
            )
        return done


def _only(item: dict[str, Any], number: int) -> tuple[str, dict[str, Any]]:
    """The one action that a TransactWriteItem holds, with its kind."""
    kinds = [kind for kind in _KINDS if kind in item]
    if len(kinds) > 1:
        raise invalid(
            "TransactItems can only contain one of Check, Put, Update or Delete: "
            f"item {number} holds {' and '.join(kinds)}"
        )
    if not kinds:
        raise invalid(
            "1 validation error detected: Value '' at 'transactItems' failed to satisfy constraint: "
            "TransactWriteRequest should contain Delete or Put or Update or ConditionCheck"
        )
    return kinds[0], item[kinds[0]]


def _outcome(aim: Aim, old: StoredItem | None) -> StoredItem | Refusal | None:
    try:
        aim.check(old)
        return aim.outcome(old)
    except Refusal as refusal:
        return refusal


def _raise_if_cancelled(faults: Sequence[Refusal | None]) -> None:
    """Cancel the transaction if there is any fault, with a reason for each action."""
    if not any(faults):
        return
    reasons = [_reason(fault) for fault in faults]
    raise Refusal(
        "TransactionCanceledException",
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        f"[{', '.join(reason['Code'] for reason in reasons)}]",
        extra={"CancellationReasons": reasons},
    )


def _reason(fault: Refusal | None) -> dict[str, Any]:
    if fault is None:
        return {"Code": "None"}
    if fault.code != "ConditionalCheckFailedException":
        return {"Code": "ValidationError", "Message": str(fault)}
    return {"Code": "ConditionalCheckFailed", "Message": str(fault), **fault.extra}


def _check_distinct(targets: Sequence[tuple[Table, Key]]) -> None:
    if len({(table.name, key) for table, key in targets}) < len(targets):
        raise invalid("Transaction request cannot include multiple operations on one item")


def _check_size(sizes: Sequence[tuple[str, int]]) -> None:
    total = sum(size for _, size in sizes)
    if total > MAX_BYTES:
        raise invalid(
            f"The aggregate size of the items in the transaction is {total} bytes, more than the {MAX_BYTES} "
            "that a transaction may have"
        )


def _got(view: View, item: StoredItem | None) -> dict[str, Any]:
    body = None if item is None else view.of(item)
    # AWS leaves the member out where the projection finds nothing.
    return {} if body is None or body == b"{}" else {"Item": msgspec.Raw(body)}


def _size(item: StoredItem | None) -> int:
    return 0 if item is None else item.size


def _digest(request: dict[str, Any]) -> bytes:
    """Equal for equal requests, whatever their token and the order of their members."""
    plain = {name: value for name, value in request.items() if name != "ClientRequestToken"}
    return blake2b(msgspec.json.encode(plain, order="deterministic"), digest_size=16).digest()


def _capacity(request: dict[str, Any], sizes: Sequence[tuple[str, int]], kind: str) -> dict[str, Any]:
    """The ConsumedCapacity member, if the request asks for it; ``kind`` is Read or Write."""
    asked = request.get("ReturnConsumedCapacity", "NONE")
    if asked == "NONE":
        return {}
    units: dict[str, float] = {}
    for name, size in sizes:
        alone = write_units(size) if kind == "Write" else read_units(size, consistent=True)
        units[name] = units.get(name, 0.0) + _PHASES * alone
    return {"ConsumedCapacity": [_consumed(name, spent, kind, asked) for name, spent in units.items()]}


def _consumed(name: str, units: float, kind: str, asked: str) -> dict[str, Any]:
    spent = {"CapacityUnits": units, f"{kind}CapacityUnits": units}
    return {"TableName": name, **spent, **({"Table": spent} if asked == "INDEXES" else {})}
