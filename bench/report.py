"""Figures as a table of text."""

from __future__ import annotations

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(lines)


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that at least ``percent`` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def mb(size: float) -> str:
    """Bytes as MB (2^20)."""
    return f"{size / 2**20:,.0f} MB"
