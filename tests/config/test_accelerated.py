"""Engines, their files and servers, keys and indexes: what a Spicepod asks for, and what contradicts itself."""

from pathlib import Path

import pytest

from headrace.config import describe
from headrace.dataset import Acceleration, Engine, Index, Mode, PostgresAccess, RefreshMode, Secret

SERVER = "engine: postgres; params:;   pg_host: db.internal;   pg_port: 5433;   pg_db: shop;   pg_user: me"


def said(folder, acceleration):
    """What ``validate`` prints, by label."""
    lines = describe(folder.load(folder.dataset(acceleration=acceleration))).splitlines()
    return {line[2:14].strip(): line[14:] for line in lines if line.startswith("  ")}


def test_sqlite_keeps_its_copy_in_memory_unless_it_is_told_otherwise(only):
    assert only(acceleration="engine: sqlite").acceleration == Acceleration(
        Engine.SQLITE, Mode.MEMORY, RefreshMode.CHANGES, busy_timeout=5.0
    )


def test_a_copy_in_a_file_is_named_after_its_dataset_and_its_engine(only, folder):
    assert only(acceleration="engine: sqlite; mode: file").acceleration.path == (
        folder.path / ".headrace" / "data" / "orders.sqlite"
    )


def test_sqlite_takes_a_file_and_a_time_to_wait_for_locks(only, folder):
    lines = "engine: sqlite; mode: file; params:;   sqlite_file: db/o.sqlite;   busy_timeout: 1500ms"
    acceleration = only(acceleration=lines).acceleration
    assert acceleration.path == folder.path / "db" / "o.sqlite"
    assert acceleration.busy_timeout == 1.5
    prefixed = only(acceleration="engine: sqlite; params:;   sqlite_busy_timeout: 2s").acceleration
    assert prefixed.busy_timeout == 2.0


def test_postgres_takes_every_part_of_a_connection(only, folder):
    (folder.path / "ca.pem").touch()
    lines = (
        f"{SERVER};   pg_pass: ${{secrets:pw}};   pg_sslmode: verify-full;   pg_sslrootcert: ca.pem;   "
        "pg_schema: Live Copies;   pg_connection_string: connect_timeout=5"
    )
    acceleration = only({"PW": "hunter2"}, acceleration=lines).acceleration
    assert acceleration.postgres == PostgresAccess(
        "db.internal",
        5433,
        "shop",
        Secret("me"),
        Secret("hunter2"),
        "verify-full",
        folder.path / "ca.pem",
        Secret("connect_timeout=5"),
        "Live Copies",
    )
    assert (acceleration.mode, acceleration.path) == (Mode.FILE, None)


def test_postgres_may_be_left_to_its_environment(only):
    assert only(acceleration="engine: postgres").acceleration.postgres == PostgresAccess()


def test_the_certificates_of_the_system_are_no_file(only):
    lines = "engine: postgres; params:;   pg_sslmode: verify-full;   pg_sslrootcert: system"
    assert only(acceleration=lines).acceleration.postgres.sslrootcert == Path("system")


@pytest.mark.parametrize(
    ("lines", "server"),
    [
        (SERVER, "postgres, db.internal, port 5433, database shop; a restart resumes from it"),
        (
            "engine: postgres",
            "postgres, the server of PGHOST, else of this machine; a restart resumes from it",
        ),
        (
            "engine: postgres; params:;   pg_connection_string: postgresql://me:hunter2@db/x;   pg_schema: live",
            "postgres, the server of pg_connection_string, schema live; a restart resumes from it",
        ),
    ],
)
def test_validate_says_which_server_and_no_more(folder, lines, server):
    assert said(folder, lines)["copy"] == server


