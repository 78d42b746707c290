"""``target.custom``: a class of the user's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from headrace.config.document import Data
from headrace.config.environment import UnresolvedError
from headrace.config.kind import Kind
from headrace.config.module_there import is_there
from headrace.config.parameter import Parameter
from headrace.config.problem import BadValueError, KeyPath
from headrace.config.targets.block import TargetBlock, TargetKind
from headrace.dataset import Secret
from headrace.target import CustomTarget, Target

_REFERENCE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def class_reference() -> Kind[str]:
    """``module:Class``."""
    says = "`MODULE:CLASS`"

    def parse(given: str) -> str:
        if not _REFERENCE.fullmatch(given):
            raise BadValueError(f"'{given}' is no class; write MODULE:CLASS, such as mypkg.targets:MyTarget")
        return given

    return Kind(parse, says, {"type": "string", "pattern": f"^{_REFERENCE.pattern}$"})


CLASS: Final = Parameter(
    "class",
    class_reference(),
    "The class. The pod's folder is the first place in which its module is looked for.",
)
PARAMS: Final = Parameter(
    "params",
    Kind(str, "keys and values", {"type": "object"}),
    "Its keyword arguments: texts, lists and keys of texts, which may be references.",
)


def _read(block: TargetBlock) -> CustomTarget | None:
    given = block.document.at(block.path)
    own = (
        {key: value for key, value in given.items() if key != PARAMS.name} if isinstance(given, dict) else {}
    )
    unknown = [key for key in own if key != CLASS.name]
    if unknown or not isinstance(given, dict):
        # Told by those who tell it of all blocks.
        block.settings((CLASS, PARAMS))
        return None
    reference = own.get(CLASS.name)
    if not isinstance(reference, str):
        block.refuse("names no class; write custom: {class: MODULE:CLASS}")
        return None
    try:
        CLASS.kind.parse(reference)
    except BadValueError as error:
        block.refuse(str(error), CLASS.name)
        return None
    params = given.get(PARAMS.name)
    if params is not None and not isinstance(params, dict):
        block.refuse("expected keys and values ('key: value'), one a line", PARAMS.name)
        return None
    module = reference.partition(":")[0]
    if not is_there(module, block.folder):
        block.warn(
            f"there is no module {module} in {block.folder}, and none is installed; it is looked for again at the start",
            CLASS.name,
        )
    hidden: list[Secret] = []
    resolved = {
        name: _resolved(block, (PARAMS.name, name), value, hidden) for name, value in (params or {}).items()
    }
    return CustomTarget(reference, block.folder, resolved, tuple(hidden))


def _resolved(block: TargetBlock, path: KeyPath, value: Data, hidden: list[Secret]) -> Any:
    """``value`` with references replaced; what they stand for is added to ``hidden``."""
    if isinstance(value, dict):
        return {key: _resolved(block, (*path, key), inner, hidden) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(block, (*path, index), inner, hidden) for index, inner in enumerate(value)]
    if value is None:
        return None
    try:
        resolved = block.environment.resolve(value)
    except UnresolvedError as error:
        block.problems.append(block.document.at_value((*block.path, *path), str(error)))
        return None
    if resolved.replaced:
        hidden.append(Secret(resolved.text))
    return resolved.text


def _facts(target: Target) -> Iterator[tuple[str, str]]:
    assert isinstance(target, CustomTarget), "it is of this kind"
    names = f", with {', '.join(sorted(target.params))}" if target.params else ""
    yield "target", f"{target.reference} from {target.folder}{names}"


CUSTOM: Final = TargetKind(
    "custom",
    "A class of your own.",
    (CLASS, PARAMS),
    _read,
    _facts,
    note="[How to write one](targets.md#a-target-of-your-own).",
)
