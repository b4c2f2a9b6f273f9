"""A stand-in for Airflow: the part of its REST API that waiting for a parse needs, over a real DAG folder.

DAG files are imported by a Python of their own with a stub in Airflow's place, so that import errors are Python's own.
A pass over the folder happens when `parse` is called, and with `parse_on_look` whenever DAGs are listed. What it shows
then follows Airflow 3.3 as recorded, or with `version` "v1" the forms of Airflow 2. It schedules and runs nothing.
"""

from __future__ import annotations

import json
import sys
import threading
import zipfile
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from cicd.sandbox.routing import Call, Router
from cicd.sandbox.server import AppServer
from gates.dags.ignore import ignored
from headgate import process
from headgate.clock import Clock, SystemClock, format_timestamp

if TYPE_CHECKING:
    from starlette.responses import Response

_PROGRAM = Path(__file__).with_name("airflow_parse.py")
_STALE_AFTER = timedelta(seconds=50)  # stale_dag_threshold
_MOST = 100  # maximum_page_limit
_BUNDLE = "dags-folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dag:
    dag_id: str
    file: str
    source: str
    parsed_at: datetime
    duration_s: float
    stale: bool = False
    has_import_errors: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    number: int
    file: str
    at: datetime
    text: str


@dataclass(slots=True, kw_only=True)
class _Known:
    dags: dict[str, _Dag] = field(default_factory=dict)
    errors: dict[str, _Error] = field(default_factory=dict)
    numbers: int = 0


