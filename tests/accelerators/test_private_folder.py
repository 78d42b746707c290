import os
import time

from headrace.accelerators.private_folder import LOCK, PrivateFolder


def test_folders_of_processes_that_live_stay_and_each_goes_with_its_own(tmp_path):
    one, other = PrivateFolder(tmp_path, "x-"), PrivateFolder(tmp_path, "x-")
    assert set(tmp_path.iterdir()) == {one.path, other.path}
    one.release()
    assert set(tmp_path.iterdir()) == {other.path}
    other.release()
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_have_left_is_removed_by_the_next(tmp_path):
    killed, killed_in_removing, just_made = (tmp_path / f"x-{number}" for number in range(3))
    for folder in (killed, killed_in_removing, just_made, tmp_path / "y-0"):
        folder.mkdir()
    (killed / LOCK).touch()
    (killed / "file").touch()
    os.utime(killed_in_removing, (0, time.time() - 7200))
    new = PrivateFolder(tmp_path, "x-")
    assert set(tmp_path.iterdir()) == {just_made, tmp_path / "y-0", new.path}
    new.release()
