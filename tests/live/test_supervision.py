"""The supervisor, its ports and its keeper: nothing is left behind, whatever the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headgate import process
from headgate.errors import RemoteTimeoutError
from tests.live import keeper
from tests.live.build import Built
from tests.live.debian import Debian, fetch, library_path
from tests.live.ports import FIRST, LAST, PortBlock
from tests.live.processes import Server, Supervisor
from tests.live.stack import Stack
from tests.live.waiting import eventually

ROOT = Path(__file__).parents[2]
# A server with a child in a process group of its own; it says that it is up by making a file.
PARENT = """
import pathlib, subprocess, sys, time
subprocess.Popen(["sleep", "600"], process_group=0)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


def server(folder: Path, name: str = "parent", code: str = PARENT, patience_s: float = 20) -> Server:
    flag = folder / f"{name}.up"
    argv = (sys.executable, "-c", code, str(flag))
    return Server(name=name, argv=argv, ready=flag.exists, env={"PATH": os.environ["PATH"]}, patience_s=patience_s)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs", said.append) as running:
        yield running


def test_stop_ends_children_in_groups_of_their_own(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(server(tmp_path), server(tmp_path, "other"))
    sessions = supervisor.pids().values()
    eventually(lambda: len(keeper.members(sessions)) == 4, "two servers with a child each")
    supervisor.stop()
    assert keeper.members(sessions) == {}


def test_kill_ends_one_server_and_its_children_only(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(server(tmp_path), server(tmp_path, "other"))
    pids = supervisor.pids()
    supervisor.kill("parent")
    assert keeper.members([pids["parent"]]) == {}
    assert supervisor.pids() == {"other": pids["other"]}
    supervisor.revive("parent")
    assert set(supervisor.pids()) == {"parent", "other"}


def test_a_server_that_does_not_come_up_is_started_once_more_and_its_log_shown(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    once = "import pathlib, sys; p = pathlib.Path(sys.argv[1] + '.tried'); print('no luck', flush=True)\n"
    second = "import time\nif p.exists(): pathlib.Path(sys.argv[1]).touch(); time.sleep(600)\np.touch()"
    supervisor.start(server(tmp_path, code=once + second))
    assert len(said) == 1
    assert "parent did not come up; starting it once more" in said[0]
    assert "no luck" in said[0]
    assert set(supervisor.pids()) == {"parent"}


def test_a_server_that_never_comes_up_is_an_error_that_shows_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(RemoteTimeoutError, match=r"(?s)ended with status 7 after two starts.*the reason"):
        supervisor.start(server(tmp_path, code="import sys; print('the reason'); sys.exit(7)"))


def test_a_server_that_hangs_is_given_up(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(RemoteTimeoutError, match="runs but does not answer"):
        supervisor.start(server(tmp_path, code="import time; time.sleep(600)", patience_s=0.3))


def test_a_fallen_server_is_noticed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(server(tmp_path))
    os.kill(supervisor.pids()["parent"], signal.SIGKILL)
    eventually(lambda: supervisor.fallen() == {"parent": -signal.SIGKILL}, "the supervisor to notice")


def test_port_blocks_do_not_meet() -> None:
    blocks = [PortBlock() for _ in range(8)]
    ports = [block.take() for block in blocks for _ in range(20)]
    for block in blocks:
        block.close()
    assert len(set(ports)) == len(ports)
    assert all(FIRST < port < LAST for port in ports)


def processes_of(folder: Path) -> dict[int, str]:
    """Processes that have the folder in their arguments or environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in text:
                found[int(entry.name)] = text[:60].decode(errors="replace")
    return found


def variables_of(child: subprocess.Popen[str]) -> dict[str, str]:
    """What the command prints until the stack is up."""
    assert child.stdout is not None
    found: dict[str, str] = {}
    while "HEADGATE_LIVE_PROMETHEUS_TARGETS" not in found:
        line = child.stdout.readline()
        assert line, "the stack did not come up"
        name, _, value = line.removeprefix("export ").strip().partition("=")
        found[name] = value
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_stacks_beside_each_other_leave_nothing_behind(
    stack: Stack, built: Built, debian: Debian, tmp_path: Path
) -> None:
    """Two more runs beside the one of the other tests; one is ended by SIGTERM, one by SIGKILL."""
    ends = {signal.SIGTERM: 130, signal.SIGKILL: -signal.SIGKILL}
    folders = {number: tmp_path / number.name for number in ends}
    started = {
        number: subprocess.Popen(
            [sys.executable, "-m", "tests.live", "--folder", str(folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "HEADGATE_LIVE_KEEP"},
        )
        for number, folder in folders.items()
    }
    try:
        urls = {stack.argocd_url}
        for number, child in started.items():
            found = variables_of(child)
            urls.add(found["HEADGATE_LIVE_ARGOCD_URL"])
            headers = {"Authorization": f"Bearer {found['HEADGATE_LIVE_ARGOCD_TOKEN']}"}
            url = f"{found['HEADGATE_LIVE_ARGOCD_URL']}/api/v1/applications"
            answer = httpx.get(url, headers=headers, timeout=20, trust_env=False)
            assert answer.json()["items"] is None, "each stack has applications of its own"
            assert len(processes_of(folders[number])) >= 10
        assert len(urls) == 3
    finally:
        for number, child in started.items():
            child.send_signal(number)
    for number, child in started.items():
        assert child.wait(30) == ends[number]
        if child.stdout is not None:
            child.stdout.close()
        eventually(lambda number=number: not processes_of(folders[number]), "the processes to be gone", 10)  # type: ignore[misc]
        eventually(lambda number=number: not folders[number].exists(), "the folder to be gone", 10)  # type: ignore[misc]
    assert stack.servers.fallen() == {}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_debians_packages_run_without_being_installed(tmp_path: Path) -> None:
    folder = fetch(("redis-server", "prometheus"), tmp_path, print)
    for program in ("redis-server", "prometheus"):
        argv = [str(folder / "usr" / "bin" / program), "--version"]
        done = process.run(argv, timeout_s=20, env=library_path(folder))
        assert done.returncode == 0, done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == [folder.name], "nothing temporary is left"
