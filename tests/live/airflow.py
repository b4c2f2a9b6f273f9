"""A real Airflow on loopback: API server and DAG processor over SQLite, reading a folder every second."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.live.airflow_build import AirflowPlace, environ
from tests.live.build import Say
from tests.live.ports import HOST, PortBlock
from tests.live.processes import Server, Supervisor
from tests.live.stack import KEEP

API, PROCESSOR = "airflow-api-server", "airflow-dag-processor"
USERS: Mapping[str, str] = {"viewer": "viewer", "admin": "admin"}
"""Users and their roles; the password is `<user>-password`."""
_PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAirflow:
    """The running servers. `dags` is the folder that they read."""

    url: str
    dags: Path
    servers: Supervisor

    def pause_processor(self) -> None:
        """Let the DAG processor stand still until `resume_processor`."""
        self._signal(signal.SIGSTOP)

    def resume_processor(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        os.killpg(self.servers.pids()[PROCESSOR], number)


@contextlib.contextmanager
def running_airflow(place: AirflowPlace, say: Say) -> Iterator[LiveAirflow]:
    """Start both servers and wait until they are up; about 15 s. Nothing of them is left behind."""
    with contextlib.ExitStack() as stack:
        ports = PortBlock()
        stack.callback(ports.close)
        folder = Path(tempfile.mkdtemp(prefix="headgate-airflow-"))
        belongings = () if os.environ.get(KEEP) else (folder,)
        if not belongings:
            say(f"{KEEP} is set: {folder} is kept")
        servers = stack.enter_context(Supervisor(folder / "logs", say, belongings=belongings))
        dags, home, url = folder / "dags", folder / "home", f"http://{HOST}:{ports.take()}"
        for made in (dags, home):
            made.mkdir()
        shutil.copyfile(place.database, folder / "airflow.db")
        passwords = {user: f"{user}-password" for user in USERS}
        (home / "passwords.json").write_text(json.dumps(passwords), "utf-8")
        env = environ(home, folder / "airflow.db", **_settings(home, dags))
        servers.start(*_servers(place, url, env))
        yield LiveAirflow(url=url, dags=dags, servers=servers)
        assert servers.fallen() == {}, "servers ended though nobody asked them to"


def _settings(home: Path, dags: Path) -> dict[str, str]:
    return {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "API_AUTH__JWT_SECRET": "of-a-server-on-loopback-that-lives-for-a-minute-and-then-is-gone-for-good",
        "API__SECRET_KEY": "of-a-server-on-loopback",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "1",
        "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "1",
        "DAG_PROCESSOR__PARSING_PROCESSES": "2",
    }


def _servers(place: AirflowPlace, url: str, env: Mapping[str, str]) -> tuple[Server, ...]:
    airflow, port = (str(place.python), "-m", "airflow"), url.rpartition(":")[2]

    def healthy(part: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=30)
            return answer.status_code == 200 and (not part or answer.json()[part]["status"] == "healthy")
        return False

    return (
        Server(
            name=API,
            argv=(*airflow, "api-server", "--host", HOST, "--port", port, "--workers", "1"),
            env=env,
            ready=lambda: healthy(""),
            patience_s=_PATIENCE_S,
        ),
        Server(
            name=PROCESSOR,
            argv=(*airflow, "dag-processor"),
            env=env,
            ready=lambda: healthy("dag_processor"),
            patience_s=_PATIENCE_S,
        ),
    )
