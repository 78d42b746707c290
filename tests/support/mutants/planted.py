"""Sources with an error in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import headrace
from support.mutants.table import Mutant

SOURCES = Path(headrace.__file__).parent


class DoesNotApply(Exception):
    """An edit's text does not stand exactly once in its module: the table is older than the sources."""


def plant(mutant: Mutant, folder: Path) -> Path:
    """Copy the sources into ``folder`` with ``mutant`` in them; what PYTHONPATH needs. Raises DoesNotApply."""
    copy = folder / "headrace"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in mutant.edits:
        module = copy / edit.module
        text = module.read_text()
        if text.count(edit.old) != 1:
            raise DoesNotApply(
                f"{mutant.name}: in {edit.module}, {edit.old!r} stands {text.count(edit.old)} times, not once"
            )
        module.write_text(text.replace(edit.old, edit.new))
    return folder
