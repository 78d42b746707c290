"""The examples of a function and of a replica, as users run them, while all goes wrong that can."""

import json
import random

import pytest

from support.crash_world import seed_of_this_run
from support.deadline import eventually
from support.event_stories import Story


def _live(tmp_path, headrace, seed, lives, record_property):
    record_property("seed", seed)
    dice = random.Random(seed)
    story = Story(tmp_path, seed)
    with story.served():
        for life in range(lives):
            process = headrace(tmp_path)
            eventually(lambda p=process: p.events("mapping_started"), within=30, what="a mapping at work")
            story.write(dice.uniform(0.3, 1.5))
            if life == lives - 1:
                break
            process.kill() if dice.random() < 0.7 else process.stop()
        story.weather.calm()
        eventually(lambda: not story.replica_differs(), within=60, what="an equal replica")

        def settled():
            statuses = json.loads(process.get("/v1/event_source_mappings").data)
            return (
                all(not any(status["shards"].values()) for status in statuses)
                and story.lost()
                <= sum(
                    status["parked"] + status["failures"]
                    for status in statuses
                    if status["name"] == "order-status"
                )
                * 1000
            )

        eventually(settled, within=60, what="every change delivered or kept")
        assert process.stop() == 0
        story.expect_nothing_lost()
        story.expect_order()
        assert not story.replica_differs()


@pytest.mark.timeout(180)
def test_nothing_is_lost_every_order_keeps_its_order_and_the_replica_is_equal(
    tmp_path, headrace, record_property
):
    _live(tmp_path, headrace, seed_of_this_run(), 3, record_property)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_in_many_lives(tmp_path, headrace, seed, record_property):
    _live(tmp_path, headrace, seed, 8, record_property)
