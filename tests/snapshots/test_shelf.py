import itertools
import threading
import time
from dataclasses import replace

import pytest

from headrace.checkpoint import Checkpoint, SegmentState
from headrace.errors import (
    AcceleratorError,
    SnapshotError,
    SnapshotGone,
    SnapshotRefused,
    SnapshotUnavailable,
)
from headrace.schema import TableSchema
from headrace.snapshot import Exported, Manifest, Unreadable
from headrace.snapshots.folder import FolderStore
from headrace.snapshots.shelf import ABANDONED, DatasetShelf, Label

NOW = 1_800_000_000.0
CHECKPOINT = Checkpoint("table-1", "arn:1", NOW, (SegmentState(None, done=True),), (), NOW, was_ready=True)
SCHEMA = TableSchema.of_keys((("id", "S"),))


class Copy:
    """A copy of a few bytes that writes itself down, and remembers what was put in its place."""

    def __init__(self, content=b"rows", checkpoint=CHECKPOINT):
        self.content, self.checkpoint = content, checkpoint
        self.files = ("a.part", "copy.db")

    def export(self, folder, snapshot):
        assert list(folder.iterdir()) == []
        for name in self.files:
            (folder / name).write_bytes(self.content + name.encode() + snapshot.encode())
        return Exported(self.checkpoint, SCHEMA, 4, 1, 1, "copy 1")

    def restore(self, folder):
        found = sorted(path.name for path in folder.iterdir())
        if found != sorted(self.files):
            raise AcceleratorError(f"not what is needed: {found}")
        self.content = (folder / "copy.db").read_bytes()


class FailingStore(FolderStore):
    """Refuses what ``refused`` says."""

    def __init__(self, folder, refused=lambda act, name: False):
        super().__init__(folder)
        self.refused = refused

    def put(self, name, path):
        if self.refused("put", name):
            raise SnapshotUnavailable("the place is full")
        super().put(name, path)

    def remove(self, name):
        if self.refused("remove", name):
            raise SnapshotUnavailable("the credentials do not allow it")
        super().remove(name)

    def write(self, name, content):
        if self.refused("write", name):
            raise SnapshotUnavailable("the place is full")
        super().write(name, content)


@pytest.fixture
def make(tmp_path):
    tokens = (f"{number:08x}" for number in itertools.count())

    def shelf(copy=None, *, dataset="orders", engine="duckdb", keep=3, store=None, clock=time.time):
        store = store or FolderStore(tmp_path / "kept")
        return DatasetShelf(
            Label(dataset, engine, "orders", keep),
            store,
            copy or Copy(),
            tmp_path / "scratch",
            lambda: next(tokens),
            clock,
        )

    return shelf


def files_of(tmp_path):
    return sorted(
        path.relative_to(tmp_path / "kept").as_posix()
        for path in (tmp_path / "kept").rglob("*")
        if path.is_file()
    )


def test_a_copy_that_was_saved_is_listed_with_all_that_is_to_be_known_of_it(make, tmp_path):
    shelf = make()
    saved = shelf.save(NOW + 5, NOW + 1.25)
    assert saved.id == "20270115T080001250Z-01a3185c6388-00000000"
    assert (saved.rows, saved.letters, saved.waiting, saved.engine, saved.engine_version) == (
        4,
        1,
        1,
        "duckdb",
        "copy 1",
    )
    assert (saved.taken_at, saved.current_to) == (NOW + 5, NOW + 1.25)
    assert saved.columns == (("id", "Utf8"),)
    assert saved.size_bytes == 2 * 4 + 6 + 7 + 2 * len(saved.id)
    assert shelf.listed().manifests == (saved,)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_copy_comes_back_as_it_was(make):
    copy = Copy()
    shelf = make(copy)
    saved = shelf.save(NOW, NOW)
    copy.content = b"other"
    shelf.restore(saved)
    assert copy.content == b"rows" + b"copy.db" + saved.id.encode()


def test_the_newest_is_listed_first_by_what_it_has_and_not_by_when_it_was_written(make):
    shelf = make()
    late = shelf.save(NOW, NOW + 100)
    early = shelf.save(NOW + 200, NOW)
    assert shelf.listed().manifests == (late, early)


