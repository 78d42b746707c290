"""The interactive prompt of ``headrace sql``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import Output
from pygments.lexers.sql import SqlLexer  # type: ignore[import-untyped] # it ships no types

from headrace.cli.session import Format, Session
from headrace.cli.statement import split
from headrace.errors import HeadraceError

PROMPT = "sql> "

HELP = """\
A statement may span lines; a semicolon ends it.

  describe NAME;    the columns of a table
  show tables;      the tables and views
  .tables           the same
  .format NAME      print answers as table, json or csv
  .help             this
  .exit             leave (also Ctrl-D)

Ctrl-C gives up the statement being typed, or the one being run.
"""


def history_file() -> Path:
    """Where statements are kept: HEADRACE_HISTORY, else ``headrace/sql_history`` in the XDG state folder.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    chosen = os.environ.get("HEADRACE_HISTORY")
    if chosen:
        return Path(chosen)
    state = os.environ.get("XDG_STATE_HOME")
    return Path(state or Path.home() / ".local" / "state") / "headrace" / "sql_history"


class Repl:
    """Reads statements from a terminal until told to leave.

    ``history`` is kept for its owner's eyes only; where it cannot be written, it lasts as long as the
    prompt. ``input_`` and ``output`` stand for the terminal.
    """

    def __init__(
        self,
        session: Session,
        history: Path,
        echo: Callable[[str], None],
        *,
        input_: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._session = session
        self._echo = echo
        self._prompt: PromptSession[str] = PromptSession(
            PROMPT,
            history=self._history(history),
            multiline=True,
            prompt_continuation=lambda width, _line, _wrap: "-> ".rjust(width),
            lexer=PygmentsLexer(SqlLexer),
            key_bindings=_bindings(),
            input=input_,
            output=output,
        )

    def run(self) -> None:
        """Prompt, run, print, until Ctrl-D or ``.exit``."""
        self._echo(
            f"Connected to {self._session.client.url}. A semicolon ends a statement; .help says more.\n"
        )
        while True:
            try:
                text = self._prompt.prompt()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if not self._take(text):
                return

    def _take(self, text: str) -> bool:
        """Carry out one submission; False if it says to leave."""
        words = text.strip().rstrip(";").split()
        if len(words) == 1 and words[0].lower() in (".exit", ".quit", "exit", "quit"):
            return False
        try:
            if text.strip().startswith("."):
                self._command(*words)
            else:
                for statement in split(text)[0]:
                    self._session.execute(statement)
        except HeadraceError as error:
            self._echo(f"Error: {error}\n")
        except KeyboardInterrupt:
            self._echo("Cancelled.\n")
        return True

    def _command(self, command: str = ".", *arguments: str) -> None:
        match command, arguments:
            case ".help", ():
                self._echo(HELP)
            case ".tables", ():
                self._session.execute("SHOW TABLES")
            case ".format", (name,) if name in list(Format):
                self._session.format = Format(name)
            case ".format", _:
                raise HeadraceError(f".format wants one of {', '.join(Format)}")
            case _:
                raise HeadraceError(f"there is no command {command}: .help lists them")

    def _history(self, file: Path) -> History:
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
        except OSError as error:
            self._echo(f"History is not kept: {file}: {error.strerror}\n")
            return InMemoryHistory()
        return FileHistory(file)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def submit_or_break(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if _is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return bindings


def _is_whole(text: str) -> bool:
    """Whether Enter ends the text: nothing typed, a command, or statements that a semicolon ends."""
    stripped = text.strip()
    if not stripped or stripped.startswith(".") or stripped.lower() in ("exit", "quit"):
        return True
    statements, rest = split(text)
    return bool(statements) and not rest
