import errno
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse

from headrace.errors import SnapshotError, SnapshotGone, SnapshotUnavailable
from headrace.snapshots.bucket import BucketStore, bucket_client
from headrace.snapshots.folder import FolderStore
from support.deadline import eventually
from support.ministack import Ministack

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
PART = 5 * 2**20


@pytest.fixture(scope="module")
def s3():
    with Ministack() as stand_in:
        session = botocore.session.Session()
        session.set_config_variable("region", "us-east-1")
        bucket_client(session, stand_in.url, KEYS).create_bucket(Bucket="kept")
        yield lambda: bucket_client(session, stand_in.url, KEYS)


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    if request.param == "folder":
        return FolderStore(tmp_path / "kept")
    prefix = f"p{time.time_ns()}"
    return BucketStore("kept", prefix, request.getfixturevalue("s3"), PART)


def named(store, within="orders/"):
    return {stored.name: stored.size for stored in store.names(within)}


def test_what_is_stored_is_found_and_read_again(store, tmp_path):
    assert list(store.names("orders/")) == []
    source = tmp_path / "source"
    source.write_bytes(b"rows")
    store.put("orders/1/copy", source)
    store.write("orders/1/manifest.json", b"{}")
    store.write("orders2/1/manifest.json", b"no")
    assert named(store) == {"orders/1/copy": 4, "orders/1/manifest.json": 2}
    assert store.read("orders/1/manifest.json") == b"{}"
    store.fetch("orders/1/copy", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"rows"
    assert all(abs(stored.written_at - time.time()) < 60 for stored in store.names("orders/"))


def test_what_is_large_goes_and_comes_in_parts(store, tmp_path):
    content = os.urandom(2 * PART + 12345)
    (tmp_path / "source").write_bytes(content)
    store.put("orders/1/copy", tmp_path / "source")
    store.fetch("orders/1/copy", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert named(store) == {"orders/1/copy": len(content)}


def test_an_empty_file_is_a_file(store, tmp_path):
    (tmp_path / "source").write_bytes(b"")
    store.put("orders/1/copy", tmp_path / "source")
    store.fetch("orders/1/copy", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_what_is_fetched_may_be_written_to(store, tmp_path):
    (tmp_path / "source").write_bytes(b"rows")
    store.put("orders/1/copy", tmp_path / "source")
    store.fetch("orders/1/copy", tmp_path / "back")
    (tmp_path / "back").write_bytes(b"ruin")
    assert store.read("orders/1/copy") == b"rows"


def test_what_is_removed_is_gone_and_may_be_removed_again(store):
    store.write("orders/1/manifest.json", b"{}")
    store.remove("orders/1/manifest.json")
    store.remove("orders/1/manifest.json")
    assert named(store) == {}
    with pytest.raises(SnapshotGone, match="it is not there"):
        store.read("orders/1/manifest.json")


def test_what_is_not_there_is_said_to_be_gone(store, tmp_path):
    with pytest.raises(SnapshotGone):
        store.fetch("orders/1/copy", tmp_path / "back")


def test_a_closed_store_does_nothing(store, tmp_path):
    store.write("orders/1/manifest.json", b"{}")
    store.close()
    for act in (
        lambda: store.read("orders/1/manifest.json"),
        lambda: store.write("orders/1/manifest.json", b"{}"),
        lambda: store.names("orders/"),
    ):
        with pytest.raises(SnapshotUnavailable, match="stopping"):
            act()


def test_an_upload_that_is_stopped_leaves_nothing_to_pay_for(s3, tmp_path):
    store = BucketStore("kept", "stopped", s3, PART)
    (tmp_path / "source").write_bytes(bytes(12 * PART))
    uploads = s3()

    def under_way():
        return uploads.list_multipart_uploads(Bucket="kept").get("Uploads", [])

    failed = []

    def put():
        try:
            store.put("orders/1/copy", tmp_path / "source")
        except SnapshotUnavailable as error:
            failed.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    eventually(lambda: under_way() or not thread.is_alive(), within=20, what="an upload")
    store.close()
    thread.join(30)
    assert failed
    assert under_way() == []
    assert list(BucketStore("kept", "stopped", s3).names("orders/")) == []


@pytest.mark.parametrize(
    ("bucket", "cure"), [("absent", "there is no such bucket; make it, or correct snapshots.location")]
)
def test_a_bucket_that_is_not_there_is_told_with_its_cure(s3, bucket, cure):
    with pytest.raises(SnapshotUnavailable, match=cure):
        BucketStore(bucket, "", s3).write("orders/1/manifest.json", b"{}")


def test_a_bucket_that_nobody_answers_for_is_told(tmp_path):
    session = botocore.session.Session()
    session.set_config_variable("region", "us-east-1")
    store = BucketStore("kept", "", lambda: bucket_client(session, "http://127.0.0.1:9", KEYS))
    with pytest.raises(SnapshotUnavailable, match="cannot list s3://kept/orders/"):
        store.names("orders/")


def test_a_service_other_than_awss_is_sent_nothing_that_only_aws_knows(tmp_path):
    session = botocore.session.Session()
    session.set_config_variable("region", "us-east-1")

    def sent(endpoint_url):
        client, headers = bucket_client(session, endpoint_url, KEYS), {}

        def answered(request, **_):
            headers.update(request.headers)
            return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda: [b""]))

        client.meta.events.register("before-send.s3", answered)
        (tmp_path / "source").write_bytes(b"rows")
        BucketStore("kept", "", lambda: client).put("orders/1/copy", tmp_path / "source")
        return {name.lower() for name in headers}

    assert "x-amz-sdk-checksum-algorithm" in sent(None)
    assert not {"content-encoding", "x-amz-trailer", "x-amz-sdk-checksum-algorithm"} & sent(
        "https://buckets.example"
    )


def test_a_file_that_is_half_written_has_no_name(tmp_path, monkeypatch):
    store = FolderStore(tmp_path / "kept")
    (tmp_path / "source").write_bytes(b"rows")

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SnapshotUnavailable, match="No space left"):
        store.put("orders/1/copy", tmp_path / "source")
    assert named(store) == {}


