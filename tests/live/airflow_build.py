"""Installs the real Airflow from its locked requirements into the cache of the real servers.

Like the other parts it is made once, complete or not at all: an environment that is there has its mark. With it comes
an empty database of that version, so that a run only has to copy it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from headgate import process
from headgate.errors import ConfigError, RemoteStateError
from tests.live.build import Say, cache_root, locked

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "airflow.txt"
_TIMEOUT_S = 900.0
_NEXT_STEP = "Make a Python package index reachable (pip and uv read their usual configuration), then try again."


class AirflowPlace:
    """Where it is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def database(self) -> Path:
        """An empty database, to be copied."""
        return self.folder / "airflow.db"

    @property
    def complete(self) -> Path:
        return self.folder / "complete"


def airflow_version() -> str:
    """The version that the requirements pin."""
    found = re.search(r"^apache-airflow==(\S+)", REQUIREMENTS.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise ConfigError("apache-airflow is not pinned", where=str(REQUIREMENTS))
    return found[1]


def find_airflow() -> AirflowPlace:
    """Its place in the cache, whether it is there yet or not."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return AirflowPlace(cache_root() / f"airflow-{airflow_version()}-{digest}")


def build_airflow(say: Say) -> AirflowPlace:
    """Install what is missing; about a minute. Raises `RemoteStateError` when nothing can be installed from."""
    place = find_airflow()
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(place.folder.parent / "lock", say):
        if place.complete.exists():
            say(f"airflow {airflow_version()}: installed already")
            return place
        say(f"airflow {airflow_version()}: installing (about a minute)")
        began = time.monotonic()
        shutil.rmtree(place.folder, ignore_errors=True)
        try:
            _install(place)
            _make_database(place)
        except BaseException:
            shutil.rmtree(place.folder, ignore_errors=True)
            raise
        place.complete.touch()
        say(f"airflow {airflow_version()}: installed in {time.monotonic() - began:.0f} s")
    return place


def environ(home: Path, database: Path, **more: str) -> dict[str, str]:
    """The environment of a program of Airflow; nothing of the user's own Airflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    settings = {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "LOGGING__LOGGING_LEVEL": "WARNING",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{key}": value for key, value in {**settings, **more}.items()},
    }


def _install(place: AirflowPlace) -> None:
    """With uv, and with pip where uv cannot work."""
    _run([sys.executable, "-m", "venv", str(place.folder)])
    rest = ["install", "-q", "--require-hashes", "-r", str(REQUIREMENTS)]
    try:
        _run(
            [sys.executable, "-m", "uv", "pip", rest[0], "--python", str(place.python), "--compile-bytecode", *rest[1:]]
        )
    except RemoteStateError:
        _run([str(place.python), "-m", "pip", *rest])


def _make_database(place: AirflowPlace) -> None:
    home = place.folder / "home"
    home.mkdir()
    _run([str(place.python), "-m", "airflow", "db", "migrate"], environ(home, place.database))
    shutil.rmtree(home)


def _run(command: list[str], env: Mapping[str, str] | None = None) -> None:
    done = process.run(command, timeout_s=_TIMEOUT_S, env=env)
    if done.returncode != 0:
        end = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise RemoteStateError(f"Airflow could not be installed:\n{end}\n", next_step=_NEXT_STEP)
