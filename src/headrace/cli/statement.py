"""Where one SQL statement ends and the next begins, and the few that the terminal answers itself."""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"""
    (?P<quoted> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
              | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$ )
  | (?P<open> ['"] | \$(?:[A-Za-z_]\w*)?\$ )
  | (?P<comment> --[^\n]* )
  | (?P<block> /\* )
  | (?P<end> ; )
  | (?P<space> \s+ )
  | (?P<other> \w[\w$]* | . )
    """,
    re.VERBOSE | re.DOTALL,
)

_DESCRIBES = re.compile(r"\s*(?:desc(?:ribe)?|show\s+(?:full\s+)?columns)\b", re.IGNORECASE)


def split(text: str) -> tuple[list[str], str]:
    """The statements of ``text`` that a semicolon ends (without it), and what follows the last.

    Semicolons within quotes, dollar quotes and comments end nothing. What holds only space and comments
    is no statement, and nothing follows if only those do. An open quote or block comment runs to the end.
    """
    statements: list[str] = []
    start = at = 0
    solid = False
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None or piece["open"]:
            return statements, text[start:].strip()
        if piece["block"]:
            end = _block_end(text, at)
            if end is None:
                return statements, text[start:].strip()
            at = end
            continue
        at = piece.end()
        if piece["end"]:
            if solid:
                statements.append(text[start : piece.start()].strip())
            start, solid = at, False
        elif not piece["space"] and piece["comment"] is None:
            solid = True
    return statements, text[start:].strip() if solid else ""


def describes(statement: str) -> bool:
    """Whether the statement asks for columns and their types."""
    return _DESCRIBES.match(statement) is not None


def explains(statement: str) -> bool:
    """Whether the statement asks for a plan."""
    return re.match(r"\s*explain\b", statement, re.IGNORECASE) is not None


def _block_end(text: str, start: int) -> int | None:
    """Where the block comment that starts at ``start`` ends; they nest. None if it is open."""
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return None
