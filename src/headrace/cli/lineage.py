"""Explanations for people: shards as a tree of parents and children, the life of a key as lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from headrace.cli.table import one_line

Json = Mapping[str, Any]


def lineage_text(stream: Json) -> str:
    """The stream's own line, then each shard beneath its parent."""
    shards = {shard["id"]: shard for shard in stream["shards"]}
    tree = Tree(_text(_stream_line(stream)))
    branches: dict[str, Tree] = {}
    waiting = list(shards.values())
    while waiting:
        # Parents may be listed after their children; of a ring, which no service gives, each stands alone.
        ready = [shard for shard in waiting if shard["parent"] not in shards or shard["parent"] in branches]
        for shard in ready or waiting:
            above = branches.get(shard["parent"], tree)
            branches[shard["id"]] = above.add(_text("\n".join(_shard_lines(shard, shards))))
        waiting = [shard for shard in waiting if shard["id"] not in branches]
    return _drawn(tree)


def key_text(key: Json) -> str:
    """Sentences, the row, the changes, the differences."""
    tree = Tree(_text(f"{key['dataset']} {json.dumps(key['key'], ensure_ascii=False)}"))
    for sentence in key["summary"]:
        tree.add(_text(sentence))
    if key["row"] is not None:
        row = tree.add("row")
        for name, value in key["row"].items():
            row.add(_text(f"{name}: {json.dumps(value, ensure_ascii=False)}"))
    if key["changes"]:
        changes = tree.add("changes, newest first")
        for change in key["changes"]:
            changes.add(_text(_change_line(change)))
    if key["dead_letters"]:
        letters = tree.add("dead letters")
        for letter in key["dead_letters"]:
            fate = "superseded" if letter["superseded_at"] else "waits"
            where = letter["shard"] or "Scan"
            letters.add(_text(f"{letter['id']} {fate} · {letter['seen_at']} · {where} · {letter['reason']}"))
    if key["table"] is not None and key["table"]["differences"]:
        differences = tree.add("differences")
        for one in key["table"]["differences"]:
            differences.add(_text(f"{one['attribute']}: row {one['row']}, table {one['item']}"))
    return _drawn(tree)


def _stream_line(stream: Json) -> str:
    parts = [str(stream["dataset"]), str(stream["phase"])]
    if stream["reason"]:
        parts.append(str(stream["reason"]))
    if stream["watermark_at"] is not None:
        parts.append(f"watermark {_since(stream, 'watermark')}")
    used, limit = stream["buffered_bytes"] / 2**20, stream["buffer_limit_bytes"] / 2**20
    parts.append(f"buffer {used:.1f} of {limit:.0f} MiB")
    if not stream["shards"]:
        parts.append("no shards are known")
    return " · ".join(parts)


def _shard_lines(shard: Json, shards: Mapping[str, Json]) -> Iterator[str]:
    yield f"{shard['id']} {shard['stage']}: {shard['reason']}"
    if shard["waits_for"] is not None:
        yield f"waits for {shard['waits_for']}"
    elif shard["parent"] is not None and shard["parent"] not in shards:
        yield f"child of {shard['parent']}, which the stream has forgotten"
    if shard["position"] is not None:
        yield f"position {_position(shard['position'])}"
    if shard["progressed_at"] is not None:
        many = (
            f"{shard['records']:,} records applied, the last"
            if shard["records"]
            else "no records; its end applied"
        )
        yield f"{many} {_since(shard, 'progressed')}"
    if shard["watermark_at"] is not None:
        yield f"watermark {_since(shard, 'watermark')}"
    if shard["read_ahead_pages"]:
        held = f", {shard['held_records']:,} records of them held" if shard["held_records"] else ""
        yield f"{shard['read_ahead_pages']} pages read and not durable{held}"
    if shard["error"] is not None:
        yield f"last error: {shard['error']}"
    if shard["retry_at"] is not None:
        yield f"next try at {shard['retry_at']}, in {max(0.0, shard['retry_in_seconds']):.1f} s"


def _position(position: Json) -> str:
    where = position["sequence_number"] or position["timestamp"] or ""
    known = f", as of {position['set_at']}" if position["set_at"] else ""
    return f"{position['type']} {where}".rstrip() + known


def _change_line(change: Json) -> str:
    parts = [f"{change['kind']}, {change['state']}"]
    if change["applied_at"] is not None:
        parts[0] += f" {_since(change, 'applied')}"
    if change["created_at"] is not None:
        parts.append(f"created {_since(change, 'created')}")
    if change["shard"] is not None:
        parts.append(f"{change['shard']} {change['sequence_number'] or ''}".rstrip())
    return " · ".join(parts)


def _since(of: Json, name: str) -> str:
    return f"{of[f'{name}_at']} ({of[f'{name}_seconds_ago']:.1f} s ago)"


def _text(text: str) -> Text:
    # What comes from outside is neither markup nor obeyed by the terminal.
    return Text("\n".join(one_line(line) for line in text.split("\n")))


def _drawn(tree: Tree) -> str:
    out = io.StringIO()
    # Never cut: shard ids are to be copied.
    Console(file=out, width=10_000, color_system=None).print(tree)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
