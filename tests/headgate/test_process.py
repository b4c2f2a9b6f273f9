"""Subprocesses end when they should and leave nothing behind."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import pytest

from headgate.errors import ConfigError
from headgate.process import run


def test_output_and_status_come_back() -> None:
    done = run(
        [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"], timeout_s=30
    )
    assert (done.returncode, done.stdout, done.stderr, done.timed_out) == (7, "out\n", "err\n", False)


def test_stdin_is_given() -> None:
    assert run([sys.executable, "-c", "print(input()[::-1])"], timeout_s=30, stdin="abc\n").stdout == "cba\n"


def test_arguments_are_not_interpreted_by_a_shell() -> None:
    assert run(["printf", "%s", "$(id); `id` > x"], timeout_s=30).stdout == "$(id); `id` > x"


def test_a_missing_program_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no-such-program"):
        run(["no-such-program"], timeout_s=1)


def _ends(pid: int) -> bool:
    """Whether a process that was killed is gone within a minute; the kernel may end it a moment after the signal."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 60)[0])
    finally:
        os.close(handle)


def test_on_timeout_the_whole_group_is_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        "import subprocess, sys, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))\n"
        "print('started', flush=True)\n"
        "child.wait()\n"
    )
    done = run([sys.executable, "-c", script], timeout_s=5)
    assert done.timed_out
    assert done.returncode != 0
    assert done.stdout == "started\n"
    assert _ends(int(pid_file.read_text()))


def test_bytes_that_are_not_utf8_do_not_break_the_reading() -> None:
    done = run([sys.executable, "-c", "import os; os.write(1, b'\\xff\\xfe ok')"], timeout_s=30)
    assert done.stdout.endswith(" ok")


def test_the_environment_is_replaced_not_merged() -> None:
    done = run(
        [sys.executable, "-c", "import os; print(sorted(os.environ))"],
        timeout_s=30,
        env={"ONLY": "1", "PATH": os.defpath},
    )
    assert "HOME" not in done.stdout
    assert "ONLY" in done.stdout
