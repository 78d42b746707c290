"""Engine Cayenne: its folders, what its files are packed with, and which folders cannot be."""

import pytest

from headrace.config import describe
from headrace.dataset import Acceleration, CayenneFiles, Compression, Engine, Index, Mode, RefreshMode

AT = "datasets[0].acceleration"
CAYENNE = "engine: cayenne"


def copy_of(folder, acceleration):
    """What ``validate`` says of the copy."""
    lines = describe(folder.load(folder.dataset(acceleration=acceleration))).splitlines()
    return next(line[14:] for line in lines if line.startswith("  copy"))


def beside(folder, first, second):
    """A Spicepod of two datasets, by what their accelerations say."""
    return folder.dataset(acceleration=first) + (
        "  - from: dynamodb:users\n    name: users\n"
        f"    acceleration: {{refresh_mode: changes, {second.replace('; ', ', ')}}}\n"
    )


def test_cayenne_keeps_files_in_a_folder_named_after_its_dataset(only, folder):
    home = folder.path / ".headrace" / "data" / "orders.cayenne"
    assert only(acceleration=CAYENNE).acceleration == Acceleration(
        Engine.CAYENNE,
        Mode.FILE,
        RefreshMode.CHANGES,
        cayenne=CayenneFiles(home, home, Compression.BTRBLOCKS),
    )


def test_cayenne_takes_its_folders_and_how_files_are_packed(only, folder):
    lines = (
        f"{CAYENNE}; mode: file; params:;   cayenne_file_path: /data/o/;   cayenne_metadata_dir: meta/o;   "
        "cayenne_compression_strategy: zstd"
    )
    acceleration = only(acceleration=lines).acceleration
    files = acceleration.cayenne
    assert (str(files.folder), files.metadata, files.compression) == (
        "/data/o",
        folder.path / "meta" / "o",
        Compression.ZSTD,
    )
    assert acceleration.mode is Mode.FILE


def test_the_metastore_is_beside_the_files_wherever_these_are(only, folder):
    files = only(acceleration=f"{CAYENNE}; params:;   cayenne_file_path: o").acceleration.cayenne
    assert files.folder == files.metadata == folder.path / "o"


def test_writing_the_mode_that_cayenne_has_anyway_is_fine(folder):
    assert folder.load(folder.dataset(acceleration=f"{CAYENNE}; mode: file")).warnings == ()


def test_validate_says_where_the_files_are_and_how_they_are_packed(folder):
    home = f"{folder.path}/.headrace/data/orders.cayenne"
    assert copy_of(folder, CAYENNE) == f"cayenne in {home} (btrblocks); a restart resumes from it"
    lines = f"{CAYENNE}; params:;   cayenne_metadata_dir: /m;   cayenne_compression_strategy: zstd"
    assert copy_of(folder, lines) == f"cayenne in {home} (zstd), metastore in /m; a restart resumes from it"


def test_an_index_is_said_not_to_be_there(only):
    dataset = only(acceleration=f"{CAYENNE}; indexes:;   status: enabled")
    assert dataset.acceleration.indexes == ()
    assert dataset.unbuilt[-1].startswith("acceleration.indexes: engine cayenne has none; queries scan")
    kept = only(acceleration="engine: sqlite; indexes:;   status: enabled").acceleration
    assert kept.indexes == (Index(("status",)),)


