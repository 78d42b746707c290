"""The page of types says what the code does, because it is made from it."""

import subprocess
import sys
from pathlib import Path

from headrace.cli.types_page import LAYOUT_PARTS, engines, types_page
from headrace.time_token import Verbatim, pieces_of

PAGE = Path(__file__).parents[2] / "docs" / "types.md"


def test_the_page_is_what_the_types_say():
    assert PAGE.read_text(encoding="utf-8") == types_page(engines()), (
        "run: .venv/bin/python -m headrace.cli.types_page > docs/types.md"
    )


def test_the_module_prints_the_page():
    command = [sys.executable, "-m", "headrace.cli.types_page"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout == types_page(engines())


def test_every_engine_has_a_column_in_every_table_of_types():
    names = {"DuckDB": str, "Other": lambda type_: f"<{type_}>"}
    heads = [line for line in types_page(names).splitlines() if line.startswith("| D") and "Arrow" in line]
    assert len(heads) == 2
    assert all("| Arrow | DuckDB | Other |" in head for head in heads)


def test_every_part_of_a_layout_on_the_page_is_one():
    for texts, _ in LAYOUT_PARTS:
        for text in texts:
            (piece,) = pieces_of(text)
            assert not isinstance(piece, Verbatim)
            assert piece.text == text
