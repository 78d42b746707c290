"""Items compared: equal ones have one text, whatever the order of members and sets, and the writing of numbers."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import msgspec

from headrace.attribute import AttributeValue, Image, base64_of, digits_of, tag_of
from headrace.decoding import json_decoder

_SORTED: Final = msgspec.json.Encoder(order="deterministic")
_VALUE: Final = json_decoder(dict[str, Any])


def digest(item: Image, without: str | None) -> bytes:
    """16 bytes, the same for equal items alone; the attribute ``without`` does not count. Raises BrokenValue."""
    plain = {name: _canonical(_VALUE.decode(value)) for name, value in item.items() if name != without}
    return blake2b(_SORTED.encode(plain), digest_size=16).digest()


def differing(ours: Image, theirs: Image, without: str | None) -> tuple[str, ...]:
    """The attributes that one has and the other has not, or not so, in their order; ``without`` does not count."""
    names = sorted((ours.keys() | theirs.keys()) - {without})
    return tuple(name for name in names if not _same(ours.get(name), theirs.get(name)))


def _same(one: msgspec.Raw | None, other: msgspec.Raw | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or _canonical(_VALUE.decode(one)) == _canonical(_VALUE.decode(other))


def _canonical(value: AttributeValue) -> AttributeValue:
    tag = tag_of(value)
    content = value[tag]
    match tag:
        case "N":
            content = digits_of(content)
        case "B":
            content = base64_of(content)
        case "SS":
            content = sorted(content)
        case "NS":
            content = sorted(map(digits_of, content))
        case "BS":
            content = sorted(map(base64_of, content))
        case "L":
            content = [_canonical(each) for each in content]
        case "M":
            content = {name: _canonical(each) for name, each in content.items()}
        case _:
            pass
    return {tag: content}
