from pathlib import Path

import pytest

from headrace.config import load_pod
from headrace.dataset import (
    Acceleration,
    AwsAccess,
    Dataset,
    Engine,
    GapBehavior,
    Mode,
    Reads,
    RefreshMode,
    Replication,
    Secret,
    SnapshotPlace,
    Snapshots,
)
from headrace.mapping import Mapping
from headrace.time_layout import Layout

SPICEPODS = Path(__file__).parent / "spicepods"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAX", "AWS_SECRET_ACCESS_KEY": "hunter2"}
KEYS = {"access_key_id": Secret("AKIAX"), "secret_access_key": Secret("hunter2")}
SNAPSHOTS = Snapshots(SnapshotPlace(SPICEPODS / ".headrace" / "snapshots"), batches=5, interval=None)


def documented(name, environ=None):
    (dataset,) = load_pod(SPICEPODS / f"{name}.yaml", environ or CREDENTIALS, Path("/")).datasets
    return dataset


def on_disk(name, **more):
    path = SPICEPODS / ".headrace" / "data" / f"{name}.duckdb"
    return Acceleration(Engine.DUCKDB, Mode.FILE, RefreshMode.CHANGES, path, **more)


def test_there_are_eight_documented_spicepods():
    assert len(list(SPICEPODS.glob("*.yaml"))) == 8


def test_the_documents_minimal_spicepod_is_taken_word_for_word():
    assert documented("000-minimal") == Dataset(
        "orders_stream", "orders", AwsAccess("us-east-1", **KEYS), on_disk("orders_stream")
    )


def test_the_documents_tuned_spicepod_is_taken_word_for_word():
    assert documented("000-tuning") == Dataset(
        "orders_stream",
        "orders",
        acceleration=on_disk("orders_stream", snapshots=SNAPSHOTS),
        replication=Replication(scan_interval=0.1, ready_lag=1.0, gap_behavior=GapBehavior.READY_BEFORE_LOAD),
    )


def test_the_documents_first_spicepod_has_no_copy():
    assert documented("001-first") == Dataset(
        "users",
        "users",
        AwsAccess("us-west-2", **KEYS),
    )


def test_the_documents_session_token_is_taken_where_it_is_set():
    token = documented("001-first", CREDENTIALS | {"AWS_SESSION_TOKEN": "t"}).access.session_token
    assert token == Secret("t")
    assert documented("001-first", CREDENTIALS | {"AWS_SESSION_TOKEN": ""}).access.session_token is None


@pytest.mark.parametrize(
    ("name", "access"),
    [
        ("001-environment-credentials", AwsAccess("us-west-2")),
        ("001-explicit-credentials", AwsAccess("us-west-2", **KEYS)),
    ],
)
def test_the_documents_full_refreshes_are_taken_word_for_word(name, access):
    assert documented(name) == Dataset("users", "users", access, Acceleration(refresh_mode=RefreshMode.FULL))


def test_the_documents_time_format_is_taken_word_for_word():
    dataset = documented("001-time-format")
    assert dataset.mapping == Mapping(layouts=(Layout.of("2006-01-02 15:04:05"),))
    assert dataset.acceleration.refresh_mode is RefreshMode.FULL
    assert dataset.unbuilt == ()


def test_the_documents_basic_stream_is_taken_word_for_word():
    assert documented("001-streams-basic") == Dataset(
        "orders_stream", "my_table", acceleration=on_disk("orders_stream", on_conflict=("id", "version"))
    )


def test_the_documents_advanced_stream_is_taken_word_for_word():
    assert documented("001-streams-advanced") == Dataset(
        "orders_stream",
        "my_table",
        acceleration=on_disk("orders_stream", on_conflict=("id", "version"), snapshots=SNAPSHOTS),
        replication=Replication(scan_interval=0.1, ready_lag=1.0),
        metrics=frozenset({"shards_active", "records_consumed_total", "lag_ms", "errors_transient_total"}),
    )


def test_six_lines_are_enough(folder):
    pod = folder.load(
        "datasets:\n"
        "  - from: dynamodb:orders\n"
        "    name: orders\n"
        "    params: {aws_region: us-east-1, endpoint_url: 'http://127.0.0.1:8000'}\n"
        "    acceleration: {refresh_mode: changes}\n"
    )
    access = AwsAccess("us-east-1", "http://127.0.0.1:8000")
    acceleration = Acceleration(refresh_mode=RefreshMode.CHANGES)
    assert pod.datasets == (Dataset("orders", "orders", access, acceleration),)
    assert (pod.name, pod.folder, pod.path) == (folder.path.name, folder.path, folder.path / "spicepod.yaml")
    assert pod.warnings == pod.unbuilt == ()


