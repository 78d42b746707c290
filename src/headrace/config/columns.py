"""How a dataset's items become columns: its parameters and its ``columns:``, put together and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace.column_type import JSON, TEXT, ColumnType, Kind
from headrace.config import connector
from headrace.config.column_types import read_type
from headrace.config.document import Document
from headrace.config.model import ColumnEntry, DatasetEntry
from headrace.config.parameter import Parameter, Settings
from headrace.config.problem import BadValueError, KeyPath, Problem, shown
from headrace.mapping import Declared, ListType, Mapping, NumberType
from headrace.time_layout import Layout
from headrace.time_text import ISO_8601
from headrace.type_name import type_name

MARK = "json_object"
"""The key under a column's ``metadata`` that makes it the one of all undeclared attributes."""

EVERYTHING = "*"
"""The only value of MARK."""

_NUMBERS_WITHOUT = {NumberType.DECIMAL.value: "Float64", NumberType.FLOAT.value: "Decimal128"}
"""The type of numbers, as far as it matters, that there is none of under a setting."""

_OF_KEYS = (Kind.TEXT, Kind.NUMBER, Kind.BINARY)


@dataclass(slots=True)
class Columns:
    """The columns of one dataset in the making.

    ``path`` is the dataset's in the document. ``problems`` and ``warnings`` grow while ``mapping`` runs.
    """

    document: Document
    path: KeyPath
    entry: DatasetEntry
    connection: Settings
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def mapping(self) -> Mapping:
        """How items become columns; it holds only if ``problems`` stays empty."""
        format_ = self.connection.get(connector.TIME_FORMAT)
        layouts = ISO_8601 if format_ is None else format_.family
        json_column = self._json_column()
        return Mapping(
            layouts=layouts,
            unnest_depth=self.connection.get(connector.UNNEST_DEPTH),
            list_type=ListType(self._given(connector.LIST_TYPE)),
            number_type=NumberType(self._given(connector.NUMBER_TYPE)),
            sample=self.connection.get(connector.SCHEMA_INFER_MAX_RECORDS) or Mapping().sample,
            freeze=self._given(connector.SCHEMA_EVOLUTION) == "freeze",
            declared=tuple(self._declared(layouts, json_column)),
            json_column=json_column,
        )

    def _given(self, parameter: Parameter[str]) -> str:
        value = self.connection.get(parameter)
        assert value is not None, parameter.name
        return value

    def _entries(self) -> Iterator[tuple[KeyPath, ColumnEntry]]:
        for index, column in enumerate(self.entry.columns or ()):
            yield (*self.path, "columns", index), column

    def _declared(self, layouts: tuple[Layout, ...], json_column: str | None) -> Iterator[Declared]:
        """Every column that is not the one of JSON."""
        first: dict[str, KeyPath] = {}
        for path, column in self._entries():
            at = (*path, "name")
            earlier = first.setdefault(column.name.lower(), at)
            if earlier is not at:
                place = self.document.value_place(earlier)
                self._refuse(
                    at,
                    f"'{column.name}' is declared already ({place}); names differ, and not in capitals only",
                )
            type_ = self._type(path, column, layouts)
            if column.name != json_column:
                self._warn_of_key(path, column, type_)
                yield Declared(column.name, type_)
            elif type_ not in (None, TEXT, JSON):
                self._refuse(
                    (*path, "type"),
                    f"'{column.type}' cannot hold a JSON object; write Utf8 or JSON, or remove it",
                )

    def _type(self, path: KeyPath, column: ColumnEntry, layouts: tuple[Layout, ...]) -> ColumnType | None:
        if column.type is None:
            return None
        at = (*path, "type")
        try:
            type_ = read_type(column.type, layouts)
        except BadValueError as error:
            self._refuse(at, str(error))
            return None
        setting = self.connection.get(connector.NUMBER_TYPE)
        if any(arrow == _NUMBERS_WITHOUT.get(setting or "") for arrow in _number_types(type_)):
            self._refuse(
                at, f"'{column.type}' would hold no number, for number_type is {setting}; change one of them"
            )
        return type_

    def _json_column(self) -> str | None:
        found: KeyPath | None = None
        name: str | None = None
        for path, column in self._entries():
            metadata = column.metadata
            if metadata is not None and not isinstance(metadata, dict):
                self._refuse((*path, "metadata"), "expected keys and values ('key: value'), one a line")
            elif metadata is not None and MARK in metadata:
                at = (*path, "metadata", MARK)
                self._check_mark(at, metadata[MARK])
                if found is not None:
                    place = self.document.key_place(found)
                    self._refuse(
                        at, f"'{name}' is the column of all other attributes already ({place}); keep one"
                    )
                else:
                    found, name = at, column.name
        return name

    def _check_mark(self, path: KeyPath, value: object) -> None:
        if value != EVERYTHING:
            given = f"'{shown(value)}' is not" if isinstance(value, str) else "expected"
            self._refuse(
                path, f"{given} '{EVERYTHING}', which stands for all attributes that are not declared"
            )

    def _warn_of_key(self, path: KeyPath, column: ColumnEntry, type_: ColumnType | None) -> None:
        """The table's key is not known here; what the Spicepod takes for it may be."""
        acceleration = self.entry.acceleration
        keys = {name for names in (acceleration and acceleration.on_conflict) or () for name in names}
        if type_ is not None and type_.kind not in _OF_KEYS and column.name in keys:
            problem = self.document.at_value(
                (*path, "type"),
                f"'{column.name}' is of the key, which keeps its own type (text, numbers or binary); remove the type",
            )
            self.warnings.append(problem)

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))


def _number_types(type_: ColumnType) -> Iterator[str]:
    """What the numbers in values of the type are stored as, without precision and scale."""
    if type_.element is not None:
        yield from _number_types(type_.element)
    elif type_.kind is Kind.NUMBER:
        yield type_name(type_).partition("(")[0]
