"""A view's SQL -> the syntax tree of its one SELECT, by DuckDB's own parser, and how trees are compared and named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from threading import Lock
from typing import Any, Final

import duckdb

from headrace.duckdb_lock import LOCK
from headrace.errors import ConfigError

Tree = dict[str, Any]
"""A node as ``json_serialize_sql`` gives it."""

LONGEST: Final = 64 * 1024
"""Characters of a view's SQL."""

_ONE: Final = "a view is one SELECT over one table"
_PLACES: Final = frozenset({"query_location", "alias"})
_PARSING: Final = Lock()


def parsed(sql: str) -> Tree:
    """The node of the SELECT. Raises ConfigError where ``sql`` is none."""
    if len(sql) > LONGEST or "\0" in sql:
        raise ConfigError(f"{_ONE}, of at most {LONGEST:,} characters and without NUL")
    try:
        with _PARSING:
            ((text,),) = _duckdb().execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
        answer = json.loads(text)
    except (duckdb.Error, RecursionError) as error:
        raise ConfigError(f"the statement cannot be parsed: {_first_line(error)}") from error
    statements = answer.get("statements") or []
    if answer.get("error"):
        raise ConfigError(f"{_ONE}; DuckDB's parser says: {answer.get('error_message')}")
    if len(statements) != 1:
        raise ConfigError(f"{_ONE}, and this is {len(statements)} statements")
    if statements[0].get("named_param_map"):
        raise ConfigError("nobody gives a view values: write them in place of ? or $1")
    tree: Tree = statements[0]["node"]
    return tree


def outline(node: Any) -> Any:
    """``node`` without where it stands and what it is called: equal for expressions that are written alike."""
    if isinstance(node, Mapping):
        return {name: outline(inner) for name, inner in node.items() if name not in _PLACES}
    return [outline(inner) for inner in node] if isinstance(node, list) else node


def written(node: Tree) -> str:
    """An expression as SQL, for messages."""
    whole = {"error": False, "statements": [{"node": _selecting(node), "named_param_map": []}]}
    try:
        with _PARSING:
            ((text,),) = (
                _duckdb().execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(whole)]).fetchall()
            )
    except (duckdb.Error, RecursionError):
        return str(node.get("function_name") or node.get("type", "an expression"))
    return str(text).removeprefix("SELECT ")


def _selecting(node: Tree) -> Tree:
    select = dict(parsed("SELECT 1"))
    select["select_list"] = [{**node, "alias": ""}]
    return select


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    """One that holds no data and reaches nothing."""
    made = duckdb.connect(":memory:", config={"threads": 1})
    for setting, value in LOCK.items():
        made.execute(f"SET GLOBAL {setting} = {value}")
    return made


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def is_of_schema(function: Tree) -> bool:
    """Whether it is called by a schema's name. DuckDB's parser gives ``main`` to what SQL spells in a way of its own: ``substring(x FROM 2)``."""
    return function.get("schema") not in ("", "main", None) or bool(function.get("catalog"))
