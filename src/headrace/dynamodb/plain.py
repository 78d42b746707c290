"""Maps of a whole page as plain JSON, by a few passes over their bytes instead of a walk over their values.

In the service's own writing (no whitespace) and as long as no text holds a backslash or a brace, every
brace is structure, and the type tags can be taken away by plain replacement: ``{"S":"`` opens and
``"}`` closes a text and nothing else. That the structure is exactly as expected is proven by counting;
whatever does not count up is decoded value by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.dynamodb.attribute import plain_json

_NUMBER = r'\{"N":"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"\}'
_CONSTANTS = (('{"BOOL":true}', "true"), ('{"BOOL":false}', "false"), ('{"NULL":true}', "null"))
_TEXTS = (('{"S":"', '"'), ('{"B":"', '"'))
_ARRAYS = (('{"L":[', "["), ('{"SS":[', "["), ('{"BS":[', "["))
_MAPS = (('{"M":{', "{"),)

_MAP = msgspec.json.Decoder(dict[str, dict[str, Any]])


def plain_maps(contents: Sequence[bytes | None]) -> pa.StringArray:
    """The contents of M tags, each as plain JSON text; None stays null.

    Raises BrokenValue, UnicodeDecodeError or msgspec.DecodeError for one that is not a map of attribute
    values.
    """
    given = pa.array(contents, pa.binary())
    if b"\\" not in _bytes(given):
        replaced = _by_replacement(given)
        return _one_by_one(contents) if replaced is None else replaced
    # Few texts hold a backslash: they must not slow down the others.
    simple = [content is None or b"\\" not in content for content in contents]
    replaced = _by_replacement(given.filter(pa.array(simple)))
    if replaced is None:
        return _one_by_one(contents)
    texts = iter(replaced.to_pylist())
    return pa.array(
        [
            next(texts) if is_simple else _one(content)
            for content, is_simple in zip(contents, simple, strict=True)
        ],
        pa.string(),
    )


def _by_replacement(contents: pa.BinaryArray) -> pa.StringArray | None:
    """The plain form of ``contents``, none of which holds a backslash; None where it cannot be proven."""
    text = pc.binary_join_element_wise('{"M":', contents.cast(pa.string()), "}", "")
    braces = _bytes(text).count(b"{")
    text = pc.replace_substring_regex(text, _NUMBER, r"\1")
    numbers = braces - _bytes(text).count(b"{")
    text, constants = _replaced(text, _CONSTANTS)
    text, texts = _replaced(text, _TEXTS)
    text, texts_closed = _replaced(text, (('"}', '"'),))
    text, arrays = _replaced(text, _ARRAYS)
    text, arrays_closed = _replaced(text, (("]}", "]"),))
    text, maps = _replaced(text, _MAPS)
    # Only pairs are left: the end of a map and of the tag around it.
    text, maps_closed = _replaced(text, (("}}", "}"),))
    proven = braces == numbers + constants + texts + arrays + 2 * maps and (texts, arrays, maps) == (
        texts_closed,
        arrays_closed,
        maps_closed,
    )
    return text if proven else None


def _replaced(text: pa.StringArray, changes: Sequence[tuple[str, str]]) -> tuple[pa.StringArray, int]:
    """``text`` after ``changes``, and how many there were, told by the bytes that are gone."""
    count = 0
    for old, new in changes:
        before = _size(text)
        text = pc.replace_substring(text, old, new)
        count += (before - _size(text)) // (len(old) - len(new))
    return text, count


def _one_by_one(contents: Sequence[bytes | None]) -> pa.StringArray:
    return pa.array([_one(content) for content in contents], pa.string())


def _one(content: bytes | None) -> str | None:
    return None if content is None else plain_json({"M": _MAP.decode(content)})


def _size(text: pa.Array) -> int:
    return pc.sum(pc.binary_length(text)).as_py() or 0


def _bytes(text: pa.Array) -> bytes:
    """The texts of an array that starts at offset 0, end to end."""
    data = text.buffers()[2]
    return b"" if data is None else data.to_pybytes()[: _size(text)]
