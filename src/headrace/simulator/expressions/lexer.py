"""An expression's text as tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

from headrace.simulator.answers import invalid

MAX_BYTES = 4096
END = "<EOF>"

_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<name>\#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<index>[0-9]+)|(?P<sign><>|<=|>=|[=<>()\[\],.+-])|(?P<end>$))"
)


class Token(NamedTuple):
    """``kind`` is word, name (#n), value (:v), index, sign or end; the end's text is ``<EOF>``."""

    kind: str
    text: str
    near: str

    def is_word(self, keyword: str) -> bool:
        """Whether it is this keyword, in whatever case."""
        return self.kind == "word" and self.text.upper() == keyword


def tokens(expression: str) -> list[Token]:
    """The tokens with an end token after them. Raises a ValidationException for what is no token."""
    size = len(expression.encode())
    if size > MAX_BYTES:
        raise invalid(f"Expression size has exceeded the maximum allowed size; expression size: {size}")
    if not expression.strip():
        raise invalid("The expression can not be empty;")
    found: list[tuple[str, str, int]] = []
    place = 0
    while not found or found[-1][0] != "end":
        match = _TOKEN.match(expression, place)
        if match is None or match.lastgroup is None:
            stray = expression[place:].lstrip()
            raise invalid(
                f'Syntax error; token: "{stray[:1]}", near: "{expression[max(0, place - 10) :][:20]}"'
            )
        kind = match.lastgroup
        found.append((kind, match[kind] or END, match.start(kind)))
        place = match.end()
    return [
        Token(kind, text, _near(expression, found, number)) for number, (kind, text, _) in enumerate(found)
    ]


def _near(expression: str, found: list[tuple[str, str, int]], number: int) -> str:
    """The source from the token before to the token after, which AWS quotes in its messages."""
    start = found[max(0, number - 1)][2]
    _, text, last = found[min(len(found) - 1, number + 1)]
    return expression[start : last + len(text)].rstrip()
