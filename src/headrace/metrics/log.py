"""Structured log lines: how they look, and the one door through which all of them go."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from headrace.dataset import Secret

MASK = "***"
"""What stands in the log where a secret would."""

_WHOLE_WORDS_BELOW = 8


class LogFormat(StrEnum):
    """``human``: one aligned line an event. ``json``: one object a line. ``auto`` is human."""

    AUTO = "auto"
    HUMAN = "human"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe events that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def make_logger(
    format_: LogFormat = LogFormat.AUTO,
    level: LogLevel = LogLevel.INFO,
    *,
    secrets: Iterable[Secret] = (),
    environ: Mapping[str, str],
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.time,
) -> FilteringBoundLogger:
    """A logger that writes to ``stream``, or to whatever ``sys.stderr`` is at each event.

    Colours only on a terminal, and never with NO_COLOR set or TERM=dumb (https://no-color.org).
    ``clock`` gives epoch seconds. Values that are a Secret, and texts of ``secrets`` within values, are
    masked. Writing never raises: a log that nobody reads must not stop the work.
    """
    lines = _Lines(stream)
    if format_ is LogFormat.JSON:
        shape: list[Processor] = [_stamp(clock, human=False), structlog.processors.JSONRenderer(default=str)]
    else:
        shape = [_stamp(clock, human=True), _printable, _human(colors=_colors(lines, environ))]
    logger = structlog.wrap_logger(
        lines,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            Masking(secrets),
            *shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level.value),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("FilteringBoundLogger", logger.bind())


class Masking:
    """A structlog processor after which no secret is left in an event, however deep it stands.

    A secret of fewer than eight characters (an emulator's ``test``) is masked only where it is a word of
    its own: anywhere else it would deface names that merely contain it.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        texts = sorted({secret.reveal() for secret in secrets} - {""}, key=lambda text: (-len(text), text))
        patterns = [
            re.escape(text) if len(text) >= _WHOLE_WORDS_BELOW else rf"(?<![\w-]){re.escape(text)}(?![\w-])"
            for text in texts
        ]
        self._known = re.compile("|".join(patterns)) if patterns else None

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """The event, masked."""
        del logger, method
        return {self.text(str(key)): self._masked(value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """``text`` with the known secrets masked."""
        return text if self._known is None else self._known.sub(MASK, text)

    def _masked(self, value: object) -> object:
        match value:
            case Secret():
                return MASK
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self._masked(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._masked(item) for item in value]
            case bool() | int() | float() | None:
                return value
            case _:
                # Any other object would be written by its text.
                return self.text(str(value))


class Foreign(logging.Handler):
    """Brings what libraries log through ``logging`` (WARNING and above) into our log.

    Put on the root logger, it leaves no second format on the terminal.
    """

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as the event ``library``."""
        try:
            self._logger.log(
                record.levelno,
                "library",
                name=record.name,
                message=record.getMessage(),
                exc_info=record.exc_info if record.exc_info and record.exc_info[0] else None,
            )
        except Exception:  # noqa: BLE001 - logging's own contract: a handler never raises
            self.handleError(record)


class _Lines:
    """What structlog writes to: whole lines, one thread at a time."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    @property
    def stream(self) -> TextIO:
        # A progress bar replaces sys.stderr while it is drawn, so that lines go above it.
        return self._stream or sys.stderr

    def msg(self, line: str) -> None:
        try:
            with self._lock:
                self.stream.write(line + "\n")
                self.stream.flush()
        except (OSError, ValueError):
            pass  # A closed or broken stream: there is nowhere left to say so.

    debug = info = warning = error = critical = exception = msg


def _human(*, colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=colors, sort_keys=False, pad_event_to=20, exception_formatter=structlog.dev.plain_traceback
    )


def _colors(lines: _Lines, environ: Mapping[str, str]) -> bool:
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return wanted and lines.stream.isatty()


def _stamp(clock: Callable[[], float], *, human: bool) -> Processor:
    def stamp(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        del logger, method
        now = datetime.fromtimestamp(clock(), UTC)
        if human:
            text = now.astimezone().strftime("%H:%M:%S")
        else:
            text = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"timestamp": text, "level": event.pop("level"), "event": event.pop("event"), **event}

    return stamp


def _printable(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """No control character of a table's data may reach the terminal."""
    del logger, method
    return {
        key: value if key == "exception" or not isinstance(value, str) or value.isprintable() else repr(value)
        for key, value in event.items()
    }
