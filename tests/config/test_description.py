from headrace.config import describe


def test_validate_says_what_would_be_done(folder):
    text = folder.dataset(
        params="aws_region: eu-west-1; aws_access_key_id: a; aws_secret_access_key: b; scan_segments: 4; "
        "scan_interval: 250ms; endpoint_url: http://127.0.0.1:8000; lag_exceeds_shard_retention_behavior: restart; "
        "consistent_read: false; buffer_size: 8MiB",
        acceleration="mode: file; on_conflict:;   (id, version): upsert",
        more="metrics:;   - name: lag_ms",
    )
    assert describe(folder.load(text)).splitlines() == [
        f"{folder.path}/spicepod.yaml is valid: 1 dataset",
        "",
        "orders",
        "  table       orders in eu-west-1",
        "  endpoint    http://127.0.0.1:8000",
        "  credentials access key from the Spicepod",
        f"  copy        duckdb in {folder.path}/.headrace/data/orders.duckdb; a restart resumes from it",
        "  refresh     changes: one Scan, and the table's stream beside it and from then on",
        "  key         id, version (checked against the table's)",
        "  scan        4 segments, eventually consistent reads",
        "  polls       each shard at most every 250ms, less often while it is idle",
        "  ready       once the lag is under 2s",
        "  gap         copy the table anew, and answer once that is complete",
        "  buffer      at most 8MiB fetched and not yet applied",
        "  columns     from the items; new ones are added, and they widen",
        "  times       strings of ISO 8601",
        "  numbers     integers, doubles where they are exact, else decimals",
        "  maps        structs",
        "  lists       of text",
        "  metrics     lag_ms",
    ]


def test_validate_says_what_is_doubtful_and_what_is_not_carried_out(folder):
    text = "views: []\n" + folder.dataset(params="scan_interval: 1s; write_parallelism: 1")
    text += "  - from: dynamodb:users\n    name: users\n"
    said = describe(folder.load(text)).splitlines()
    assert said[0] == f"{folder.path}/spicepod.yaml is valid: 2 datasets"
    assert said[said.index("users") :] == [
        "users",
        "  table       users in the region of the AWS configuration",
        "  endpoint    AWS, unless the AWS configuration names another (AWS_ENDPOINT_URL)",
        "  credentials from the AWS credential chain",
        "  copy        none: DynamoDB itself answers",
        "  queries     eventually consistent reads, of what the items are now",
        "  columns     from the items; new ones are added, and they widen",
        "  times       strings of ISO 8601",
        "  numbers     integers, doubles where they are exact, else decimals",
        "  maps        structs",
        "  lists       of text",
        "  metrics     all",
        "",
        "Warnings",
        (
            "  spicepod.yaml:6:22: datasets[0].params.scan_interval: 5 polls, which prove that a shard is read to its end, "
            "take 5s: longer than ready_lag (2s); raise ready_lag to 5s or poll more often"
        ),
        "",
        "Not carried out by this version",
        "  orders: params.write_parallelism: no effect; Headrace does not write to DynamoDB",
    ]


def test_a_copy_in_memory_is_said_to_need_a_scan_after_a_restart(folder):
    said = describe(folder.load(folder.dataset())).splitlines()
    assert "  copy        duckdb in memory; a restart scans the table again" in said
    assert "  polls       each shard often while there are changes, less often while it is idle" in said
    assert "  scan        automatic segments, consistent reads" in said
    assert "  metrics     all" in said


def types_said(folder, **blocks):
    lines = describe(folder.load(folder.dataset(**blocks))).splitlines()
    labels = ("columns", "declared", "times", "numbers", "maps", "lists")
    return [line.strip() for line in lines if line.split()[:1] and line.split()[0] in labels]


def test_validate_says_what_becomes_of_attributes(folder):
    params = "time_format: 20060102150405; number_type: float; unnest_depth: 2; list_type: typed; schema_evolution: freeze"
    columns = "columns:;   - name: id;   - {name: at, type: timestamp};   - {name: price, type: float}"
    assert types_said(folder, params=params, more=columns) == [
        "columns     those of the first 10 items, for good; all else as JSON in _unmapped",
        "declared    id, at Timestamp(Millisecond), price Float64",
        "times       strings like 20060102150405",
        "numbers     integers, else doubles, which round",
        "maps        flattened, 2 levels deep; JSON below",
        "lists       of what their elements are",
    ]


def test_validate_says_that_one_column_takes_all_others(folder):
    columns = "columns:;   - name: id;   - {name: rest, metadata: {json_object: '*'}}"
    said = types_said(folder, params="unnest_depth: 0; number_type: decimal", more=columns)
    assert said[:2] == [
        "columns     the key and the declared ones; all else as JSON in rest",
        "declared    id",
    ]
    assert said[3:5] == ["numbers     integers, else decimals", "maps        JSON"]