@pytest.mark.parametrize("asked", [None, "spicepod.yml", ".", "sub/.."])
def test_a_spicepod_is_found_by_its_folder_or_its_file(folder, asked):
    (folder.path / "sub").mkdir()
    (folder.path / "spicepod.yml").write_text(folder.dataset())
    assert load_pod(Path(asked) if asked else None, {}, folder.path).datasets[0].name == "orders"


def test_an_error_names_the_file_as_it_was_asked_for(folder):
    (folder.path / "shop").mkdir()
    (folder.path / "shop" / "spicepod.yaml").write_text("datasets: []\n")
    with pytest.raises(Exception, match=r"^shop/spicepod\.yaml:1:11: datasets: "):
        load_pod(Path("shop"), {}, folder.path)


def test_relative_paths_start_at_the_spicepods_folder(only, folder):
    acceleration = "mode: file; params:;   duckdb_file: db/orders.duckdb"
    assert only(acceleration=acceleration).acceleration.path == folder.path / "db" / "orders.duckdb"
    assert only(acceleration="mode: file; params:;   duckdb_file: /db/o").acceleration.path == Path("/db/o")


@pytest.mark.parametrize("prefix", ["", "dynamodb_"])
def test_every_parameter_is_taken_with_and_without_its_prefix(only, prefix):
    lines = (
        "aws_region: eu-west-1",
        "aws_access_key_id: a",
        "aws_secret_access_key: b",
        "aws_session_token: c",
        "aws_auth: key",
        "aws_iam_role_source: auto",
        "endpoint_url: https://db.example:8000",
        "scan_segments: 7",
        "scan_interval: 250ms",
        "ready_lag: 1m30s",
        "lag_exceeds_shard_retention_behavior: ready_after_load",
        "consistent_read: false",
        "buffer_size: 8MiB",
        "replication_initial_snapshot: auto",
        "number_type: auto",
        "schema_evolution: on",
        "unnest_depth: 0",
    )
    dataset = only(params="; ".join(prefix + line for line in lines))
    assert dataset.access == AwsAccess(
        "eu-west-1", "https://db.example:8000", Secret("a"), Secret("b"), Secret("c")
    )
    assert dataset.replication == Replication(
        scan_segments=7,
        scan_interval=0.25,
        ready_lag=90.0,
        gap_behavior=GapBehavior.READY_AFTER_LOAD,
        consistent_read=False,
        buffer_bytes=8 * 2**20,
    )
    assert dataset.unbuilt == ()


@pytest.mark.parametrize("prefix", ["", "dynamodb_"])
@pytest.mark.parametrize("behavior", ["restart", "ready_after_load"])
def test_the_newer_names_mean_the_same(only, prefix, behavior):
    dataset = only(
        params=f"{prefix}replication_ready_lag: 3s; "
        f"{prefix}replication_invalid_checkpoint_behavior: {behavior}"
    )
    assert dataset.replication == Replication(ready_lag=3.0, gap_behavior=GapBehavior.READY_AFTER_LOAD)


def test_scan_segments_auto_leaves_the_choice_to_replication(only):
    assert only(params="scan_segments: auto").replication.scan_segments is None


def test_a_bare_zero_is_a_duration(only):
    assert only(params="scan_interval: 0").replication.scan_interval == 0.0


def test_arrow_is_duckdb_in_memory(only):
    acceleration = Acceleration(Engine.DUCKDB, Mode.MEMORY, RefreshMode.CHANGES)
    assert only(acceleration="engine: arrow").acceleration == acceleration


@pytest.mark.parametrize("mapping", ["id: upsert", "(id): upsert", "'id': upsert"])
def test_a_single_key_needs_no_brackets(only, mapping):
    assert only(acceleration=f"on_conflict:;   {mapping}").acceleration.on_conflict == ("id",)


def test_a_metric_that_is_switched_off_is_left_out(only):
    more = "metrics:;   - name: lag_ms;   - name: shards_active;     enabled: false"
    assert only(more=more).metrics == frozenset({"lag_ms"})
    assert only(more="metrics: []").metrics == frozenset()


def test_acceleration_that_is_switched_off_is_none(only):
    dataset = only(acceleration="enabled: false; snapshots: enabled")
    assert dataset.acceleration is None
    assert dataset.unbuilt == ()


@pytest.mark.parametrize("engine", Engine)
def test_every_engine_loads_the_dataset_and_leaves_nothing_out(only, engine):
    dataset = only(acceleration=f"engine: {engine}")
    assert dataset.unbuilt == ()


