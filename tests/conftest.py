"""What tests measured and what the simulation counted, told at the end of a run, whichever process it was in."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.simulation.table import Tally

TOLD = "told"
"""``record_property(TOLD, line)`` has a line printed in the summary."""

TALLY = pytest.StashKey[Tally]()
_SENT = "headrace_simulation"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Tally()


@pytest.fixture
def simulation(request: pytest.FixtureRequest) -> Tally:
    """The tally of all seeds that this process has run."""
    return request.config.stash[TALLY]


@pytest.fixture
def disk() -> Iterator[Callable[[int | None], None]]:
    """Leaves so many bytes of room, or all. A limit on the size of files stands for the disk: writes fail at the same places."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def leave(room: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits if room is None else (room, limits[1]))

    yield leave
    leave(None)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_SENT] = session.config.stash[TALLY].encode()
    elif session.config.stash[TALLY].missing() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist is done: what it counted counts here."""
    sent = getattr(node, "workeroutput", {}).get(_SENT)
    if sent is not None:
        node.config.stash[TALLY].merge(Tally.decode(sent))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {text}"
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == TOLD
    ]
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)
    tally = config.stash[TALLY]
    if tally.seeds:
        terminalreporter.section("simulation")
        for line in tally.lines():
            terminalreporter.write_line(line)
