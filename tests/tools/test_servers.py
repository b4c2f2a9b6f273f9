"""What would be installed for the tests, and how: decided on folders and with an apt-get of our own. Nothing is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.servers import PROGRAMS, decide, install, missing, no_services

PLACES = {
    "postgresql": "usr/lib/postgresql/15/bin/initdb",
    "mariadb-server-core": "usr/sbin/mariadbd",
    "prometheus": "usr/bin/prometheus",
}


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_places_are_those_of_all_programs() -> None:
    assert PLACES.keys() == PROGRAMS.keys()


@pytest.mark.parametrize("package", PLACES)
def test_a_program_is_found_where_debian_puts_it(tmp_path: Path, package: str) -> None:
    program(tmp_path / PLACES[package])
    assert missing(tmp_path, path="") == [name for name in PLACES if name != package]


@pytest.mark.parametrize("package", PLACES)
def test_a_program_is_found_on_the_path(tmp_path: Path, package: str) -> None:
    program(tmp_path / "bin" / PROGRAMS[package][1])
    assert missing(tmp_path / "nothing", path=str(tmp_path / "bin")) == [name for name in PLACES if name != package]


def test_a_file_that_cannot_be_run_is_no_program(tmp_path: Path) -> None:
    program(tmp_path / "prometheus").chmod(0o644)
    assert missing(tmp_path / "nothing", path=str(tmp_path)) == list(PLACES)


@pytest.mark.parametrize(
    ("packages", "can_install", "wanted", "said"),
    [
        ([], True, False, ""),
        ([], False, False, ""),
        (["a", "b"], False, False, "tests on a and b will be skipped: install them to run these too"),
        (["a", "b"], True, True, "installing a and b for the tests; no service is started"),
    ],
)
def test_it_installs_what_is_missing_where_it_may(
    packages: list[str], can_install: bool, wanted: bool, said: str
) -> None:
    assert decide(packages, can_install=can_install) == (wanted, said)


def test_no_package_starts_its_service_while_it_is_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with no_services(policy):
        assert subprocess.run([policy], check=False).returncode == 101
    assert not policy.exists()


def test_a_policy_that_is_there_is_left_alone(tmp_path: Path) -> None:
    policy = program(tmp_path / "policy-rc.d", "#!/bin/sh\nexit 0\n")
    with no_services(policy):
        assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert policy.exists()


APT = """#!/bin/sh
echo "$DEBIAN_FRONTEND $*" >> {log}
test -x {policy} || exit 9
case "$*" in
*update*) touch {log}.fresh; exit {update} ;;
*) test -e {log}.fresh || {first} ;;
esac
{then}
"""


@pytest.mark.parametrize(
    ("first", "update", "then", "calls", "said"),
    [
        ("exit 0", 0, "exit 0", 1, ""),
        ("exit 100", 0, "exit 0", 3, ""),
        ("exit 100", 0, "echo 'no such package' >&2; exit 100", 3, "no such package"),
        ("exit 100", 1, "exit 0", 2, "it failed"),
    ],
)
def test_old_package_lists_are_made_fresh_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, update: int, then: str, calls: int, said: str
) -> None:
    log, policy = tmp_path / "log", tmp_path / "policy-rc.d"
    program(tmp_path / "bin" / "apt-get", APT.format(log=log, policy=policy, first=first, update=update, then=then))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert install(["prometheus"], policy) == said
    asked = log.read_text().splitlines()
    assert len(asked) == calls
    assert all(line.startswith("noninteractive -qq") for line in asked)
    assert "--no-install-recommends prometheus" in asked[0]
    assert not policy.exists()


def test_without_an_apt_get_it_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get" in install(["prometheus"], tmp_path / "policy-rc.d")


def test_where_nothing_is_missing_or_may_be_installed_it_ends_well(tmp_path: Path) -> None:
    """As `make setup` runs it, on a PATH without apt-get: whatever is missing, it installs nothing and succeeds."""
    tool = Path(__file__).parents[2] / "tools" / "servers.py"
    done = subprocess.run(
        [sys.executable, tool], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "" or "will be skipped" in done.stderr
