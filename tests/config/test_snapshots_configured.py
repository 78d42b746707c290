import pytest

from headrace.config.description import describe
from headrace.dataset import AwsAccess, RestoreFailure, Secret, SnapshotMode, SnapshotPlace


def with_place(folder, acceleration, place):
    lines = "".join(f"  {line}\n" for line in place.split("; "))
    return folder.dataset(acceleration=acceleration) + f"snapshots:\n{lines}"


def snapshots_of(pod):
    return pod.datasets[0].acceleration.snapshots


def test_there_are_none_unless_they_are_asked_for(only):
    assert only().acceleration.snapshots is None
    assert only(acceleration="snapshots: disabled").acceleration.snapshots is None


def test_one_word_is_enough(folder, only):
    found = only(acceleration="snapshots: enabled").acceleration.snapshots
    assert found.place == SnapshotPlace(folder.path / ".headrace" / "snapshots")
    assert (found.mode, found.interval, found.batches, found.keep) == (SnapshotMode.ENABLED, 600.0, None, 3)
    assert found.on_failure is RestoreFailure.WARN
    assert not found.always


@pytest.mark.parametrize(
    ("keys", "batches", "interval"),
    [
        ("snapshots_trigger_threshold: 5", 5, None),
        ("snapshots_trigger_threshold: 90s", None, 90.0),
        ("snapshots_trigger: time_interval", None, 600.0),
        ("snapshots_trigger: stream_batches; snapshots_trigger_threshold: 300", 300, None),
        (
            "snapshots: create_only; params:;   snapshots_trigger: stream_batches;   snapshots_trigger_threshold: 7",
            7,
            None,
        ),
        ("refresh_mode: full; snapshots: enabled", None, None),
        ("refresh_mode: full; snapshots: enabled; snapshots_trigger: refresh_complete", None, None),
        ("refresh_mode: full; snapshots: enabled; snapshots_trigger_threshold: 30m", None, 1800.0),
    ],
)
def test_who_says_when_gets_them_then(only, keys, batches, interval):
    found = only(acceleration=keys).acceleration.snapshots
    assert (found.batches, found.interval) == (batches, interval)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "snapshots_trigger: refresh_complete",
            "snapshots_trigger: there are no refreshes with refresh_mode: changes; choose time_interval or stream_batches",
        ),
        (
            "refresh_mode: full; snapshots_trigger: stream_batches; snapshots_trigger_threshold: 5",
            "snapshots_trigger: stream_batches needs refresh_mode: changes; choose time_interval",
        ),
        (
            "refresh_mode: full; snapshots_trigger_threshold: 5",
            "snapshots_trigger_threshold: a number of batches needs refresh_mode: changes; write a duration, such as 10m",
        ),
        (
            "snapshots_trigger: stream_batches; snapshots_trigger_threshold: 10m",
            "snapshots_trigger_threshold: stream_batches needs a number of batches, such as 300",
        ),
        (
            "snapshots_trigger: time_interval; snapshots_trigger_threshold: 5",
            "snapshots_trigger_threshold: time_interval needs a duration, such as 10m",
        ),
        (
            "refresh_mode: full; snapshots_trigger: refresh_complete; snapshots_trigger_threshold: 5m",
            (
                "snapshots_trigger_threshold: each refresh is followed by a snapshot; remove the key, or choose "
                "snapshots_trigger: time_interval"
            ),
        ),
        (
            "snapshots: on",
            "snapshots: 'on' is not one of enabled, bootstrap_only, create_only, disabled",
        ),
    ],
)
def test_what_cannot_be_is_refused(folder, keys, message):
    assert message in folder.refusal(folder.dataset(acceleration=keys))


