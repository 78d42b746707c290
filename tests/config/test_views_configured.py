"""``views:`` of a Spicepod: what is taken, and what is refused with its place."""

import pytest

from headrace.config import describe
from headrace.dataset import Refresh
from headrace.view import View


def test_a_view_has_its_query_and_the_place_of_it(folder):
    text = (
        folder.dataset()
        + "views:\n  - name: v\n    description: x\n    metadata: {a: b}\n    sql: |\n      SELECT 1\n"
    )
    (view,) = folder.load(text).views
    assert view == View("v", "SELECT 1\n", "spicepod.yaml:10:10")


def test_a_query_may_stand_in_a_file_of_the_pods_folder(folder):
    (folder.path / "sql").mkdir()
    (folder.path / "sql/v.sql").write_text("SELECT 'é'", encoding="utf-8")
    (view,) = folder.load(folder.dataset() + "views: [{name: v, sql_ref: sql/v.sql}]\n").views
    assert view == View("v", "SELECT 'é'", "sql/v.sql:1:1")


@pytest.mark.parametrize(
    ("acceleration", "refresh"),
    [
        ("{}", Refresh()),
        ("{enabled: false, refresh_check_interval: 1m}", None),
        ("{enabled: true, refresh_check_interval: 1m}", Refresh(interval=60.0)),
        ("{engine: arrow, mode: memory, refresh_mode: full, refresh_on_startup: always}", Refresh()),
        ("{refresh_cron: '0 * * * *'}", Refresh(cron="0 * * * *")),
    ],
)
def test_a_stored_view_says_when_its_rows_are_made_anew(folder, acceleration, refresh):
    text = f"views: [{{name: v, sql: SELECT 1, acceleration: {acceleration}}}]\n"
    assert folder.load(folder.dataset() + text).views[0].refresh == refresh


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ("[{sql: SELECT 1}]", "views[0].name: is missing; add name: NAME"),
        ("[{name: v}]", "views[0]: has no query; add sql: SELECT ..., or sql_ref: FILE"),
        (
            "[{name: v, sql: SELECT 1, sql_ref: a.sql}]",
            "views[0].sql_ref: sql gives the query too; keep one of them",
        ),
        ("[{name: v, sql_ref: a.sql}]", "views[0].sql_ref: a.sql cannot be read (No such file or directory)"),
        ("[{name: v, sql_ref: .}]", "views[0].sql_ref: . cannot be read (Is a directory)"),
        ("[{name: v, sql_ref: binary.sql}]", "views[0].sql_ref: binary.sql is not text in UTF-8"),
        ("[{name: v, sql_ref: large.sql}]", "views[0].sql_ref: large.sql is larger than 262144 bytes"),
        ("[{name: select, sql: SELECT 1}]", "views[0].name: 'select' is a reserved word of SQL"),
        ("[{name: Orders, sql: SELECT 1}]", "views[0].name: 'Orders' is the name of datasets[0] too"),
        ("[{name: v, sql: a}, {name: V, sql: a}]", "views[1].name: 'V' is the name of views[0] too"),
        ("[{name: v, sql: a, query: b}]", "views[0].query: there is no such key"),
        ("{name: v}", "views: expected a list"),
        (
            "[{name: v, sql: a, acceleration: {engine: sqlite}}]",
            "engine: 'sqlite' is not one of duckdb, arrow",
        ),
        ("[{name: v, sql: a, acceleration: {mode: file}}]", "mode: 'file' is not one of memory"),
        ("[{name: v, sql: a, acceleration: {refresh_mode: append}}]", "'append' is not one of full"),
        ("[{name: v, sql: a, acceleration: {refresh_cron: daily}}]", "acceleration.refresh_cron: "),
        (
            "[{name: v, sql: a, acceleration: {refresh_cron: '0 3 * * *', refresh_check_interval: 1m}}]",
            "refresh_cron: refresh_check_interval says when to refresh too (line ",
        ),
    ],
)
def test_what_cannot_be_a_view_is_refused_by_its_key(folder, views, words):
    (folder.path / "binary.sql").write_bytes(b"SELECT '\xff'")
    (folder.path / "large.sql").write_text("-" * 300_000)
    refusal = folder.refusal(folder.dataset() + f"views: {views}\n")
    assert refusal.startswith("spicepod.yaml:")
    assert words in refusal


def test_validate_says_where_a_views_rows_come_from(folder):
    text = folder.dataset() + (
        "views:\n  - name: v\n    sql: SELECT 1\n"
        "  - {name: w, sql: SELECT 1, acceleration: {refresh_check_interval: 5m}}\n"
    )
    said = describe(folder.load(text)).splitlines()
    assert said[said.index("v") :] == [
        "v",
        "  view        spicepod.yaml:8:10",
        "  rows        of what it reads, whenever it is read",
        "",
        "w",
        "  view        spicepod.yaml:9:20",
        "  rows        stored in memory; 5m after the last",
    ]