@pytest.mark.parametrize("mode", RefreshMode)
def test_every_refresh_mode_loads_the_dataset(only, mode):
    dataset = only(acceleration=f"refresh_mode: {mode}", more="time_column: at")
    assert dataset.acceleration.refresh_mode is mode


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        (
            {"params": "replication_initial_snapshot: disabled"},
            (
                "params.replication_initial_snapshot: only auto is built; the table is scanned where there is no copy "
                "to resume, and only then"
            ),
        ),
        (
            {"acceleration": "indexes:;   (a, b): enabled"},
            (
                "acceleration.indexes: engine duckdb has none; queries scan the columns they read, in parallel and past "
                "what cannot match; where single rows are asked for by other columns than the key, choose engine: sqlite "
                "or engine: postgres"
            ),
        ),
        (
            {"more": "columns:;   - name: id;   - name: v;     embeddings: []"},
            "columns[1].embeddings: no effect; Headrace has nothing of the kind",
        ),
        (
            {"more": "columns:;   - name: id;     nullable: false"},
            "columns[0].nullable: no effect; in DynamoDB any attribute but the key may be missing",
        ),
    ],
)
def test_what_is_not_built_is_said_and_does_not_keep_the_dataset_from_loading(only, blocks, sentence):
    dataset = only(**blocks)
    assert dataset.unbuilt == (sentence,)


def test_a_value_that_asks_for_nothing_missing_needs_no_sentence(only):
    acceleration = (
        "snapshots: disabled; refresh_on_startup: auto; ready_state: on_load; retention_check_enabled: false"
    )
    assert only(acceleration=acceleration, more="mode: read").unbuilt == ()


def test_what_stands_beside_the_datasets_and_is_not_built_is_said(folder):
    pod = folder.load(
        "version: v2\n"
        "name: shop\n"
        "metadata: {team: a}\n"
        "secrets:\n  - {from: env, name: env}\n  - {from: keyring, name: keyring}\n"
        "runtime: {query: {target_partitions: 4}, task_history: {enabled: false}}\n"
        "models: [{name: m}]\n" + folder.dataset()
    )
    assert pod.name == "shop"
    assert pod.unbuilt == (
        "models: no effect; Headrace has nothing of the kind",
        (
            "secrets[1].from: keyring is not built yet; references are looked up in the environment and the .env files "
            "only"
        ),
        "runtime.task_history: not built yet; there is none",
        "runtime.query.target_partitions: no effect; DuckDB takes every core",
    )


def test_a_named_store_of_the_environment_may_stand_in_references(folder):
    text = "secrets: [{from: env, name: vault}]\n" + folder.dataset(params="aws_region: ${vault:region}")
    assert folder.load(text, {"REGION": "eu-west-1"}).datasets[0].access.region == "eu-west-1"


def test_polls_that_are_too_rare_for_ready_lag_are_warned_of(folder):
    pod = folder.load(folder.dataset(params="ready_lag: 4s; dynamodb_scan_interval: 1s"))
    assert pod.warnings == (
        (
            "spicepod.yaml:6:31: datasets[0].params.dynamodb_scan_interval: 5 polls, which prove that a shard is read to "
            "its end, take 5s: longer than ready_lag (4s); raise ready_lag to 5s or poll more often"
        ),
    )
    assert folder.load(folder.dataset(params="ready_lag: 5s; scan_interval: 1s")).warnings == ()


def test_keys_that_iam_role_leaves_unused_are_warned_of(folder):
    pod = folder.load(
        folder.dataset(params="aws_access_key_id: a; aws_secret_access_key: b; aws_auth: iam_role")
    )
    assert pod.warnings == (
        (
            "spicepod.yaml:7:17: datasets[0].params.aws_auth: aws_access_key_id and aws_secret_access_key are not used "
            "with iam_role; write 'key' to use them"
        ),
    )
    assert pod.datasets[0].access == AwsAccess()


def test_empty_blocks_are_as_if_they_were_not_there(folder):
    (dataset,) = folder.load(
        "views:\ndatasets:\n  - from: dynamodb:orders\n    name: orders\n    params:\n    metrics:\n"
        "    acceleration:\n      refresh_mode: changes\n      params:\n      on_conflict:\n"
    ).datasets
    assert dataset == Dataset("orders", "orders", acceleration=Acceleration(refresh_mode=RefreshMode.CHANGES))


def test_loading_writes_nothing(folder):
    folder.load(folder.dataset(acceleration="mode: file"))
    assert [path.name for path in folder.path.iterdir()] == ["spicepod.yaml"]


def test_statements_read_consistently_only_where_the_spicepod_says_so(only):
    assert only().reads == Reads()
    assert only(params="consistent_read: true").reads == Reads(consistent_queries=True)
    assert only(params="consistent_read: false").reads == Reads()


def test_a_read_budget_is_units_a_second(only):
    dataset = only(params="dynamodb_max_read_capacity_units: 25")
    assert dataset.reads == Reads(units_per_second=25)
    assert dataset.unbuilt == ()
