"""Values of any type, decoded in C, and their texts where maps are structs (``ItemReader.text``).

JSON is written by msgspec from what is built here: strings and truths as they are, bytes for it to write in base64,
numbers as raw digits, and maps for it to sort.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headrace.attribute import AttributeValue, digits_of, plain_json
from headrace.dynamodb.forms import Mismatch

_TAGS: Final = {
    "text": "S",
    "number": "N",
    "truth": "BOOL",
    "null": "NULL",
    "members": "M",
    "binary": "B",
    "elements": "L",
    "texts": "SS",
    "numbers": "NS",
    "binaries": "BS",
}


class Value(
    msgspec.Struct, gc=False, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename=_TAGS
):
    """A value of any type: what stands under its tag."""

    text: str | None = None
    number: str | None = None
    truth: bool | None = None
    null: bool = False
    members: dict[str, Value] | None = None
    binary: bytes | None = None
    elements: list[Value] | None = None
    texts: list[str] | None = None
    numbers: list[str] | None = None
    binaries: list[bytes] | None = None


MISSING: Final = Value(null=True)
"""Stands where there is no value."""

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def json_texts(values: Sequence[Value]) -> list[str]:
    """Each of values, none of which is NULL, as a map's member is written. Raises Mismatch or BrokenValue."""
    return _ENCODER.encode_lines([_json(value) for value in values]).decode().split("\n")[:-1]


def column_texts(values: Sequence[Value]) -> list[str]:
    """Each of values, none of which is a scalar, in a column of TEXT. Raises Mismatch or BrokenValue."""
    texts = json_texts(values)
    return [
        text if value.binary is None else base64.b64encode(value.binary).decode()
        for value, text in zip(values, texts, strict=True)
    ]


def element_texts(values: Sequence[Value]) -> list[str]:
    """Each of values, none of which is a scalar, as an element of a list of TEXT. Raises Mismatch or BrokenValue."""
    texts = iter(json_texts([value for value in values if value.members is not None]))
    return [_element_text(value) if value.members is None else next(texts) for value in values]


def _element_text(value: Value) -> str:
    if value.text is not None:
        return value.text
    if value.number is not None:
        return digits_of(value.number)
    if value.truth is not None:
        return "true" if value.truth else "false"
    if value.binary is not None:
        return base64.b64encode(value.binary).decode()
    if value.members is not None:
        return _ENCODER.encode(_json(value)).decode()
    return plain_json(_attribute_value(value))


def _json(value: Value) -> Any:
    """What msgspec writes as the JSON of a member."""
    if value.text is not None:
        return value.text
    if value.number is not None:
        return msgspec.Raw(digits_of(value.number).encode())
    if value.members is not None:
        return {name: _json(one) for name, one in value.members.items() if not one.null}
    for plain in (value.truth, value.binary, value.texts, value.binaries):
        if plain is not None:
            return plain
    if value.elements is not None:
        return [None if one.null else _element_text(one) for one in value.elements]
    if value.numbers is not None:
        return [digits_of(one) for one in value.numbers]
    raise Mismatch


def _attribute_value(value: Value) -> AttributeValue:
    """The value as it came, for what is not written by msgspec."""
    tagged: dict[str, Any] = msgspec.to_builtins(value)
    if len(tagged) != 1:
        raise Mismatch
    return tagged