def test_a_place_may_be_a_folder_as_a_path_or_as_a_uri(folder):
    near = folder.load(with_place(folder, "snapshots: enabled", "location: kept"))
    assert snapshots_of(near).place == SnapshotPlace(folder.path / "kept")
    far = folder.load(with_place(folder, "snapshots: enabled", "location: 'file:///mnt/a%20b'; keep: 9"))
    assert str(snapshots_of(far).place.folder) == "/mnt/a b"
    assert snapshots_of(far).keep == 9


def test_a_place_may_be_a_bucket_whose_keys_are_never_shown(folder):
    place = (
        "location: s3://bucket/a/b/; bootstrap_on_failure_behavior: retry; params:;   s3_region: eu-west-1;   "
        "s3_endpoint: http://127.0.0.1:9000;   s3_key: ${secrets:k};   s3_secret: ${secrets:s}"
    )
    pod = folder.load(with_place(folder, "snapshots: enabled", place), {"K": "AKIAX", "S": "hunter2"})
    access = AwsAccess("eu-west-1", "http://127.0.0.1:9000", Secret("AKIAX"), Secret("hunter2"))
    assert snapshots_of(pod).place == SnapshotPlace(bucket="bucket", prefix="a/b", access=access)
    assert snapshots_of(pod).on_failure is RestoreFailure.RETRY
    assert "hunter2" not in repr(pod)
    assert "in s3://bucket/a/b: written every 10m, 3 kept, restored where there is no copy" in describe(pod)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            "location: abfss://x/y",
            "abfss:// is not a place that is known; name a folder, or s3://BUCKET/PREFIX",
        ),
        ("location: file://host/y", "a folder is written file:///FOLDER, or as a path alone"),
        (
            "location: ~/kept",
            "snapshots.location: '~' and references are not expanded here; write the whole path",
        ),
        ("location: s3://${env:B}/x", "snapshots.location: '~' and references are not expanded here"),
        ("location: s3://", "a bucket is written s3://BUCKET or s3://BUCKET/PREFIX"),
        (
            "params:;   s3_region: eu-west-1",
            "snapshots.params.s3_region: belongs to a location s3://BUCKET/PREFIX",
        ),
        ("location: s3://b; params:;   s3_key: x", "s3_key and s3_secret go together; give both"),
        ("location: s3://b; params:;   s3_regoin: x", "did you mean 's3_region'?"),
        ("location: s3://b; params:;   s3_auth: key", "needs s3_key and s3_secret too"),
        ("keep: 0", "snapshots.keep: '0' is not a whole number from 1 to 1000"),
        ("locaton: x", "snapshots.locaton: there is no such key; did you mean 'location'?"),
    ],
)
def test_a_place_that_cannot_be_is_refused(folder, place, message):
    assert message in folder.refusal(with_place(folder, "snapshots: enabled", place))


def test_those_of_all_datasets_are_turned_off_in_one_place(folder):
    pod = folder.load(with_place(folder, "snapshots: enabled", "enabled: false"))
    assert snapshots_of(pod) is None
    assert "snapshots.enabled is false" in pod.warnings[0]


@pytest.mark.parametrize("mode", ["disabled", "bootstrap_only"])
def test_when_they_are_written_is_of_no_account_where_none_are(folder, mode):
    keys = "; ".join(
        (f"snapshots: {mode}", "snapshots_trigger_threshold: 5", "snapshots_creation_policy: always")
    )
    warnings = folder.load(folder.dataset(acceleration=keys)).warnings
    assert [line.partition("snapshots_")[2] for line in warnings] == [
        f"{key}: no effect with snapshots: {mode}, by which none are written"
        for key in ("trigger_threshold", "creation_policy")
    ]


def test_a_place_that_nobody_uses_is_told(folder):
    warnings = folder.load(with_place(folder, "refresh_mode: changes", "location: kept")).warnings
    assert [line.partition("snapshots: ")[2] for line in warnings] == [
        "no effect: no dataset has any; write snapshots: enabled under its acceleration"
    ]
    assert not folder.load(with_place(folder, "refresh_mode: changes", "enabled: false")).warnings
