"""The contract's numbers at the end of a test run."""

from __future__ import annotations

import pytest

from tests.contract.outcomes import told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was compared, so that a suite that compares nothing does not look like one that found nothing."""
    for line in told():
        terminalreporter.write_line(line)