def test_what_others_remove_as_soon_as_it_has_its_name_was_written_all_the_same(tmp_path, monkeypatch):
    store, other = FolderStore(tmp_path / "kept"), FolderStore(tmp_path / "kept")
    replace = Path.replace

    def replaced(path, target):
        replace(path, target)
        other.remove("orders/1/manifest.json")

    monkeypatch.setattr(Path, "replace", replaced)
    store.write("orders/1/manifest.json", b"{}")
    assert named(store) == {}


def test_a_disk_that_takes_a_part_first_gets_the_rest_or_says_why(s3, tmp_path, monkeypatch):
    """Half of a good snapshot must not be taken for a damaged one."""
    content = os.urandom(100_000)
    store = BucketStore("kept", "full", s3, PART)
    (tmp_path / "source").write_bytes(content)
    store.put("orders/1/copy", tmp_path / "source")
    write, room = os.pwrite, [200_000]

    def pwrite(file, some, start):
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = write(file, some[: min(room[0], 30_000)], start)
        room[0] -= taken
        return taken

    monkeypatch.setattr(os, "pwrite", pwrite)
    store.fetch("orders/1/copy", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    room[0] = 50_000
    with pytest.raises(SnapshotUnavailable, match="No space left"):
        store.fetch("orders/1/copy", tmp_path / "back")


def test_a_folder_that_may_not_be_written_is_not_tried_again(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    with pytest.raises(SnapshotError, match="Not a directory"):
        FolderStore(blocked).write("orders/1/manifest.json", b"{}")


def test_a_link_serves_where_the_file_system_has_them(tmp_path):
    store = FolderStore(tmp_path / "kept")
    (tmp_path / "source").write_bytes(b"rows")
    store.put("orders/1/copy", tmp_path / "source")
    assert (tmp_path / "kept/orders/1/copy").samefile(tmp_path / "source")
    (tmp_path / "source").unlink()
    assert store.read("orders/1/copy") == b"rows"