class AirflowSandbox:
    """The stand-in on a loopback port, reading `folder`.

    `user` and `password` are who may ask; `token` is what they get, and what is accepted. `token` None accepts
    everybody. `may_ask_for_parses` False is the role Viewer. `router.inject` scripts failures.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        version: Literal["v1", "v2"] = "v2",
        token: str | None = None,
        user: str = "headgate",
        password: str = "sandbox-password",  # noqa: S107 - of a stand-in on loopback
        parse_on_look: bool = True,
        may_ask_for_parses: bool = True,
        ahead_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self._folder, self._clock, self._version = folder, clock or SystemClock(), version
        self._token, self._login = token, (user, password)
        self._parse_on_look, self._may_ask = parse_on_look, may_ask_for_parses
        self._ahead = timedelta(seconds=ahead_s)
        self._known, self._mutex = _Known(), threading.RLock()
        self._open = True
        self.asked_for: list[str] = []
        self.router = Router(not_found=lambda _: self._answer(404, {"error": "API route not found"}), guard=self._guard)
        self._add_routes()
        self._server = AppServer(self.router, name="airflow", port=port, date_header=False)
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def set_token(self, token: str | None) -> None:
        """Accept this token from now on, and no other."""
        self._token = token

    def guard_everything(self) -> None:
        """From now on even the version is told only to those who show the token, as by a proxy before the server."""
        self._open = False

    def parse(self) -> None:
        """One pass over the folder."""
        with self._mutex:
            files = self._find()
            answers = self._import(files)
            now = self._now()
            for file in files:
                self._take(file, answers[file], now)
            self._forget({*files}, now)

    # -- parsing -----------------------------------------------------------------------------------------------------

    def _find(self) -> list[str]:
        """DAG files in order: those with both words in them that no .airflowignore hides, and what is in zip files."""
        every = sorted(path for path in self._folder.rglob("*") if path.is_file())
        names = {path.relative_to(self._folder).as_posix(): path for path in every}
        rules = {
            Path(name).parent.as_posix().removeprefix("."): path.read_text("utf-8")
            for name, path in names.items()
            if path.name == ".airflowignore"
        }
        hidden = ignored(names, rules, "glob" if self._version == "v2" else "regexp")
        found = []
        for name, path in names.items():
            if name.endswith(".zip") and zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    inner = [item for item in archive.namelist() if item.endswith(".py") and "/" not in item]
                    found += [f"{name}/{item}" for item in inner if _might_contain_dag(archive.read(item))]
            elif name.endswith(".py") and name not in hidden and _might_contain_dag(path.read_bytes()):
                found.append(name)
        return found

    def _import(self, files: list[str]) -> dict[str, dict[str, Any]]:
        if not files:
            return {}
        done = process.run([sys.executable, "-I", str(_PROGRAM), str(self._folder), *files], timeout_s=120)
        answers: dict[str, dict[str, Any]] = json.loads(done.stdout)
        return answers

    def _take(self, file: str, answer: dict[str, Any], now: datetime) -> None:
        known = self._known
        if "error" in answer:
            before = known.errors.get(file)
            known.numbers += before is None
            number = before.number if before else known.numbers
            known.errors[file] = _Error(number=number, file=file, at=now, text=answer["error"])
            for dag in [dag for dag in known.dags.values() if dag.file == file]:
                known.dags[dag.dag_id] = replace(dag, stale=True, has_import_errors=True)
            return
        known.errors.pop(file, None)
        for dag_id in answer["dags"]:
            known.dags[dag_id] = _Dag(
                dag_id=dag_id, file=file, source=self._source(file), parsed_at=now, duration_s=0.05
            )

    def _source(self, file: str) -> str:
        """As text, which turns every line end into one line feed."""
        head, is_zip, inner = file.partition(".zip/")
        if not is_zip:
            return (self._folder / file).read_text("utf-8")
        with zipfile.ZipFile(self._folder / f"{head}.zip") as archive:
            return archive.read(inner).decode("utf-8")

    def _forget(self, files: set[str], now: datetime) -> None:
        """DAGs of files that are gone are stale at once, DAGs that their file has no more some time later."""
        known = self._known
        for dag in list(known.dags.values()):
            if dag.file not in files or (dag.parsed_at + _STALE_AFTER < now and dag.file not in known.errors):
                known.dags[dag.dag_id] = replace(dag, stale=True)
        # Airflow drops errors of what it does not list, and it lists a zip file, not what is in it.
        known.errors = {file: error for file, error in known.errors.items() if file in files and ".zip/" not in file}

    def _now(self) -> datetime:
        return self._clock.now() + self._ahead

    # -- the API -----------------------------------------------------------------------------------------------------

    def _add_routes(self) -> None:
        api = f"/api/{self._version}"
        self.router.add("POST", "/auth/token", self._log_in)
        self.router.add("GET", f"{api}/version", lambda _: self._answer(200, self._release()))
        self.router.add("GET", f"{api}/{'monitor/' if self._version == 'v2' else ''}health", self._health)
        self.router.add("GET", f"{api}/dags", self._dags)
        self.router.add("GET", f"{api}/dags/{{dag_id}}", self._dag)
        self.router.add("GET", f"{api}/importErrors", self._errors)
        self.router.add("GET", f"{api}/dagSources/{{name}}", self._dag_source)
        self.router.add("PUT", f"{api}/parseDagFile/{{token}}", self._request_parse)

    def _guard(self, call: Call) -> Response | None:
        open_to_all = call.path == "/auth/token" or call.path.rpartition("/")[2] in ("version", "health")
        if self._token is None or (open_to_all and self._open) or not call.path.startswith(f"/api/{self._version}/"):
            return None
        sent = call.headers.get("authorization", "")
        if sent == f"Bearer {self._token}" or (self._version == "v1" and sent.startswith("Basic ")):
            return None
        return self._answer(401, {"detail": "Invalid JWT token" if sent else "Not authenticated"})

    def _log_in(self, call: Call) -> Response:
        if (call.value("username"), call.value("password")) != self._login or self._version == "v1":
            return self._answer(401, {"detail": "Invalid credentials"})
        return self._answer(201, {"access_token": self._token or "everybody"})

    def _release(self) -> dict[str, Any]:
        return {"version": "3.3.2" if self._version == "v2" else "2.11.0", "git_version": None}

    def _health(self, _: Call) -> Response:
        beat = format_timestamp(self._now())
        part = {"status": "healthy", "latest_dag_processor_heartbeat": beat}
        return self._answer(200, {"metadatabase": {"status": "healthy"}, "dag_processor": part})

    def _dags(self, call: Call) -> Response:
        if self._parse_on_look and call.number("offset", 0) == 0:
            self.parse()
        with self._mutex:
            # Stale DAGs are left out unless asked for, in both versions.
            every = call.value("exclude_stale" if self._version == "v2" else "only_active", "true") == "false"
            found = [self._shown(dag) for _, dag in sorted(self._known.dags.items()) if every or not dag.stale]
        return self._page(call, "dags", found)

    def _dag(self, call: Call) -> Response:
        dag = self._known.dags.get(call.args["dag_id"])
        if dag is None:
            return self._answer(404, {"detail": f"The Dag with ID: `{call.args['dag_id']}` was not found"})
        return self._answer(200, self._shown(dag))

    def _errors(self, call: Call) -> Response:
        with self._mutex:
            errors = sorted(self._known.errors.values(), key=lambda error: error.number)
        return self._page(
            call,
            "import_errors",
            [
                {
                    "import_error_id": error.number,
                    "timestamp": format_timestamp(error.at),
                    "filename": error.file if self._version == "v2" else str(self._folder / error.file),
                    "bundle_name": _BUNDLE,
                    "stack_trace": error.text,
                }
                for error in errors
            ],
        )

    def _dag_source(self, call: Call) -> Response:
        name, dags = call.args["name"], self._known.dags
        dag = dags.get(name) if self._version == "v2" else next((d for d in dags.values() if _token(d) == name), None)
        if dag is None:
            detail = f"The source code of the Dag {name}, version_number None was not found"
            return self._answer(404, {"detail": detail})
        if "application/json" not in call.headers.get("accept", "") and self._version == "v1":
            from starlette.responses import PlainTextResponse

            return PlainTextResponse(dag.source)
        more = {"dag_id": dag.dag_id, "version_number": 1, "dag_display_name": dag.dag_id}
        return self._answer(200, {"content": dag.source, **(more if self._version == "v2" else {})})

    def _request_parse(self, call: Call) -> Response:
        if not self._may_ask:
            return self._answer(403, {"detail": "Forbidden"})
        self.asked_for.append(call.args["token"])
        return self._answer(201, None)

    def _shown(self, dag: _Dag) -> dict[str, Any]:
        common = {
            "dag_id": dag.dag_id,
            "dag_display_name": dag.dag_id,
            "is_paused": True,
            "last_parsed_time": format_timestamp(dag.parsed_at),
            "fileloc": str(self._folder / dag.file),
            "has_import_errors": dag.has_import_errors,
            "file_token": _token(dag),
        }
        if self._version == "v1":
            return {**common, "is_active": not dag.stale}
        return {
            **common,
            "is_stale": dag.stale,
            "last_parse_duration": dag.duration_s,
            "bundle_name": _BUNDLE,
            "bundle_version": None,
            "relative_fileloc": dag.file,
        }

    def _page(self, call: Call, name: str, items: list[dict[str, Any]]) -> Response:
        offset, limit = call.number("offset", 0), min(call.number("limit", 50), _MOST)
        return self._answer(200, {name: items[offset : offset + limit], "total_entries": len(items)})

    def _answer(self, status: int, body: object) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse(body, status, headers={"Date": format_datetime(self._now(), usegmt=True)})


def _might_contain_dag(text: bytes) -> bool:
    """Airflow's safe mode: files without both words are not parsed."""
    lowered = text.lower()
    return b"dag" in lowered and b"airflow" in lowered


def _token(dag: _Dag) -> str:
    return f"token-of-{dag.file.replace('/', '-')}"
