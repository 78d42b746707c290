"""When rows become a file, and which files become one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.accelerators.cayenne.policy import FileSize, Policy

POLICY = Policy(
    flush_rows=100, flush_bytes=10_000, fan=4, most_rows=6_400, most_bytes=1_000_000, dead_rows=10
)


def files(*rows, dead=0, size=100):
    return [FileSize(number, count, dead, size) for number, count in enumerate(rows, 1)]


def test_recent_rows_are_flushed_when_there_are_many_or_their_changes_are_large():
    assert not POLICY.flush_is_due(99, 9_999)
    assert POLICY.flush_is_due(100, 0)
    assert POLICY.flush_is_due(1, 10_000)


def test_changes_wait_only_where_flushes_are_far_behind():
    assert not POLICY.must_wait(799, 79_999)
    assert POLICY.must_wait(800, 0)
    assert POLICY.must_wait(0, 80_000)


def test_four_files_of_a_tier_become_one_and_three_do_not():
    assert POLICY.merged(files(100, 120, 90)) == ()
    assert POLICY.merged(files(100, 120, 90, 399)) == (1, 2, 3, 4)


def test_files_of_other_tiers_are_left_alone():
    assert POLICY.merged(files(1600, 100, 400, 100, 100)) == ()
    assert POLICY.merged(files(1600, 100, 400, 100, 100, 100)) == (2, 4, 5, 6)


def test_a_merged_file_grows_no_larger_than_the_most():
    assert POLICY.merged(files(2_000, 2_000, 2_000, 2_000)) == ()
    assert POLICY.merged(files(*[100] * 4, size=400_000)) == ()


def test_a_file_with_more_than_a_hundredth_of_dead_rows_is_written_anew_the_worst_first():
    assert POLICY.merged(files(6_400, dead=64)) == ()
    assert POLICY.merged(files(6_400, dead=65)) == (1,)
    worn = [FileSize(1, 6_000, 100, 10), FileSize(2, 6_000, 3_000, 10), FileSize(3, 6_000, 0, 10)]
    assert POLICY.merged(worn) == (2,)


def test_few_dead_rows_are_left_where_they_are_until_nothing_changes():
    some = files(100, dead=10)
    assert POLICY.merged(some) == ()
    assert POLICY.merged(some, idle=True) == (1,)
    assert POLICY.merged(files(100, dead=11)) == (1,)
    assert POLICY.merged(files(100), idle=True) == ()


def test_a_file_of_dead_rows_alone_is_removed_however_small():
    assert POLICY.merged(files(2, dead=2)) == (1,)


@given(st.lists(st.tuples(st.integers(1, 7_000), st.floats(0, 1)), max_size=20), st.booleans())
def test_compaction_comes_to_an_end(drawn, idle):
    sizes = [FileSize(number, rows, int(rows * share), rows) for number, (rows, share) in enumerate(drawn, 1)]
    for step in range(200):
        chosen = POLICY.merged(sizes, idle=idle)
        if not chosen:
            break
        merged = [file for file in sizes if file.number in chosen]
        rows = sum(file.rows - file.dead for file in merged)
        sizes = [file for file in sizes if file.number not in chosen]
        if rows:
            sizes.append(FileSize(100 + step, rows, 0, rows))
    assert not POLICY.merged(sizes, idle=idle)
