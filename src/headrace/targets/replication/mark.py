"""The version attribute of an item: which change of which table wrote it.

``ORIGIN:VERSION:ITEM``, and perhaps ``:rTIME`` where ``headrace replicate verify --repair`` wrote it, and ``:d`` where
it is about to be deleted. As VERSION has a fixed length, of two marks of one origin and item the smaller text is the older.
ITEM tells whether somebody has copied the attribute to an item with another key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

import msgspec

from headrace.decoding import json_decoder
from headrace.table_shape import identity_of

VERSION_DIGITS: Final = 48
"""As Batch.version gives them."""

OLDEST: Final = "0" * VERSION_DIGITS
"""A version that every change is newer than."""

_TEXT: Final = re.compile(
    rf"([0-9a-f]{{12}}):([0-9]{{{VERSION_DIGITS}}}):([0-9a-f]{{8}})(?::r([0-9]{{16}}))?(:d)?"
)

_LENGTHS: Final = (76, 120)
"""Between which bytes of JSON a mark's value has, spaces included."""


class _Text(msgspec.Struct, rename={"text": "S"}, forbid_unknown_fields=True):
    text: str


_VALUE: Final = json_decoder(_Text)


@dataclass(frozen=True, slots=True)
class Mark:
    """``repaired`` are 16 digits (microseconds since 1970), empty where a change wrote it."""

    origin: str
    version: str
    item: str
    repaired: str = ""
    deleting: bool = False

    @classmethod
    def of(cls, origin: str, version: str, key: str, *, deleting: bool = False) -> Mark:
        """What a change of ``version`` writes to the item whose key has the text ``key``."""
        return cls(origin, version, item_of(key), deleting=deleting)

    @classmethod
    def read(cls, value: msgspec.Raw | None) -> Mark | None:
        """What an attribute's value, as DynamoDB JSON, says; None where it is no mark."""
        # Most attributes are looked at in vain.
        if value is None or not _LENGTHS[0] <= len(value) <= _LENGTHS[1]:
            return None
        try:
            found = _TEXT.fullmatch(_VALUE.decode(value).text)
        except msgspec.MsgspecError:
            return None
        if found is None:
            return None
        origin, version, item, repaired, deleting = found.groups()
        return cls(origin, version, item, repaired or "", bool(deleting))

    @property
    def text(self) -> str:
        """As it is written."""
        repaired = f":r{self.repaired}" if self.repaired else ""
        return f"{self.origin}:{self.version}:{self.item}{repaired}{':d' if self.deleting else ''}"

    @property
    def value(self) -> dict[str, str]:
        """As DynamoDB JSON."""
        return {"S": self.text}

    def repair(self, at: float, *, deleting: bool = False) -> Mark:
        """What a repair writes over it at ``at`` (epoch seconds): newer than it, and older than any later change."""
        return replace(self, repaired=f"{int(at * 1e6):016d}", deleting=deleting)


def item_of(key: str) -> str:
    """What a mark says of the key whose text this is."""
    return blake2b(key.encode(), digest_size=4).hexdigest()


def origin_of(described: Mapping[str, Any]) -> str:
    """What marks say of the table with this TableDescription: another one, even of the same name, has another origin."""
    name = f"{described.get('TableArn')} {identity_of(described)}"
    return blake2b(name.encode(), digest_size=6).hexdigest()
