"""What tests measured and what the simulation counted, told at the end of a run, whichever process it was in."""

from __future__ import annotations

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
