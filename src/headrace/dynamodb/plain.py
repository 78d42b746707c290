"""Maps of a whole page as plain JSON, by a few passes over their bytes instead of a walk over their values.

In the service's own writing (no whitespace) and as long as no text holds a brace, every brace is structure, and the
type tags can be taken away by plain replacement: ``{"S":"`` opens and ``"}`` closes a text and nothing else, once
escaped quotes are put out of the way. No replacement may make what a later one takes for a tag, since members may be
called as tags are. That the structure is exactly as expected is proven by counting: of the page as one text, and where
that fails, of each map. What does not count up is decoded value by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.attribute import plain_json
from headrace.decoding import json_decoder

_NUMBER: Final = r'\{"N":"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"\}'
_NUMBER_SHRINKS: Final = len('{"N":""}')
# Control characters, which JSON has only escaped, stand in for what must not be taken for structure.
_ESCAPES: Final = (("\\\\", "\x01"), ('\\"', "\x02"), ("\\n", "\x03"), ("\\r", "\x04"), ("\\t", "\x05"))
# NULL first: a member NULL whose value has become ``true`` looks like it.
_CONSTANTS: Final = (('{"NULL":true}', "null"), ('{"BOOL":true}', "true"), ('{"BOOL":false}', "false"))
# A member SS whose list has become ``[`` looks like a set, and so does a member L the other way round: sets are put out of the way.
_SETS: Final = (('{"SS":[', "\x06"),)
_SETS_BACK: Final = (("\x06", "["),)
_LISTS: Final = (('{"L":[', "["),)

_MAP: Final = json_decoder(dict[str, dict[str, Any]])


def plain_maps(contents: Sequence[bytes | None]) -> pa.StringArray:
    """The contents of M tags, each as plain JSON text; None stays null.

    Raises BrokenValue, UnicodeDecodeError or msgspec.DecodeError for one that is not a map of attribute
    values.
    """
    present = [content for content in contents if content is not None]
    if not present:
        return pa.nulls(len(contents), pa.string())
    texts = _together(present)
    if texts is None:
        texts = _each(present)
    if len(present) == len(contents):
        return texts
    mask = pa.array([content is not None for content in contents])
    return pc.replace_with_mask(pa.nulls(len(contents), pa.string()), mask, texts)


def _together(contents: Sequence[bytes]) -> pa.StringArray | None:
    """All as the lines of one text; None where it cannot be proven."""
    page = b'{"M":%b}' % b'}\n{"M":'.join(contents)
    if page.count(b"\n") != len(contents) - 1:
        return None
    braces = pa.array([page.count(b"{")], pa.int32())
    text, proven = _by_replacement(pa.array([page], pa.binary()).cast(pa.string()), braces)
    return pc.split_pattern(text, "\n").flatten() if proven[0].as_py() else None


def _each(contents: Sequence[bytes]) -> pa.StringArray:
    """Each by itself, by replacement or by value."""
    wrapped = pc.binary_join_element_wise('{"M":', pa.array(contents, pa.binary()).cast(pa.string()), "}", "")
    texts, proven = _by_replacement(wrapped, pc.count_substring(wrapped, "{"))
    walked = [_one(contents[index]) for index in pc.indices_nonzero(pc.invert(proven)).to_pylist()]
    return pc.replace_with_mask(texts, pc.invert(proven), pa.array(walked, pa.string()))


def _by_replacement(text: pa.StringArray, braces: pa.Array) -> tuple[pa.StringArray, pa.BooleanArray]:
    """The plain form of texts that have so many opening braces, and of which it is proven."""
    escaped = pc.any(pc.match_substring(text, "\\")).as_py()
    if escaped:
        text = _with_changes(text, _ESCAPES)
    numbers: pa.Array | int = 0
    if pc.any(pc.match_substring(text, '{"N":"')).as_py():
        shorter = pc.replace_substring_regex(text, _NUMBER, r"\1")
        numbers = pc.divide(pc.subtract(pc.binary_length(text), pc.binary_length(shorter)), _NUMBER_SHRINKS)
        text = shorter
    text, texts = _replaced(text, (('{"S":"', '"'),))
    text, texts_closed = _replaced(text, (('"}', '"'),))
    text, maps = _replaced(text, (('{"M":{', "{"),))
    left = pc.subtract(pc.subtract(braces, numbers), pc.add(texts, pc.multiply(maps, 2)))
    proven = pc.equal(texts, texts_closed)
    if pc.any(pc.not_equal(left, 0)).as_py():
        text, constants = _replaced(text, _CONSTANTS)
        text, sets = _replaced(text, _SETS)
        text, lists = _replaced(text, _LISTS)
        if pc.any(pc.not_equal(sets, 0)).as_py():
            text = _with_changes(text, _SETS_BACK)
        arrays = pc.add(sets, lists)
        text, arrays_closed = _replaced(text, (("]}", "]"),))
        left = pc.subtract(left, pc.add(constants, arrays))
        proven = pc.and_(proven, pc.equal(arrays, arrays_closed))
    # Only pairs are left: the end of a map and of the tag around it.
    text, maps_closed = _replaced(text, (("}}", "}"),))
    proven = pc.and_(proven, pc.and_(pc.equal(left, 0), pc.equal(maps, maps_closed)))
    if escaped:
        # Other escapes may be written otherwise than by msgspec.
        proven = pc.and_not(proven, pc.match_substring(text, "\\"))
        text = _with_changes(text, [(new, old) for old, new in _ESCAPES])
    return text, proven


def _with_changes(text: pa.StringArray, changes: Sequence[tuple[str, str]]) -> pa.StringArray:
    for old, new in changes:
        text = pc.replace_substring(text, old, new)
    return text


def _replaced(text: pa.StringArray, changes: Sequence[tuple[str, str]]) -> tuple[pa.StringArray, pa.Array]:
    """``text`` after ``changes``, and how many there were, told by the bytes that are gone."""
    count: pa.Array | int = 0
    for old, new in changes:
        shorter = pc.replace_substring(text, old, new)
        gone = pc.subtract(pc.binary_length(text), pc.binary_length(shorter))
        count = pc.add(count, pc.divide(gone, len(old) - len(new)))
        text = shorter
    return text, count


def _one(content: bytes) -> str:
    return plain_json({"M": _MAP.decode(content)})
