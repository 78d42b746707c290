"""Whether a module that a Spicepod names can be found."""

from __future__ import annotations

import sys
from importlib import invalidate_caches
from importlib.machinery import PathFinder
from pathlib import Path


def is_there(module: str, folder: Path) -> bool:
    """Whether a module can be found in ``folder`` or where packages are; nothing is imported."""
    invalidate_caches()
    places = [str(folder), *sys.path]
    parts = module.split(".")
    if parts[0] in sys.builtin_module_names:
        return len(parts) == 1
    for part in parts:
        found = PathFinder.find_spec(part, places) if places else None
        if found is None:
            return False
        if found.loader is None:
            # A folder without __init__.py: its own places are only told once it is imported.
            places = [place for place in (str(Path(place, part)) for place in places) if Path(place).is_dir()]
        else:
            places = list(found.submodule_search_locations or ())
    return True
