"""The table of faults in ``docs/simulator.md``, made from the catalogue."""

from __future__ import annotations

import sys
from pathlib import Path

from headrace.simulator.weather.catalogue import ACT_KINDS, REQUEST_KINDS, RequestKind

BEGIN, END = "<!-- weather: begin -->", "<!-- weather: end -->"
"""What stands between these is generated."""


def weather_table() -> str:
    """Every fault as a row of Markdown, the table's head included."""
    rows = ["| Fault | What happens | Befalls |\n| --- | --- | --- |\n"]
    rows += [f"| `{name}` | {kind.says} | {_befalls(kind)} |\n" for name, kind in REQUEST_KINDS.items()]
    rows += [f"| `{name}` | {kind.says} | the table, at each `act` |\n" for name, kind in ACT_KINDS.items()]
    return "".join(rows)


def with_weather_table(page: str) -> str:
    """The page with the table anew. Raises ValueError where it has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} that is followed by {END}")
    return f"{before}{BEGIN}\n\n{weather_table()}\n{END}{after}"


def _befalls(kind: RequestKind) -> str:
    return ", ".join(kind.operations) if kind.operations else "any request"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_weather_table(page.read_text(encoding="utf-8")), encoding="utf-8")
