"""What tests measured is told at the end of a run, also where they ran in other processes."""

from __future__ import annotations

TOLD = "told"
"""``record_property(TOLD, line)`` has a line printed in the summary."""


def pytest_terminal_summary(terminalreporter):
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
