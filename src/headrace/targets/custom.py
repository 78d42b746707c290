"""``custom``: a class of the user's own, found by its name, as a target."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace.batch import Batch, Consumer
from headrace.errors import ConfigError, ConsumerFailed, HeadraceError
from headrace.fill import Fillable, Lacking
from headrace.target import CustomTarget
from headrace.target_context import TargetContext


def opened(target: CustomTarget, context: TargetContext) -> Consumer:
    """An object of the class. Raises ConfigError where there is none, it is none, or it does not take its ``params``."""
    where = f"event_source_mappings: {context.mapping}: target.custom.class: {target.reference}"
    class_ = _class(target, where)
    try:
        made = class_(context, **target.params)
    except HeadraceError as error:
        raise ConfigError(f"{where}: {error}") from error
    except Exception as error:
        raise ConfigError(
            f"{where} cannot be made with its params ({type(error).__name__}: {error}); it is called with a TargetContext, "
            "and with params as keyword arguments"
        ) from error
    for method in ("consume", "close"):
        if not callable(getattr(made, method, None)):
            raise ConfigError(f"{where} has no method {method}; a target has consume(batch) and close()")
    if not isinstance(made, Fillable):
        return _Guard(made)
    return _LackingGuard(made) if isinstance(made, Lacking) else _FillableGuard(made)


def _class(target: CustomTarget, where: str) -> Any:
    module, _, name = target.reference.partition(":")
    folder = str(target.folder)
    if folder not in sys.path:
        # It stays there: a class may import more, later.
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise ConfigError(f"{where} cannot be imported ({type(error).__name__}: {error})") from error
    if not isinstance(found, type):
        raise ConfigError(f"{where}: module {module} has no class {name}")
    return found


class _Guard(Consumer):
    """Makes failures of what the user's code raises. A HeadraceError is passed on: it may say that nothing could be tried."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def consume(self, batch: Batch) -> object:
        """See ``Consumer``."""
        with _failing():
            return self._made.consume(batch)

    def close(self) -> None:
        """See ``Consumer``."""
        with _failing():
            self._made.close()


class _FillableGuard(_Guard):
    """The same for a target that is filled."""

    def begin_fill(self, at: float) -> None:
        """See ``Fillable``."""
        with _failing(named=True):
            self._made.begin_fill(at)

    def fill(self, items: Any) -> None:
        """See ``Fillable``."""
        with _failing(named=True):
            self._made.fill(items)

    def end_fill(self) -> None:
        """See ``Fillable``."""
        with _failing(named=True):
            self._made.end_fill()


class _LackingGuard(_FillableGuard):
    """The same for one that knows whether it must be filled."""

    def lacks(self) -> str | None:
        """See ``Lacking``."""
        with _failing(named=True):
            lacking: str | None = self._made.lacks()
            return lacking


@contextmanager
def _failing(*, named: bool = False) -> Iterator[None]:
    """Exceptions of the class as ConsumerFailed. ``named``: with their type in the text, where a text is all that is shown."""
    try:
        yield
    except HeadraceError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise ConsumerFailed(kind, f"{kind}: {error}" if named else str(error)) from error