def test_validate_says_which_key_and_which_indexes(folder):
    lines = (
        "engine: sqlite; mode: file; primary_key: (id, version); indexes:;   status: enabled;   "
        "'(customer, created)': unique;   '\"a, b\"': enabled"
    )
    told = said(folder, lines)
    assert told["copy"] == f"sqlite in {folder.path}/.headrace/data/orders.sqlite; a restart resumes from it"
    assert told["key"] == "id, version (checked against the table's)"
    assert (
        told["indexes"]
        == '(status), (customer, created) unique, ("a, b"); each as soon as its columns are there'
    )
    assert said(folder, "engine: sqlite")["key"] == "the table's"
    assert "indexes" not in said(folder, "indexes:;   status: enabled")


def test_indexes_keep_the_order_of_their_columns(only):
    lines = "engine: sqlite; indexes:;   status: enabled;   (b, a): unique;   'c, d': enabled"
    assert only(acceleration=lines).acceleration.indexes == (
        Index(("status",)),
        Index(("b", "a"), unique=True),
        Index(("c", "d")),
    )


@pytest.mark.parametrize("rule", ["upsert", "upsert_dedup", "upsert_dedup_by_row_id"])
def test_every_upsert_is_one(only, rule):
    acceleration = only(acceleration=f"on_conflict:;   '(id, \"a,b\")': {rule}").acceleration
    assert acceleration.on_conflict == ("id", "a,b")
    assert acceleration.key_claims == {"on_conflict": ("id", "a,b")}


def test_both_ways_to_name_the_key_may_agree(only):
    acceleration = only(acceleration="primary_key: (b, A); on_conflict:;   (a, b): upsert").acceleration
    assert acceleration.key_claims == {"on_conflict": ("a", "b"), "primary_key": ("b", "A")}


AT = "datasets[0].acceleration"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "params:;   pg_host: db",
            (
                f"7:9: {AT}.params.pg_host: belongs to engine postgres, and this one is duckdb; write engine: postgres, "
                "or remove the key"
            ),
        ),
        (
            "engine: postgres; params:;   sqlite_busy_timeout: 1s",
            (
                f"8:9: {AT}.params.sqlite_busy_timeout: belongs to engine sqlite, and this one is postgres; write "
                "engine: sqlite, or remove the key"
            ),
        ),
        (
            "engine: sqlite; mode: file; params:;   duckdb_file: o.db",
            (
                f"9:9: {AT}.params.duckdb_file: belongs to engine duckdb, and this one is sqlite; write engine: duckdb, "
                "or remove the key"
            ),
        ),
        (
            "engine: sqlite; params:;   sqlite_file: o.db",
            f"8:22: {AT}.params.sqlite_file: a copy in memory has no file; write mode: file, or remove the key",
        ),
        (
            "engine: sqlite; mode: file; params:;   busy_timeout: 5000",
            (
                f"9:23: {AT}.params.busy_timeout: '5000' has no unit; write a duration such as 100ms, 1s, 1m30s, 2h"
            ),
        ),
        (
            "engine: postgres; mode: memory",
            (
                f"7:13: {AT}.mode: engine postgres keeps the copy in its server, which outlives the process; remove the "
                "key, or write engine: duckdb or sqlite for a copy in memory"
            ),
        ),
        (
            "engine: postgres; params:;   pg_port: 0",
            f"8:18: {AT}.params.pg_port: '0' is not a whole number from 1 to 65535",
        ),
        (
            "engine: postgres; params:;   pg_sslmode: verify",
            (
                f"8:21: {AT}.params.pg_sslmode: 'verify' is not one of disable, allow, prefer, require, verify-ca, "
                "verify-full; did you mean 'verify-ca'?"
            ),
        ),
        (
            "engine: postgres; params:;   pg_sslmode: verify-ca;   pg_sslrootcert: ca.pem",
            (
                f"9:25: {AT}.params.pg_sslrootcert: there is no file FOLDER/ca.pem; name a file of certificates, or "
                "write system"
            ),
        ),
        (
            "engine: postgres; params:;   pg_sslrootcert: -----BEGIN CERTIFICATE-----",
            (
                f"8:25: {AT}.params.pg_sslrootcert: a certificate itself is not taken; save it in a file, and write the "
                "file's path"
            ),
        ),
        (
            "engine: postgres; params:;   pg_connection_string: db.internal",
            (
                f"8:31: {AT}.params.pg_connection_string: is neither a URI (postgresql://...) nor keywords (host=... "
                "dbname=...)"
            ),
        ),
        (
            "engine: postgres; params:;   pg_schema: pg_live",
            f"8:20: {AT}.params.pg_schema: 'pg_live' is a schema of PostgreSQL's own; name one of yours",
        ),
        (
            f"engine: postgres; params:;   pg_schema: {'x' * 64}",
            f"8:20: {AT}.params.pg_schema: expected the name of a schema, of at most 63 bytes",
        ),
        (
            "on_conflict:;   id: drop",
            (
                f"7:13: {AT}.on_conflict.id: 'drop' would keep the first version of each item for ever, and the copy "
                "would not be the table; write upsert"
            ),
        ),
        (
            "primary_key: id; on_conflict:;   (id, version): upsert",
            (
                f"6:20: {AT}.primary_key: names (id), and on_conflict (id, version) (line 7, column 7); a table has one "
                "key, so name it in both, or leave both out"
            ),
        ),
        (
            "primary_key: (id",
            (
                f"6:20: {AT}.primary_key: '(id' has an odd bracket; write id, or (id, version), in quotes where it "
                "stands between braces"
            ),
        ),
        (
            "indexes:;   status: unique",
            (
                f"7:17: {AT}.indexes.status: engine duckdb does not keep columns unique; write enabled, or choose "
                "engine: sqlite or engine: postgres"
            ),
        ),
        (
            "engine: sqlite; indexes:;   (a, b): enabled;   (a,b): unique",
            f"9:9: {AT}.indexes['(a,b)']: is the index of these columns again (line 8, column 9); keep one",
        ),
        (
            "engine: sqlite; indexes:;   status: on",
            f"8:17: {AT}.indexes.status: 'on' is not one of enabled, unique",
        ),
    ],
)
def test_a_contradiction_is_refused_at_its_place(folder, lines, message):
    expected = "spicepod.yaml:" + message.replace("FOLDER", str(folder.path))
    assert folder.refusal(folder.dataset(acceleration=lines)) == expected


