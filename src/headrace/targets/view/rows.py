"""The rows of a view as its output has them: how a row is made, by what key it is found, and which row an item of the output is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from headrace.attribute import BrokenValue, Image, key_text
from headrace.decoding import json_decoder
from headrace.errors import ConfigError, InternalError, TableUnusable
from headrace.row_table import Row, RowKey
from headrace.targets.canonical import differing
from headrace.targets.view.definition import Column, Definition
from headrace.targets.view.functions import cast
from headrace.targets.view.state import ViewState
from headrace.targets.view.totals import Totals
from headrace.targets.view.value import (
    Document,
    Unevaluable,
    Value,
    base64_of_bytes,
    group_text,
    group_values,
    shown,
    told,
    value_in,
    value_of,
)

VIEW_KEY: Final = "view_key"
"""The column by which rows are found in a dataset: a group's values, or an item's key, as JSON."""

Made = Row | Unevaluable | None
"""A row as it is to be; why it cannot be; or None: there is none, and none can be there."""

_IMAGE: Final = json_decoder(Image)
_KEY_PART: Final = json_decoder(dict[str, str])


class Rows(Protocol):
    """The rows of one view in one output, by their names. ``key`` is that of the output."""

    key: RowKey

    def made(self, state: ViewState, names: Sequence[str]) -> dict[str, Made]:
        """What these rows are to be now."""
        ...

    def of_group(self, name: str, totals: Totals | None) -> Made:
        """The row of a group that adds up to ``totals``, None for nothing."""
        ...

    def name_of(self, item: Image) -> str | None:
        """Which row an item of the output is, None where it is none of the view's."""
        ...

    def is_same(self, ours: Image, theirs: Image) -> bool:
        """Whether a row that is to be is as it stands in the output."""
        ...


def expect_keys(definition: Definition, keys: RowKey) -> None:
    """Raises ConfigError where rows are items, and a column takes the place of the table's own key, which is ``keys``."""
    names = [name for name, _ in keys]
    for column in definition.columns:
        if not definition.is_grouped and column.name in names and column.attribute != column.name:
            raise ConfigError(
                f"the column {column.name} is not the attribute of that name, which is of the table's key and stands in each row: write "
                "another name after AS"
            )


class DatasetRows:
    """Each row has ``VIEW_KEY``. What is nested is not compared: a dataset gives it back as text."""

    key: RowKey = ((VIEW_KEY, "S"),)

    def __init__(self, definition: Definition) -> None:
        """Raises ConfigError where a column has that name."""
        if any(column.name == VIEW_KEY for column in definition.columns):
            raise ConfigError(
                f"a column cannot be called {VIEW_KEY}, by which rows are found in a dataset; write another name after AS"
            )
        self._definition = definition

    def made(self, state: ViewState, names: Sequence[str]) -> dict[str, Made]:
        """See ``Rows``."""
        if self._definition.is_grouped:
            return {name: self.of_group(name, totals) for name, totals in state.totals(names).items()}
        return {name: self._of_item(name, content) for name, content in state.contents(names).items()}

    def of_group(self, name: str, totals: Totals | None) -> Made:
        """See ``Rows``."""
        return _row(self._key(name), self._definition.columns, totals)

    def _of_item(self, name: str, content: bytes | None) -> Made:
        key = self._key(name)
        if content is None:
            return Row(key, None)
        row = _IMAGE.decode(content)
        if VIEW_KEY in row:
            return Unevaluable(
                f"the item has an attribute {VIEW_KEY}, and rows are found by a column of that name in a dataset; write "
                f"* EXCLUDE ({VIEW_KEY})"
            )
        return Row(key, key | row)

    def name_of(self, item: Image) -> str | None:
        """See ``Rows``."""
        name = value_of(item.get(VIEW_KEY))
        return name if isinstance(name, str) else None

    def is_same(self, ours: Image, theirs: Image) -> bool:
        """See ``Rows``. A column holds one type, so values are the same whose texts are."""
        values = {name: value_of(raw) for name, raw in ours.items()}
        others = {name: value_of(raw) for name, raw in theirs.items()}
        return all(
            isinstance(values.get(name), Document) or _text(values.get(name)) == _text(others.get(name))
            for name in values.keys() | others.keys()
        )

    def _key(self, name: str) -> Image:
        return _raw({VIEW_KEY: {"S": name}})


