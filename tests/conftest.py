"""What holds for all tests."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest

PARITY = "tests/gates/quality/parity/"
"""One row, whichever file: all of them share what Great Expectations says, which takes a minute to ask for."""
LIVE = "tests/live/"
"""One row as well: they share one stack of servers."""
WITHOUT_STACK = tuple(f"tests/live/test_{name}.py" for name in ("airflow", "build", "s3_moto"))
LONGEST = (
    PARITY,
    "tests/cicd/test_release_crash.py",
    "tests/cicd/demo/test_scenarios.py",
    "tests/cicd/test_release.py",
    "tests/cicd/dags/airflow/test_push_waits.py",
    "tests/cicd/analysis/",
    "tests/gates/quality/engines/test_spark.py",
    "tests/cicd/test_quality_bad_input.py",
    "tests/examples/",
)
"""Begin first, so that no worker is left with one of them at the end."""

_TOLD_BY_WORKERS: list[str] = []


def pytest_configure() -> None:
    """A shell that runs the suite in the background has it ignore Ctrl-C, and so would every process that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: min((ranks[name] for name in LONGEST if item.nodeid.startswith(name)), default=99))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, a file goes to one worker, which starts its servers once; some folders as well."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _row(nodeid)

    config.option.loadscopereorder = False  # ours is the better order
    return ByFile(config, log)


def _row(nodeid: str) -> str:
    """What stays on one worker."""
    folders = (PARITY,) if nodeid.startswith(WITHOUT_STACK) else (PARITY, LIVE)
    return next((folder for folder in folders if nodeid.startswith(folder)), nodeid.partition("::")[0])


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