def test_of_two_that_have_the_same_changes_for_certain_the_later_is_the_newer(make):
    shelf = make()
    saved = [shelf.save(NOW + moment, NOW) for moment in (3, 1, 2)]
    assert shelf.listed().manifests == (saved[0], saved[2], saved[1])


def test_a_copy_that_is_not_complete_is_not_saved(make, tmp_path):
    shelf = make(Copy(checkpoint=replace(CHECKPOINT, was_ready=False)))
    with pytest.raises(SnapshotError, match="not complete"):
        shelf.save(NOW, NOW)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("stage", ["a.part", "copy.db", "manifest.json"])
def test_what_could_not_be_stored_whole_is_not_there(make, tmp_path, stage):
    shelf = make(
        store=FailingStore(tmp_path / "kept", lambda act, name: act != "remove" and name.endswith(stage))
    )
    with pytest.raises(SnapshotUnavailable, match="full"):
        shelf.save(NOW, NOW)
    assert files_of(tmp_path) == []
    assert shelf.listed().manifests == ()


def test_what_has_no_manifest_is_no_snapshot_and_goes_when_it_is_old(make, tmp_path):
    shelf = make()
    saved = shelf.save(NOW, NOW)
    (tmp_path / "kept/orders" / saved.id / "manifest.json").unlink()
    assert shelf.listed().manifests == ()
    written_at = (tmp_path / "kept/orders" / saved.id / "copy.db").stat().st_mtime
    assert make(clock=lambda: written_at + ABANDONED - 60).prune() == ()
    assert make(clock=lambda: written_at + ABANDONED + 60).prune() == (saved.id,)
    assert files_of(tmp_path) == []


def test_a_byte_that_has_changed_is_found(make, tmp_path):
    copy = Copy()
    shelf = make(copy)
    saved = shelf.save(NOW, NOW)
    file = tmp_path / "kept/orders" / saved.id / "copy.db"
    content = bytearray(file.read_bytes())
    content[2] ^= 1
    file.write_bytes(content)
    for act in (shelf.restore, shelf.verify):
        with pytest.raises(SnapshotRefused, match=r"copy\.db is damaged: it has another checksum$"):
            act(saved)
    assert copy.content == b"rows"
    file.write_bytes(content[:3])
    with pytest.raises(SnapshotRefused, match=r"copy\.db is damaged: it has 3 bytes, not 52$"):
        shelf.verify(saved)