class ItemRows:
    """Each row is an item, by the key of the table that is read."""

    def __init__(self, keys: RowKey, output: str, its_key: RowKey) -> None:
        """Raises TableUnusable where ``output`` has another key."""
        if its_key != keys:
            raise TableUnusable(
                f"the key of {output} is {_said(its_key)}; the rows of a view without GROUP BY are items, with the key {_said(keys)}: "
                "create it with that key"
            )
        self.key = keys

    def made(self, state: ViewState, names: Sequence[str]) -> dict[str, Made]:
        """See ``Rows``."""
        return {
            name: Row(_raw(msgspec.json.decode(name)), None if content is None else _IMAGE.decode(content))
            for name, content in state.contents(names).items()
        }

    def of_group(self, name: str, _: Totals | None) -> Made:
        """See ``Rows``. There are no groups."""
        raise InternalError(f"{name} is no group: rows are items")

    def name_of(self, item: Image) -> str | None:
        """See ``Rows``."""
        return item_key(item, self.key)

    def is_same(self, ours: Image, theirs: Image) -> bool:
        """See ``Rows``."""
        return not differing(ours, theirs, None)


class KeyedGroupRows:
    """Each row is a group, by the columns that are the key of a DynamoDB table."""

    def __init__(self, definition: Definition, output: str, its_key: RowKey) -> None:
        """Raises TableUnusable where groups are not told apart by the key of ``output``."""
        columns = {column.name: column for column in definition.columns if column.constant}
        self._parts = [columns[name] for name, _ in its_key if name in columns]
        told_apart = {column.group for column in self._parts} - {None}
        if len(self._parts) < len(its_key) or told_apart != set(range(len(definition.groups or ()))):
            raise TableUnusable(
                f"the key of {output} is {_said(its_key)}; in a view its attributes must be columns that are what stands in GROUP BY, all of "
                "it, or constants ('all' AS pk): rename columns with AS, or create the table with another key"
            )
        self.key = its_key
        self._columns = definition.columns
        self._output = output

    def made(self, state: ViewState, names: Sequence[str]) -> dict[str, Made]:
        """See ``Rows``."""
        return {name: self.of_group(name, totals) for name, totals in state.totals(names).items()}

    def name_of(self, item: Image) -> str | None:
        """See ``Rows``. A row with another constant in its key is somebody else's."""
        values = {column.group: value_of(item.get(column.name)) for column in self._parts}
        values.pop(None, None)
        try:
            name = group_text(
                values[place] for place in sorted(place for place in values if place is not None)
            )
            key = self._key(name)
        except Unevaluable:
            return None
        return None if differing(key, {part: item[part] for part, _ in self.key}, None) else name

    def is_same(self, ours: Image, theirs: Image) -> bool:
        """See ``Rows``."""
        return not differing(ours, theirs, None)

    def of_group(self, name: str, totals: Totals | None) -> Made:
        """See ``Rows``."""
        try:
            key = self._key(name)
        except Unevaluable as error:
            # What could never be written need not be deleted.
            return None if totals is None else error
        return _row(key, self._columns, totals)

    def _key(self, name: str) -> Image:
        totals = Totals(group_values(name), 0, ())
        key: dict[str, Any] = {}
        for column, (part, tag) in zip(self._parts, self.key, strict=True):
            value = column.evaluate(totals)
            attribute = shown(value)
            if not attribute.get(tag):
                raise Unevaluable(
                    f"{part} is {told(value)}, and {self._output} has it in its key, as a {tag} that is not empty; write "
                    f"coalesce({part}, ...) or CAST({part} AS VARCHAR) in GROUP BY, or leave such items out with WHERE"
                )
            if value_in(attribute) != value:
                raise Unevaluable(
                    f"{part} is {told(value)}, which has more digits than a key of {self._output} takes; round it in GROUP BY"
                )
            key[part] = attribute
        return _raw(key)


def item_key(item: Image, keys: RowKey) -> str:
    """The name of an item: its key as JSON. Raises Unevaluable where it has none."""
    try:
        return key_text({name: _KEY_PART.decode(item[name]) for name, _ in keys})
    except (KeyError, BrokenValue, msgspec.MsgspecError) as error:
        raise Unevaluable(f"an item has no key that can be read ({error!r})") from error


def _row(key: Image, columns: Sequence[Column], totals: Totals | None) -> Made:
    if totals is None:
        return Row(key, None)
    found: dict[str, Any] = {}
    for column in columns:
        try:
            value = column.evaluate(totals)
            if value is not None:
                found[column.name] = shown(value)
        except Unevaluable as error:
            return Unevaluable(f"{column.name}: {error}")
    return Row(key, key | _raw(found))


def _text(value: Value) -> Value:
    if isinstance(value, bytes):
        return base64_of_bytes(value)
    return None if value is None or isinstance(value, Document) else cast(value, "VARCHAR", 0, 0)


def _raw(values: Mapping[str, Any]) -> Image:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items()}


def _said(key: RowKey) -> str:
    return " and ".join(f"{name} ({tag})" for name, tag in key)
