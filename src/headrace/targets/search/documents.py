"""What an item is in an index: its document, and the document's id.

A document is the item as plain JSON, in one form (see ``plain``): equal items have equal texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any, Final

import msgspec

from headrace.attribute import BrokenValue, Image, base64_of, binary_of, digits_of, key_text, number_of
from headrace.decoding import json_decoder
from headrace.targets.plain import NULL, Plain, alike, plain, same_member, text_of

LONGEST_ID: Final = 512
"""Bytes (OpenSearch documentation, "Bulk API")."""

_DIGESTED: Final = "sha256~"
"""Before the digest that stands for a longer id. A shorter one that begins so is digested too: no two keys share an id."""

_BOTH: Final = re.compile(r"((?:[^\\|]|\\[\\|])*)\|(.*)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([\\|])")
_KEY_PART: Final = json_decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class Documents:
    """Of a table with these ``keys``: pairs of attribute and type (S, N, B), partition key first."""

    keys: tuple[tuple[str, str], ...]

    def id_of(self, image: Mapping[str, msgspec.Raw]) -> str:
        """The id of the document of an item, or of its key alone.

        The text of the key attribute: numbers in plain digits, binary as base64. Of two, ``PARTITION|SORT``, with a backslash before
        each bar and backslash of the first. What would be longer than an id may be has a digest. Raises BrokenValue.
        """
        texts = [_text_of(image, name, tag) for name, tag in self.keys]
        if len(texts) == 1:
            whole = texts[0]
        else:
            whole = texts[0].replace("\\", "\\\\").replace("|", "\\|") + "|" + texts[1]
        encoded = whole.encode()
        if len(encoded) > LONGEST_ID or whole.startswith(_DIGESTED):
            return _DIGESTED + sha256(encoded).hexdigest()
        return whole

    def key_of(self, image: Mapping[str, msgspec.Raw]) -> str:
        """The text of the key that an item has. Raises BrokenValue."""
        return key_text({name: {tag: _text_of(image, name, tag)} for name, tag in self.keys})

    def key_for(self, id_: str, source: bytes) -> dict[str, msgspec.Raw] | None:
        """The key whose document has this id, by what it holds, else by the id itself; None where it is that of no key."""
        try:
            held = msgspec.json.decode(source, type=dict[str, msgspec.Raw])
            found = {name: _value_of(held[name], tag) for name, tag in self.keys}
            if self.id_of(found) == id_:
                return found
        except (msgspec.MsgspecError, KeyError, BrokenValue, UnicodeDecodeError, RecursionError):
            pass
        return self._key_by(id_)

    def _key_by(self, id_: str) -> dict[str, msgspec.Raw] | None:
        texts = [id_]
        if len(self.keys) > 1:
            parts = _BOTH.fullmatch(id_)
            if parts is None:
                return None
            texts = [_ESCAPED.sub(r"\1", parts[1]), parts[2]]
        found = {
            name: msgspec.Raw(msgspec.json.encode({tag: text}))
            for (name, tag), text in zip(self.keys, texts, strict=True)
        }
        try:
            return found if self.id_of(found) == id_ else None
        except BrokenValue:
            return None


def document_of(item: Image) -> bytes:
    """The document. Raises BrokenValue."""
    return plain(item)


def taken_apart(document: bytes) -> dict[str, Plain]:
    """A document as ``plain_item`` gives one, with numbers as they are written. Raises BrokenValue where it is none."""
    try:
        parsed = json.loads(document, parse_int=_Number, parse_float=_Number)
    except (ValueError, RecursionError) as error:
        raise BrokenValue(f"a document is no JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise BrokenValue("a document is no JSON object")
    return {name: _plain(value) for name, value in parsed.items()}


def digest(document: bytes) -> bytes:
    """16 bytes, the same for equal documents alone; numbers are equal by what they say. Raises BrokenValue."""
    canonical = {name: _canonical(value) for name, value in taken_apart(document).items()}
    return blake2b(text_of(canonical).encode(), digest_size=16).digest()


def differing(ours: bytes, theirs: bytes) -> tuple[str, ...]:
    """The members that one document has and the other has not, or not so, in their order. Raises BrokenValue."""
    one, other = taken_apart(ours), taken_apart(theirs)
    return tuple(
        name
        for name in sorted(one.keys() | other.keys())
        if name not in one or name not in other or not alike(one[name], other[name])
    )


class _Number(str):
    """The text of a number, told from other texts."""

    __slots__ = ()


def _text_of(image: Mapping[str, msgspec.Raw], name: str, tag: str) -> str:
    try:
        content = _KEY_PART.decode(image[name])[tag]
    except (KeyError, msgspec.MsgspecError) as error:
        raise BrokenValue(
            f"an item has no {name} of type {tag}, which is a part of the table's key"
        ) from error
    match tag:
        case "N":
            return digits_of(content)
        case "B":
            return base64_of(content)
        case _:
            return content


def _value_of(member: msgspec.Raw, tag: str) -> msgspec.Raw:
    """A key attribute's value from what a document has for it."""
    if tag == "N":
        text = bytes(member).decode()
        number_of(text)
        return msgspec.Raw(msgspec.json.encode({"N": text}))
    text = msgspec.json.decode(member, type=str)
    if tag == "B":
        binary_of(text)
    return msgspec.Raw(msgspec.json.encode({tag: text}))


def _plain(value: Any) -> Plain:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return NULL if value is None else msgspec.json.encode(value).decode()


def _canonical(value: Plain) -> Plain:
    if isinstance(value, dict):
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    try:
        return same_member(value)
    except BrokenValue:
        # Larger than any number of DynamoDB: equal to itself alone.
        return value
