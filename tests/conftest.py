"""What holds for all tests."""

from __future__ import annotations

import signal
import sys

import pytest

_TOLD_BY_WORKERS: list[str] = []


def pytest_configure() -> None:
    """A shell that runs the suite in the background has it ignore Ctrl-C, and so would every process that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over what it has to tell."""
    output: dict[str, list[str]] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["contract"] = _told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    _TOLD_BY_WORKERS.extend(getattr(node, "workeroutput", {}).get("contract", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the contract was compared: what compares nothing must not look like what found nothing."""
    for line in (*_TOLD_BY_WORKERS, *_told()):
        terminalreporter.write_line(line)


def _told() -> list[str]:
    outcomes = sys.modules.get("tests.contract.outcomes")
    return [] if outcomes is None else outcomes.told()
