"""Dead processes and their locks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cicd.dags.alive import describe_process, is_dead
from cicd.dags.lock import Lease, LockTerms
from cicd.dags.stores.local import LocalStore
from headgate.errors import LockHeldError
from tests.testing.stepped_clock import SteppedClock

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")


def described(pid: int) -> str:
    """The description of another process of this machine."""
    mine = describe_process()
    assert mine is not None
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{mine.split('/')[0]}/{pid}/{started}"


def test_we_live() -> None:
    mine = describe_process()
    assert mine is not None
    assert f"/{os.getpid()}/" in mine
    assert not is_dead(mine)


def test_a_process_lives_and_dies_even_before_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    text = described(child.pid)
    assert not is_dead(text)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, but still in the table
    assert is_dead(text)
    child.communicate()
    assert is_dead(text)


def test_an_id_that_is_used_again_is_another_process() -> None:
    mine = describe_process()
    assert mine is not None
    assert is_dead(mine + "0")


@pytest.mark.parametrize("text", [None, "", "/", "a/b/c", "other-boot:pid:[1]/1/1", "other-boot:pid:[1]/999999999/1"])
def test_what_cannot_be_told_counts_as_alive(text: str | None) -> None:
    assert not is_dead(text)


@pytest.mark.parametrize("rest", ["", "/", "/x/1", "/1/", "/-1/1"])
def test_nonsense_counts_as_alive(rest: str) -> None:
    mine = describe_process()
    assert mine is not None
    assert not is_dead(mine.split("/")[0] + rest)


def test_only_the_lock_of_the_dead_is_taken_over_and_not_at_once(tmp_path: Path) -> None:
    store, clock, mine = LocalStore(tmp_path), SteppedClock(), describe_process()
    assert mine is not None

    def lease(name: str, process: str | None) -> Lease:
        return Lease(store, "lock", clock, LockTerms(holder=name, token=name, process=process))

    living = lease("living", mine)
    living.acquire()
    with pytest.raises(LockHeldError, match="locked by living"):
        lease("next", mine).acquire()
    living.release()
    lease("dead", mine + "0").acquire()
    with pytest.raises(LockHeldError, match="locked by dead"):
        lease("blind", None).acquire()
    before = clock.monotonic()
    lease("next", mine).acquire()
    assert clock.monotonic() - before == 3
    with pytest.raises(LockHeldError, match="locked by next"):
        lease("another", mine).acquire()
