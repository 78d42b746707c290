"""Statements that are kept one a line in files."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "query"


def corpus(name: str) -> list[str]:
    """The statements of ``tests/query/NAME``: a line that begins with # names what follows, ``\\n`` is a line break."""
    lines = (FOLDER / name).read_text(encoding="utf-8").split("\n")
    return [
        line.replace("\\n", "\n").replace("\\0", "\0") for line in lines if line and not line.startswith("#")
    ]
