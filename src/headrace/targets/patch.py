"""What has changed in an item, as a JSON patch (RFC 6902) over its plain JSON (``plain``).

For all images, absent ones (``null``) too, it holds that the patch, applied to ``plain(old)``, gives ``plain(new)``, numbers being
compared by what they say. What plain JSON does not show is no change: a number written otherwise, a set in another order, a set that
becomes a list of the same members, binary that becomes the text of its base64. Then there are no operations.

The operations are add, remove and replace; none of them moves or copies. An attribute that is set to NULL is replaced with
``null``, one that is taken away is removed. Sets are arrays in one order, and their members are added and removed one by one. Of a list the
equal beginning and end are left alone; between them elements are compared by place, and the rest is added or removed. A patch is hardly
longer than both items: where an object or an array has changed in so many places, all of it is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from headrace.attribute import Image, quoted
from headrace.targets.plain import NULL, Plain, PlainSet, alike, plain_value, same_member, text_of

ROOM: Final = 4096
"""Characters that the operations in one object or array may have beyond the text of what was and what is there."""

_NOTHING: Final = "[]"


def diff(old: Image | None, new: Image | None) -> bytes:
    """The patch from ``old`` to ``new``, a JSON array; the same for equal items. Raises BrokenValue."""
    if old is None or new is None:
        return _patch([] if old is new else _changes("", _whole(old), _whole(new)))
    # Attributes that are the same to the letter, which are most of them, are not taken apart.
    names = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
    before = {name: plain_value(old[name]) for name in names if name in old}
    after = {name: plain_value(new[name]) for name in names if name in new}
    operations = _collected("", before, after, lambda: _length(old) + _length(new))
    return _patch([_replace("", _whole(new))] if operations is None else operations)


def _whole(image: Image | None) -> Plain:
    return NULL if image is None else {name: plain_value(value) for name, value in image.items()}


def _length(image: Image) -> int:
    """Its characters as DynamoDB writes it."""
    return sum(len(quoted(name)) + len(bytes(value)) for name, value in image.items())


def _patch(operations: Sequence[str]) -> bytes:
    return f"[{','.join(operations)}]".encode() if operations else _NOTHING.encode()


def _changes(at: str, old: Plain, new: Plain) -> list[str]:
    """The operations that make ``new`` of ``old`` at the JSON pointer ``at``."""
    if isinstance(old, str) or isinstance(new, str) or isinstance(old, dict) is not isinstance(new, dict):
        return [] if alike(old, new) else [_replace(at, new)]
    operations = _collected(at, old, new, lambda: len(text_of(old)) + len(text_of(new)))
    return [_replace(at, new)] if operations is None else operations


def _collected(at: str, old: Plain, new: Plain, length: Callable[[], int]) -> list[str] | None:
    """The operations within an object or an array, None where they are longer than ``length`` says that both are."""
    found: list[str] = []
    size, most = 0, None
    for operation in _within(at, old, new):
        found.append(operation)
        size += len(operation)
        if size > ROOM:
            if most is None:
                most = ROOM + length()
            if size > most:
                return None
    return found


def _within(at: str, old: Plain, new: Plain) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_objects(at, old, new)
    elif isinstance(old, PlainSet) and isinstance(new, PlainSet) and old.tag == new.tag:
        yield from _of_sets(at, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_arrays(at, old, new)


def _of_objects(at: str, old: dict[str, Plain], new: dict[str, Plain]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        here = f"{at}/{_token(name)}"
        if name not in new:
            yield _remove(here)
        elif name not in old:
            yield _add(here, new[name])
        else:
            yield from _changes(here, old[name], new[name])


def _of_sets(at: str, old: PlainSet, new: PlainSet) -> Iterator[str]:
    before, after = [same_member(each) for each in old], [same_member(each) for each in new]
    stays, there = set(after), set(before)
    # From the last to the first, so that a place is still that of the old array.
    for place in range(len(before) - 1, -1, -1):
        if before[place] not in stays:
            yield _remove(f"{at}/{place}")
    # What stays is in order already, so that each place is that of the new array.
    for place, member in enumerate(after):
        if member not in there:
            yield _add(f"{at}/{place}", new[place])


def _of_arrays(at: str, old: list[Plain], new: list[Plain]) -> Iterator[str]:
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and alike(old[start], new[start]):
        start += 1
    end = 0
    while end < shorter - start and alike(old[-1 - end], new[-1 - end]):
        end += 1
    paired = shorter - end
    for place in range(start, paired):
        yield from _changes(f"{at}/{place}", old[place], new[place])
    for place in range(len(old) - end - 1, paired - 1, -1):
        yield _remove(f"{at}/{place}")
    for place in range(paired, len(new) - end):
        yield _add(f"{at}/{place}", new[place])


def _token(name: str) -> str:
    """A name in a JSON pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _add(at: str, value: Plain) -> str:
    return f'{{"op":"add","path":{quoted(at)},"value":{text_of(value)}}}'


def _replace(at: str, value: Plain) -> str:
    return f'{{"op":"replace","path":{quoted(at)},"value":{text_of(value)}}}'


def _remove(at: str) -> str:
    return f'{{"op":"remove","path":{quoted(at)}}}'