@pytest.mark.parametrize(
    ("key", "fine", "instead"),
    [
        ("cayenne_target_file_size_mb: 64", "auto", "not built yet; Headrace chooses how large files become"),
        (
            "sort_columns: status, created",
            None,
            "not built yet; the rows of a file are sorted by the table's key",
        ),
        ("cayenne_metastore: turso", "sqlite", "only sqlite is built; it holds the metastore"),
        (
            "cayenne_deletion_mode: key",
            "position",
            "only position is built; deleted rows are known by their positions",
        ),
        (
            "cayenne_cdc_durability: memory",
            "file",
            "only file is built; a commit is on disk before the next begins",
        ),
        ("cayenne_footer_cache_mb: 128", None, "no effect; Headrace keeps no cache of files"),
    ],
)
def test_what_spice_tunes_and_headrace_does_not_is_taken_and_said(only, key, fine, instead):
    name, _ = key.split(": ")
    sentence = f"acceleration.params.{name}: {instead}"
    assert sentence in only(acceleration=f"{CAYENNE}; params:;   {key}").unbuilt
    if fine is not None:
        assert not any(
            name in said for said in only(acceleration=f"{CAYENNE}; params:;   {name}: {fine}").unbuilt
        )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "mode: memory",
            (
                f"7:13: {AT}.mode: engine cayenne keeps the copy in files, which outlive the process; remove the key, or "
                "write engine: duckdb or sqlite for a copy in memory"
            ),
        ),
        (
            "indexes:;   email: unique",
            (
                f"8:16: {AT}.indexes.email: engine cayenne does not keep columns unique; write enabled, or choose "
                "engine: sqlite or engine: postgres"
            ),
        ),
        (
            "params:;   cayenne_file_path: here",
            f"8:28: {AT}.params.cayenne_file_path: FOLDER/here is a file; name a folder",
        ),
        (
            "params:;   cayenne_metadata_dir: here",
            f"8:31: {AT}.params.cayenne_metadata_dir: FOLDER/here is a file; name a folder",
        ),
        (
            f"params:;   cayenne_file_path: {'x' * 256}",
            f"8:28: {AT}.params.cayenne_file_path: FOLDER/{'x' * 256} cannot be used (File name too long); name another",
        ),
        (
            "params:;   cayenne_file_path: s3://bucket--usw2-az1--x-s3/o/",
            (
                f"8:28: {AT}.params.cayenne_file_path: an address is not taken; write the path of a place on this "
                "machine"
            ),
        ),
        (
            "params:;   cayenne_compression_strategy: ZSTD",
            (
                f"8:39: {AT}.params.cayenne_compression_strategy: 'ZSTD' is not one of btrblocks, zstd; did you mean "
                "'zstd'?"
            ),
        ),
        (
            "params:;   sqlite_file: o.sqlite",
            (
                f"8:9: {AT}.params.sqlite_file: belongs to engine sqlite, and this one is cayenne; write engine: sqlite, "
                "or remove the key"
            ),
        ),
    ],
)
def test_what_cayenne_cannot_do_is_refused_at_its_place(folder, lines, message):
    (folder.path / "here").touch()
    expected = "spicepod.yaml:" + message.replace("FOLDER", str(folder.path))
    assert folder.refusal(folder.dataset(acceleration=f"{CAYENNE}; {lines}")) == expected


def test_a_file_where_the_folder_is_by_default_is_refused(folder):
    home = folder.path / ".headrace" / "data" / "orders.cayenne"
    home.parent.mkdir(parents=True)
    home.touch()
    assert f"{home} is a file; name a folder" in folder.refusal(folder.dataset(acceleration=CAYENNE))


@pytest.mark.parametrize("own", ["cayenne_file_path", "cayenne_metadata_dir"])
@pytest.mark.parametrize("other", ["cayenne_file_path", "cayenne_metadata_dir"])
def test_a_folder_that_another_dataset_has_is_refused(folder, own, other):
    text = beside(
        folder, f"{CAYENNE}; params:;   {other}: data/x", f"{CAYENNE}; params: {{{own}: data/../data/x}}"
    )
    assert (
        f"datasets[1].acceleration.params.{own}: datasets[0] keeps its copy in {folder.path}/data/../data/x too; give "
        "each dataset a folder of its own"
    ) in folder.refusal(text)


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ("cayenne_file_path: d", f"{CAYENNE}; params: {{cayenne_file_path: d/x}}", "cayenne_file_path"),
        ("cayenne_file_path: d/x", f"{CAYENNE}; params: {{cayenne_file_path: d}}", "cayenne_file_path"),
        ("cayenne_file_path: .", CAYENNE, "cayenne_file_path"),
        (
            "cayenne_metadata_dir: d",
            f"{CAYENNE}; params: {{cayenne_metadata_dir: d/x}}",
            "cayenne_metadata_dir",
        ),
        (
            "cayenne_file_path: d",
            "engine: sqlite; mode: file; params: {sqlite_file: d/metastore.sqlite}",
            "sqlite_file",
        ),
        ("cayenne_file_path: .headrace/data", "engine: duckdb; mode: file", "duckdb_file"),
    ],
)
def test_a_copy_inside_anothers_folder_is_refused_and_both_are_named(folder, first, second, key):
    refusal = folder.refusal(beside(folder, f"{CAYENNE}; params:;   {first}", second))
    assert f"datasets[1].acceleration.params.{key}: datasets[0] keeps its copy in {folder.path}" in refusal
    assert "is not apart from that; name a " in refusal


def test_a_folder_that_only_begins_as_anothers_name_does_is_another(folder):
    text = beside(
        folder,
        f"{CAYENNE}; params:;   cayenne_file_path: d",
        f"{CAYENNE}; params: {{cayenne_file_path: d2}}",
    )
    assert len(folder.load(text).datasets) == 2


def test_a_metastore_inside_the_datasets_own_folder_is_fine(only, folder):
    lines = f"{CAYENNE}; params:;   cayenne_file_path: d;   cayenne_metadata_dir: d/metadata"
    files = only(acceleration=lines).acceleration.cayenne
    assert files.metadata == folder.path / "d" / "metadata"
