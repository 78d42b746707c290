"""Whether a view is what its query says of the table: the table is read, the view computed anew, and both its state and its output compared.

Items change meanwhile. First what the state remembers of each item is compared with the table; what differs is looked at again, and counts
where the table has not changed since. Then the groups of a snapshot of the state are computed anew, with what the table says of those items
that differ. Last the output is compared with the state; what differs there is looked at once more while nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from headrace.attribute import Image
from headrace.decoding import json_decoder
from headrace.row_table import Row
from headrace.targets.canonical import digest
from headrace.targets.comparison import Comparison, ItemDifference, Kind, Look
from headrace.targets.scanned import Row as ScannedRow
from headrace.targets.table import Table
from headrace.targets.view.contribution import Part
from headrace.targets.view.definition import Definition
from headrace.targets.view.items import Arrival
from headrace.targets.view.publication import Publication
from headrace.targets.view.recomputation import pages, wrong_groups
from headrace.targets.view.rows import Made
from headrace.targets.view.state import ViewState
from headrace.verified import MOST_TOLD, Difference, RowDifference, Verified
from headrace.verified import Part as Side

SEGMENTS: Final = 4
"""Parts of the table that are read at once."""

_NOTHING: Final = ("", None)
_IMAGE: Final = json_decoder(Image)
_DECODED: Final = json_decoder(dict[str, dict[str, str]])


class Verification:
    """Of the view ``definition`` over ``source``. ``arrivals`` evaluates items; ``settle`` are the seconds between two looks."""

    def __init__(
        self,
        definition: Definition,
        source: Table,
        state: ViewState,
        publication: Publication,
        arrivals: Callable[[Sequence[Image]], Iterable[Arrival]],
        settle: float,
        pause: Callable[[float], None],
    ) -> None:
        self._definition = definition
        self._source = source
        self._state = state
        self._publication = publication
        self._arrivals = arrivals
        self._settle = settle
        self._pause = pause
        self._broken = 0
        self._differing = 0
        self._told: list[RowDifference] = []

    def run(self) -> Verified:
        """Compare. Raises HeadraceError."""
        items: list[ItemDifference] = []
        comparison = Comparison(_Items(self), settle=self._settle, pause=self._pause)
        compared = comparison.run(items.append)
        if self._definition.is_grouped:
            self._compare_groups([found.key for found in items])
        else:
            self._tell_items(items)
        rows, moving = self._compare_output()
        return Verified(
            compared.source,
            rows,
            self._differing,
            tuple(self._told),
            moving=compared.moving + moving,
            broken=self._broken,
        )

    # Items

    def scans(self) -> Iterator[tuple[str, Iterator[Sequence[ScannedRow]]]]:
        """All that items of the table bring, and all that the state remembers of it."""
        for segment in range(SEGMENTS):
            yield "source", self._of_source(segment)
        yield "replica", self._of_state()

    def parts_now(self, keys: Sequence[str]) -> dict[str, Part | None]:
        """What these items bring as the table has them."""
        if not keys:
            return {}
        found = self._source.items([_key(key) for key in keys])
        return {arrival.key: arrival.part for arrival in self._arrivals(list(found.values()))}

    def remembered(self, keys: Sequence[str]) -> Mapping[str, tuple[str, Part | None]]:
        """What the state remembers of these items, each with its version."""
        return self._state.parts(keys)

    def _of_source(self, segment: int) -> Iterator[Sequence[ScannedRow]]:
        for page in self._source.scan(segment, SEGMENTS):
            arrivals = list(self._arrivals(page))
            self._broken += sum(arrival.error is not None for arrival in arrivals)
            yield [
                (arrival.key, self.digest(arrival.part)) for arrival in arrivals if arrival.part is not None
            ]

    def _of_state(self) -> Iterator[Sequence[ScannedRow]]:
        with self._state.snapshot() as connection:
            for page in pages(connection):
                yield [(key, self.digest(part)) for key, part in page]

    # Groups

    def digest(self, part: Part) -> bytes:
        """The same for parts that say the same."""
        if not self._definition.is_grouped:
            return digest(_IMAGE.decode(part.content), None)
        return blake2b(b"%b\0%b" % (part.row.encode(), part.content), digest_size=16).digest()

    # Groups

    def _compare_groups(self, differing: Sequence[str]) -> None:
        corrected = dict.fromkeys(differing) | self.parts_now(differing)
        rows = self._publication.rows
        with self._state.snapshot() as connection:
            for name, wanted, found in wrong_groups(connection, self._definition, corrected):
                self._tell(
                    Side.STATE, name, _said(rows.of_group(name, wanted)), _said(rows.of_group(name, found))
                )

    def _tell_items(self, items: Sequence[ItemDifference]) -> None:
        keys = [found.key for found in items]
        now, kept = self.parts_now(keys), self.remembered(keys)
        for key in keys:
            wanted, (_, found) = now.get(key), kept.get(key, _NOTHING)
            self._tell(
                Side.STATE,
                key,
                None if wanted is None else wanted.content.decode(),
                None if found is None else found.content.decode(),
            )

    # Output

    def _compare_output(self) -> tuple[int, int]:
        """Compare the rows; how many there are, and how many are being written."""
        rows, suspects = self._look(None)
        if not suspects:
            return rows, 0
        self._pause(self._settle)
        with self._publication.resting():
            found: dict[str, Image] = {}
            self._look(suspects, found)
            made = self._publication.rows.made(self._state, sorted(suspects))
            moving = 0
            for name, row in made.items():
                item = found.get(name)
                if self._is_right(row, item):
                    continue
                if self._state.is_waiting(name):
                    moving += 1
                else:
                    self._tell(Side.OUTPUT, name, _said(row), None if item is None else _json(item))
        return rows, moving

    def _look(self, only: set[str] | None, found: dict[str, Image] | None = None) -> tuple[int, set[str]]:
        """Read all rows; how many there are, and the names of those that are not as they are to be."""
        count, suspects, seen = 0, set[str](), set[bytes]()
        for page in self._publication.table.rows():
            named = {
                name: item for item in page if (name := self._publication.rows.name_of(item)) is not None
            }
            count += len(named)
            if only is not None and found is not None:
                found |= {name: item for name, item in named.items() if name in only}
                continue
            seen |= {_short(name) for name in named}
            made = self._publication.rows.made(self._state, list(named))
            suspects |= {name for name, item in named.items() if not self._is_right(made[name], item)}
        if only is None:
            suspects |= {name for name in self._state.names() if _short(name) not in seen}
        return count, suspects

    def _is_right(self, made: Made, item: Image | None) -> bool:
        if item is None:
            return made is None or (isinstance(made, Row) and made.item is None)
        return self._publication.is_right(made, item)

    def _tell(self, part: Side, name: str, expected: str | None, found: str | None) -> None:
        self._differing += 1
        kind = Difference.DIFFERENT
        if found is None or expected is None:
            kind = Difference.MISSING if found is None else Difference.EXTRA
        if len(self._told) < MOST_TOLD:
            self._told.append(RowDifference(part, kind, name, expected, found))


class _Items:
    """The pair of a table and what is remembered of it."""

    def __init__(self, verification: Verification) -> None:
        self._verification = verification

    def scans(self) -> Iterable[tuple[str, Iterator[Sequence[ScannedRow]]]]:
        """See ``Pair``."""
        return self._verification.scans()

    def look(self, keys: Sequence[str]) -> dict[str, Look]:
        """See ``Pair``."""
        kept = self._verification.remembered(keys)
        now = self._verification.parts_now(keys)
        return {key: self._look(now.get(key), *kept.get(key, _NOTHING)) for key in keys}

    def _look(self, now: Part | None, version: str, kept: Part | None) -> Look:
        ours = None if now is None else self._verification.digest(now)
        theirs = None if kept is None else self._verification.digest(kept)
        if ours == theirs:
            return Look(ours)
        kind = Kind.EXTRA if ours is None else Kind.MISSING if theirs is None else Kind.DIFFERENT
        # An item that goes to and fro looks the same twice; that its version moves tells that it is followed.
        return Look(b"%b %b" % (version.encode(), ours or b""), kind)

    def mend(self, keys: Sequence[str]) -> dict[str, str]:
        """See ``Pair``; a fill mends."""
        return dict.fromkeys(keys, "a fill mends")


def _key(name: str) -> Image:
    return {part: msgspec.Raw(msgspec.json.encode(value)) for part, value in _DECODED.decode(name).items()}


def _said(made: Made) -> str | None:
    """A row as JSON, or why it cannot be; None for none."""
    if isinstance(made, Row):
        return None if made.item is None else _json(made.item)
    return None if made is None else str(made)


def _json(item: Image) -> str:
    return msgspec.json.encode(item).decode()


def _short(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16).digest()