def test_a_file_that_is_missing_is_damage_and_a_snapshot_that_is_gone_is_not(make, tmp_path):
    shelf = make()
    saved = shelf.save(NOW, NOW)
    folder = tmp_path / "kept/orders" / saved.id
    (folder / "copy.db").unlink()
    with pytest.raises(SnapshotRefused, match=r"copy\.db is missing"):
        shelf.restore(saved)
    (folder / "manifest.json").unlink()
    with pytest.raises(SnapshotGone):
        shelf.restore(saved)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b'{"format": 1}', "cannot be read"),
        (b'{"format": 2}', "has format 2, this Headrace knows up to 1; use the newer Headrace"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told_and_the_others_stay(make, tmp_path, text, why):
    shelf = make()
    whole, broken = shelf.save(NOW, NOW), shelf.save(NOW, NOW + 1)
    (tmp_path / "kept/orders" / broken.id / "manifest.json").write_bytes(text)
    listed = shelf.listed()
    assert listed.manifests == (whole,)
    (told,) = listed.unreadable
    assert isinstance(told, Unreadable)
    assert told.id == broken.id
    assert why in told.reason


def test_a_manifest_under_another_id_is_told(make, tmp_path):
    shelf = make()
    saved = shelf.save(NOW, NOW)
    (tmp_path / "kept/orders" / saved.id).rename(tmp_path / "kept/orders/20990101T000000000Z-ffffffff")
    (told,) = shelf.listed().unreadable
    assert told.reason == f"its manifest is that of {saved.id}"


def test_the_newest_stay_and_older_ones_go(make):
    shelf = make(keep=2)
    saved = [shelf.save(NOW, NOW + second) for second in range(5)]
    assert shelf.listed().manifests == (saved[4], saved[3])


def test_where_old_ones_cannot_be_removed_the_place_does_not_fill(make, tmp_path):
    """One that was stored is not told to have failed, which would have another written at once."""
    refused = ["remove"]
    shelf = make(keep=1, store=FailingStore(tmp_path / "kept", lambda act, _name: act in refused))
    saved = [shelf.save(NOW, NOW + second) for second in range(2)]
    for second in range(3):
        with pytest.raises(SnapshotUnavailable, match="do not allow"):
            shelf.save(NOW, NOW + 10 + second)
    assert shelf.listed().manifests == (saved[1], saved[0])
    refused.clear()
    assert shelf.listed().manifests[0] != shelf.save(NOW, NOW + 20)
    assert len(shelf.listed().manifests) == 1


def test_only_the_kind_that_was_written_is_pruned_with_it(make):
    """Of two processes that share a place, neither removes what only the other can use."""
    others = [
        make(Copy(checkpoint=replace(CHECKPOINT, table_id="table-2")), keep=1),
        make(Copy(checkpoint=replace(CHECKPOINT, stream_arn="arn:2")), keep=1),
        make(Copy(checkpoint=replace(CHECKPOINT, reading="other")), keep=1),
        make(engine="sqlite", keep=1),
        make(dataset="order", keep=1),
    ]
    kept = [other.save(NOW, NOW + number) for number, other in enumerate(others)]
    shelf = make(keep=1)
    newest = [shelf.save(NOW, NOW + 10 + second) for second in range(3)][-1]
    assert set(shelf.listed().manifests) == {newest, *kept[:4]}
    assert others[4].listed().manifests == (kept[4],)


def test_everything_old_is_pruned_when_a_person_asks(make):
    other = make(engine="sqlite", keep=3)
    for second in range(3):
        other.save(NOW, NOW + second)
    assert len(make(keep=1).prune()) == 2


def test_many_writers_at_once_leave_the_newest_whole(make, tmp_path):
    shelves = [make(keep=2) for _ in range(4)]
    moments = itertools.count()
    lock = threading.Lock()
    failures = []

    def write(shelf):
        for _ in range(10):
            with lock:
                moment = next(moments)
            try:
                shelf.save(NOW, NOW + moment)
            except Exception as error:  # noqa: BLE001 - any failure fails the test below
                failures.append(error)

    threads = [threading.Thread(target=write, args=(shelf,)) for shelf in shelves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    shelves[0].prune()
    left = shelves[0].listed()
    assert [manifest.current_to for manifest in left.manifests] == [NOW + 39, NOW + 38]
    assert left.unreadable == ()
    for manifest in left.manifests:
        shelves[1].verify(manifest)


def test_a_dataset_of_any_name_has_a_place_of_its_own(make, tmp_path):
    for name in ("a/b", "a", "a%2Fb", "..", "ü x"):
        shelf = make(dataset=name)
        saved = shelf.save(NOW, NOW)
        assert shelf.listed().manifests == (saved,)
    assert (tmp_path / "kept").is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "scratch"}


def test_a_manifest_is_written_for_people_and_read_as_it_was(make):
    saved = make().save(NOW, NOW)
    text = saved.encode()
    assert text.startswith(b'{\n  "id": "2027')
    assert Manifest.decode(text) == saved


def test_what_only_others_could_have_used_goes_when_its_stream_has_forgotten_what_follows(make):
    later = NOW + 2 * ABANDONED + 60
    other = make(Copy(checkpoint=replace(CHECKPOINT, reading="other")), clock=lambda: NOW).save(NOW, NOW)
    unstreamed = replace(CHECKPOINT, reading="other", stream_arn="")
    kept = make(Copy(checkpoint=unstreamed), clock=lambda: NOW).save(NOW, NOW + 1)
    own = make(clock=lambda: later - 120)
    own.save(later, later)
    assert other in own.listed().manifests
    newest = make(clock=lambda: later + 120).save(later, later + 120)
    assert other not in own.listed().manifests
    assert {kept, newest} < set(own.listed().manifests)


def test_a_manifest_that_may_not_be_read_hides_no_other(make, tmp_path):
    class Forbidding(FolderStore):
        def read(self, name):
            if newest.id in name:
                raise SnapshotError("permission denied")
            return super().read(name)

    shelf = make(store=Forbidding(tmp_path / "kept"))
    newest = make().save(NOW, NOW + 1)
    older = make().save(NOW, NOW)
    listed = shelf.listed()
    assert listed.manifests == (older,)
    assert [(one.id, one.reason) for one in listed.unreadable] == [(newest.id, "permission denied")]
