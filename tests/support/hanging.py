"""Requests whose answers do not come, or come late."""

from __future__ import annotations

from collections.abc import Callable

from headrace.replicate.commands import Request
from support.world import World


class Hanging:
    """While it lasts, requests that ``matches`` picks are not carried out; ``end`` lets them go on."""

    def __init__(self, world: World, matches: Callable[[Request], bool]) -> None:
        self.world = world
        self.held: list[Request] = []
        self._matches = matches

    def step(self) -> None:
        runner = self.world.runner
        taken = [request for request in runner.outstanding if self._matches(request)]
        self.held += taken
        runner.outstanding[:] = [request for request in runner.outstanding if request not in taken]
        runner.step()

    def until(self, condition: Callable[[], bool], steps: int = 60_000) -> None:
        for _ in range(steps):
            if condition():
                return
            self.step()
        raise AssertionError(f"not reached in {steps} steps; status: {self.world.runner.status}")

    def end(self) -> None:
        self.world.runner.outstanding += self.held
        self.held = []
