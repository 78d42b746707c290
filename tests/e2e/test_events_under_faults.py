"""The examples of functions and targets, as users run them, all in one process, while all goes wrong that can."""

import random

import pytest

from support.checked.audit import CheckedAudit
from support.checked.custom import CheckedCustom
from support.checked.function import CheckedFunction
from support.checked.outbox import CheckedOutbox
from support.checked.replica import CheckedReplica
from support.checked.search import CheckedSearch
from support.checked.view import CheckedView
from support.crash_world import seed_of_this_run
from support.deadline import eventually
from support.event_stories import Story


def _live(tmp_path, headrace, seed, lives, record_property):
    record_property("seed", seed)
    dice = random.Random(seed)
    checked = [
        CheckedFunction(),
        CheckedReplica(),
        CheckedSearch(),
        CheckedAudit(),
        CheckedView(),
        CheckedOutbox(),
        CheckedCustom(),
    ]
    story = Story(tmp_path, seed, checked)
    with story.served():
        for life in range(lives):
            process = story.process = headrace(tmp_path)
            eventually(lambda p=process: p.events("mapping_started"), within=30, what="a mapping at work")
            story.write(dice.uniform(0.3, 1.5))
            if life == lives - 1:
                break
            process.kill() if dice.random() < 0.7 else process.stop()
        story.weather.calm()
        try:
            # Each life leaves some fifty shards, and each of ten mappings reads all of them.
            eventually(
                story.is_settled, within=30 * lives, what="every change delivered or kept, every target right"
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{story.unsettled()}") from error
        assert process.stop() == 0
        story.expect()


@pytest.mark.timeout(180)
def test_nothing_is_lost_and_every_target_is_right(tmp_path, headrace, record_property):
    _live(tmp_path, headrace, seed_of_this_run(), 3, record_property)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_in_many_lives(tmp_path, headrace, seed, record_property):
    _live(tmp_path, headrace, seed, 8, record_property)
