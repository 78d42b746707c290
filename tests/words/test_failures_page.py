"""The page for the night operator says nothing that the code does not do."""

import re
from pathlib import Path

import pytest

from headrace.metric import METRIC_NAMES
from headrace.metrics.story import EVENTS, MAPPING_EVENTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| What happens", "| ---"))
]
EVENT_NAMES = {name for name, _ in (*EVENTS.values(), *MAPPING_EVENTS.values())}
STORIES = {
    "DynamoDB throttles": "test_a_passing_failure_is_tried_again_and_counted",
    "A shard iterator": "test_an_iterator_older_than_fifteen_minutes_is_opened_again_after_the_last_record",
    "The stream has forgotten": "test_a_gap_follows_the_configured_behavior_at_the_opening_and_while_running_alike",
    "The stream was turned off": "test_a_stream_that_is_off_is_drained_said_and_another_one_begins_a_new_copy",
    "The stream was turned off and on": "test_a_stream_that_was_replaced_unseen_is_drained_first",
    "The stream holds": "test_a_stream_without_new_images_names_the_view_types_that_serve",
    "The table was deleted": "test_a_table_that_is_deleted_is_named_and_one_of_its_name_is_copied_anew",
    "The table was re-created": "test_a_table_re_created_between_two_looks_is_copied_anew",
    "Access denied": "test_a_denial_names_its_cure_is_tried_slowly_and_heals_without_a_restart",
    "Credentials": "test_a_denial_names_its_cure_is_tried_slowly_and_heals_without_a_restart",
    "A record": "test_letters_are_kept_once_whole_and_with_the_rows",
    "An item cannot be decoded": "test_items_that_cannot_be_decoded_are_left_out_and_told",
    "A dataset without a copy": "test_a_table_that_may_not_be_read_says_why_and_answers_once_it_may",
    "The disk is full": "test_a_full_disk_moves_no_checkpoint_says_so_and_heals",
    "Another process": "test_a_file_that_another_process_holds_is_named_and_taken_when_it_is_free",
    "The database gives": "test_a_database_that_gives_up_is_reopened_for_the_writer_and_for_readers",
    "Something stands": "test_a_commit_that_does_not_return_turns_ready_off_and_on_again",
    "An ended shard's": "test_an_ended_shard_whose_children_never_appear_is_not_live",
    "The thread": "test_a_replication_thread_that_hangs_is_noticed_from_outside",
    "Headrace itself": "test_a_replication_thread_that_dies_says_why",
    "A snapshot cannot be written": "test_a_failure_is_told_tried_again_and_keeps_nobody_waiting",
    "A snapshot cannot be restored": "test_a_spoiled_snapshot_is_passed_over_for_the_next_older_one",
    "A refresh is given up": "test_a_refresh_that_fails_for_good_keeps_the_old_copy_and_says_so",
    "A function of a mapping fails": "test_a_mapping_keeps_to_the_rule",
    "A function cannot be started": "test_a_function_that_takes_too_long_is_ended_with_all_it_has_started",
    "Records are given up": "test_every_failure_reaches_its_destination",
    "The destination of failures": "test_every_failure_reaches_its_destination",
    "What is durable of mappings": "test_a_full_disk_is_named_nothing_is_half_done_and_it_goes_on_once_there_is_room",
    "The stream has forgotten records": "test_a_mapping_keeps_to_the_rule",
    "The process is killed": "test_every_value_survives_bootstrap_stream_and_restart",
    "The configuration": "test_a_wrong_spicepod_is_refused_at_start_and_nothing_is_touched",
}
"""The beginning of each row, and the test that tells its story."""


def text_of(*globs):
    """Source as one text in which a literal that is split over lines is whole."""
    text = "\n".join(path.read_text(encoding="utf-8") for glob in globs for path in sorted(ROOT.glob(glob)))
    return re.sub(r'"\n\s+f?"', "", text)


SOURCE = text_of("src/headrace/**/*.py")
TESTS = text_of("tests/**/test_*.py")


def test_there_are_rows_and_each_has_three_cells():
    assert len(ROWS) > 15
    assert all(len(row) == 3 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_what_a_row_names_is_what_the_code_says(row):
    what, seen, _ = row
    for kind, names in (("[Ll]og", EVENT_NAMES), ("[Mm]etrics?", METRIC_NAMES)):
        for listed in re.findall(rf"{kind} ((?:`\w+`(?: 0| or | and |, )?)+)", seen):
            named = re.findall(r"`(\w+)`", listed)
            assert named
            assert set(named) <= names, what
    for quoted in re.findall(r'"([^"]+)"', seen):
        assert quoted in SOURCE, (what, quoted)


def test_each_row_has_a_story_that_is_told():
    for row in ROWS:
        beginnings = [start for start in STORIES if row[0].startswith(start)]
        assert beginnings, row[0]
        for start in beginnings:
            assert f"def {STORIES[start]}(" in TESTS, start
    for start in STORIES:
        assert any(row[0].startswith(start) for row in ROWS), start


def test_every_warning_of_the_log_and_every_counter_of_trouble_stands_on_the_page():
    for name, level in EVENTS.values():
        if level in ("warning", "error"):
            assert f"`{name}`" in PAGE, name
    for name in ("errors_transient_total", "gaps_total", "stalls_total", "dead_letters_total", "live"):
        assert f"`{name}`" in PAGE
