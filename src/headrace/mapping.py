"""How the items of one table become columns, as far as a user decides it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import blake2b

import msgspec

from headrace.column_type import ColumnType
from headrace.time_layout import Layout
from headrace.time_text import ISO_8601


class ListType(StrEnum):
    """TEXT: lists other than those of maps are lists of text. TYPED: of what all their elements are."""

    TEXT = "text"
    TYPED = "typed"


class NumberType(StrEnum):
    """AUTO: doubles where they are exact, else decimals. DECIMAL: no doubles. FLOAT: doubles, though they round."""

    AUTO = "auto"
    DECIMAL = "decimal"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Declared:
    """A column that the Spicepod names; it does not widen. Without ``type`` it does, and only its name is fixed."""

    name: str
    type: ColumnType | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """How items become columns.

    Strings are times by ``layouts``, of which one must write all of a column's strings. ``unnest_depth`` None
    makes maps structs; a number flattens so many levels of maps into columns, and what is deeper is JSON.
    ``freeze`` keeps the columns that a sample of ``sample`` items has. What has no column, or does not fit
    its own, goes to a JSON column. With ``json_column``, that is its name, and only keys and ``declared``
    columns stand beside it.
    """

    layouts: tuple[Layout, ...] = ISO_8601
    unnest_depth: int | None = None
    list_type: ListType = ListType.TEXT
    number_type: NumberType = NumberType.AUTO
    sample: int = 10
    freeze: bool = False
    declared: tuple[Declared, ...] = ()
    json_column: str | None = None

    @property
    def fingerprint(self) -> str:
        """16 hex digits, the same for mappings that make the same columns of the same items."""
        settings = {
            "layouts": [layout.text for layout in self.layouts],
            "unnest_depth": self.unnest_depth,
            "list_type": self.list_type,
            "number_type": self.number_type,
            "sample": self.sample if self.freeze else None,
            "declared": [asdict(declared) for declared in self.declared],
            "json_column": self.json_column,
        }
        written = msgspec.json.encode(settings, order="deterministic")
        return blake2b(written, digest_size=8).hexdigest()
