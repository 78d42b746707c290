"""Deliveries under seeds that decide everything: writes, weather, failures of the function, the ledger, the process."""

from __future__ import annotations

import pytest

from support.delivery_world import DeliveryWorld, draw


def _lived(seed: int) -> DeliveryWorld:
    """Every second seed keeps its poison to the end, where retries have one."""
    delivering, hardship = draw(seed)
    heal = seed % 2 == 0 or delivering.maximum_retry_attempts is None
    world = DeliveryWorld(seed, delivering, hardship)
    world.run(1200)
    world.settle(heal=heal)
    return world


@pytest.mark.parametrize("part", range(2))
def test_every_record_is_delivered_kept_or_parked_and_every_item_keeps_its_order(part: int) -> None:
    worlds = [_lived(seed) for seed in range(part * 12, part * 12 + 12)]
    assert sum(world.handler.invocations for world in worlds) > 300
    assert any(world.crashes for world in worlds)


def test_a_seed_run_twice_does_the_same_twice() -> None:
    assert _lived(7).trace == _lived(7).trace


@pytest.mark.long
@pytest.mark.parametrize("part", range(40))
def test_thousands_of_seeds(part: int) -> None:
    for seed in range(1000 + part * 100, 1100 + part * 100):
        _lived(seed)


def test_every_failure_reaches_its_destination() -> None:
    for seed in range(200, 206):
        world = _lived(seed)
        unsent = [stored for stored in world.failures() if not stored.sent]
        for _ in range(20_000):
            if not unsent:
                break
            world.step()
            unsent = [stored for stored in world.failures() if not stored.sent]
        assert not unsent