def test_a_file_that_a_dataset_of_another_engine_has_is_refused(folder):
    text = folder.dataset(acceleration="mode: file; params:;   duckdb_file: data/o.db")
    text += (
        "  - from: dynamodb:users\n    name: users\n    acceleration: {engine: sqlite, mode: file, refresh_mode: changes, "
        "params: {sqlite_file: data/o.db}}\n"
    )
    assert folder.refusal(text) == (
        "spicepod.yaml:11:93: datasets[1].acceleration.params.sqlite_file: datasets[0] keeps its copy in "
        f"{folder.path}/data/o.db too; give each dataset a file of its own"
    )


def test_a_file_that_another_dataset_has_by_default_is_refused(folder):
    text = folder.dataset(
        acceleration="engine: sqlite; mode: file; params:;   sqlite_file: .headrace/data/users.sqlite"
    )
    text += "  - from: dynamodb:users\n    name: users\n    acceleration: {engine: sqlite, mode: file, refresh_mode: changes}\n"
    assert "12:19: datasets[1].acceleration.params.sqlite_file: datasets[0] keeps its copy in" in (
        folder.refusal(text)
    )


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        (
            "engine: postgres; mode: file",
            (
                f"spicepod.yaml:7:13: {AT}.mode: engine postgres keeps the copy in its server, which outlives the "
                "process; remove the key"
            ),
        ),
        (
            "engine: postgres; params:;   pg_sslmode: prefer;   pg_sslrootcert: system",
            (
                f"spicepod.yaml:9:25: {AT}.params.pg_sslrootcert: nobody looks at certificates with pg_sslmode: prefer; "
                "write verify-full, or remove the key"
            ),
        ),
    ],
)
def test_what_has_no_effect_is_warned_of(folder, lines, warning):
    assert folder.load(folder.dataset(acceleration=lines)).warnings == (warning,)
