"""The client of Airflow's REST API, both versions: pages, credentials, clocks, and answers that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from cicd.dags.airflow.access import Access, Anonymous, BearerToken, Google, Password, choose_access
from cicd.dags.airflow.client import AirflowClient
from cicd.dags.airflow.protocol import Folder, read_dags, read_problems, read_source
from cicd.sandbox.airflow import AirflowSandbox
from cicd.sandbox.routing import Fault
from headgate.clock import SystemClock
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import Secret
from tests.testing.closed_port import closed_port
from tests.testing.stepped_clock import SteppedClock

ANYWHERE = Folder()
DAGS = "from airflow.sdk import DAG\n{}\n"


@contextmanager
def client_of(
    sandbox: AirflowSandbox, access: Access | None = None, folder: Folder = ANYWHERE
) -> Iterator[AirflowClient]:
    client = AirflowClient(sandbox.url, access or Anonymous(), folder=folder, timeout_s=60, clock=SystemClock())
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_everything_on_all_pages(tmp_path: Path, version: Literal["v1", "v2"]) -> None:
    dags = "\n".join(f"DAG('d{number:03}')" for number in range(130))
    (tmp_path / "many.py").write_text(DAGS.format(dags))
    for number in range(101):
        (tmp_path / f"bad{number:03}.py").write_text("# airflow dag\nimport not_there\n")
    folder = Folder(root=str(tmp_path))
    with AirflowSandbox(tmp_path, version=version) as sandbox, client_of(sandbox, folder=folder) as client:
        found, problems = client.look()
        assert client.version == version
        assert [dag.dag_id for dag in found] == [f"d{number:03}" for number in range(130)]
        assert {dag.at for dag in found} == {"many.py"}
        assert [item.at for item in problems] == [f"bad{number:03}.py" for number in range(101)]
        assert "not_there" in problems[0].stack_trace
        assert client.source(found[7]) == (tmp_path / "many.py").read_text()
        assert client.request_parse(found[7].token)
        assert client.processor()[0] == "healthy"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_stale_dags_are_listed_as_such(tmp_path: Path, version: Literal["v1", "v2"]) -> None:
    (tmp_path / "a.py").write_text(DAGS.format("DAG('a')"))
    folder = Folder(root=str(tmp_path))
    with AirflowSandbox(tmp_path, version=version) as sandbox, client_of(sandbox, folder=folder) as client:
        client.look()
        (tmp_path / "a.py").unlink()
        assert [(dag.dag_id, dag.stale) for dag in client.look()[0]] == [("a", True)]


def test_a_dag_without_source_and_a_parse_that_may_not_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(DAGS.format("DAG('a/with ?%')"))
    with AirflowSandbox(tmp_path, may_ask_for_parses=False) as sandbox, client_of(sandbox) as client:
        (dag,) = client.look()[0]
        assert client.source(dag) is not None
        assert not client.request_parse(dag.token)
        sandbox.router.inject(Fault(path="dagSources", status=404, body="{}"))
        assert client.source(dag) is None


def test_the_clocks_are_compared(tmp_path: Path) -> None:
    with AirflowSandbox(tmp_path, ahead_s=3600) as sandbox, client_of(sandbox) as client:
        assert client.ahead == timedelta(0)
        client.look()
        assert timedelta(seconds=3590) < client.ahead < timedelta(seconds=3602)


def test_an_address_that_is_not_airflow(tmp_path: Path) -> None:
    with AirflowSandbox(tmp_path) as sandbox, client_of(sandbox) as client:
        sandbox.router.inject(Fault(path="version", times=2, status=404, body="not here"))
        with pytest.raises(NotFoundError, match="neither /api/v2/version nor /api/v1/version"):
            client.look()
        sandbox.router.inject(Fault(path="v2/version", status=200, body="<html>for people</html>"))
        with pytest.raises(NotFoundError):
            client.look()
        sandbox.router.inject(Fault(path="version", times=9, status=503))
        with pytest.raises(ServerFaultError, match="503"):
            client.look()


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"dags": 1}', '{"dags": [{"dag_id": "a", "last_parsed_time": "soon"}]}', "no"]
)
def test_answers_that_are_none(tmp_path: Path, body: str) -> None:
    with AirflowSandbox(tmp_path) as sandbox, client_of(sandbox) as client:
        sandbox.router.inject(Fault(path="/dags", status=200, body=body))
        with pytest.raises(ServerFaultError) as caught:
            client.look()
    assert "/api/v2/dags" in str(caught.value)


def test_pages_end_though_the_server_counts_wrong(tmp_path: Path) -> None:
    with AirflowSandbox(tmp_path) as sandbox, client_of(sandbox) as client:
        sandbox.router.inject(Fault(path="/dags", status=200, body='{"dags": [], "total_entries": 7}'))
        assert client.look() == ((), ())


@pytest.mark.parametrize(
    ("access", "text"),
    [
        (Anonymous(), "Set HEADGATE_AIRFLOW_TOKEN"),
        (BearerToken(Secret("not-the-right-token")), "HEADGATE_AIRFLOW_TOKEN is wrong or has expired"),
        (Password("headgate", Secret("not-the-password")), "Check HEADGATE_AIRFLOW_USER"),
    ],
)
def test_credentials_that_are_refused_are_named(tmp_path: Path, access: Access, text: str) -> None:
    with (
        AirflowSandbox(tmp_path, token="the-right-token") as sandbox,
        client_of(sandbox, access) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.look()
    assert text in str(caught.value)
    assert "not-the-" not in str(caught.value)


def test_missing_rights_are_named(tmp_path: Path) -> None:
    with AirflowSandbox(tmp_path) as sandbox, client_of(sandbox) as client:
        sandbox.router.inject(Fault(path="importErrors", status=403, body='{"detail": "Forbidden"}'))
        with pytest.raises(AuthenticationError, match="read DAGs, their code and import errors"):
            client.look()


def test_airflow_2_takes_user_and_password_as_they_are(tmp_path: Path) -> None:
    access = Password("headgate", Secret("sandbox-password"))
    with AirflowSandbox(tmp_path, version="v1", token="x") as sandbox, client_of(sandbox, access) as client:
        client.look()
        assert ("POST", "/auth/token") not in sandbox.router.requests


@pytest.mark.parametrize(
    ("kind", "url", "environ", "expected"),
    [
        ("auto", "https://airflow.example.com", {}, Anonymous),
        ("auto", "https://airflow.example.com", {"HEADGATE_AIRFLOW_TOKEN": "a-token-value"}, BearerToken),
        ("auto", "https://airflow.example.com", {"HEADGATE_AIRFLOW_USER": "u", "HEADGATE_AIRFLOW_PASSWORD": "a-password"}, Password),
        ("auto", "https://0a1b-dot-europe-west1.composer.googleusercontent.com", {}, Google),
        ("auto", "https://0a1b.composer.googleusercontent.com", {"HEADGATE_AIRFLOW_TOKEN": "a-token-value"}, BearerToken),
        ("google", "https://airflow.example.com", {}, Google),
        ("none", "https://airflow.example.com", {"HEADGATE_AIRFLOW_TOKEN": "a-token-value"}, Anonymous),
    ],
)  # fmt: skip
def test_who_asks(kind: Any, url: str, environ: dict[str, str], expected: type) -> None:
    assert type(choose_access(kind, url, environ)) is expected


@pytest.mark.parametrize(
    ("kind", "environ", "text"),
    [
        ("token", {}, "HEADGATE_AIRFLOW_TOKEN is not set"),
        ("password", {"HEADGATE_AIRFLOW_USER": "u"}, "HEADGATE_AIRFLOW_PASSWORD is not set"),
        ("auto", {"HEADGATE_AIRFLOW_PASSWORD": "a-password"}, "HEADGATE_AIRFLOW_USER is not set"),
    ],
)
def test_credentials_that_are_not_set(kind: Any, environ: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        choose_access(kind, "https://airflow.example.com", environ)


def test_names_of_airflow_2_count_from_its_folder_and_bundles_are_told_apart() -> None:
    dags = {"dags": [{"dag_id": "a", "fileloc": "/home/airflow/gcs/dags/t/a.py", "is_active": False},
                     {"dag_id": "b", "fileloc": "/elsewhere/b.py"}], "total_entries": 2}  # fmt: skip
    found, number, total = read_dags(dags, "here", Folder(root="/home/airflow/gcs/dags"))
    assert [(dag.dag_id, dag.at, dag.stale) for dag in found] == [("a", "t/a.py", True)]
    assert (number, total) == (2, 2)
    errors = {"import_errors": [
        {"filename": "a.py", "bundle_name": name, "timestamp": "2026-11-21T11:03:29Z", "stack_trace": None}
        for name in ("ours", "theirs")
    ]}  # fmt: skip
    assert len(read_problems(errors, "here", Folder(bundle="ours"))[0]) == 1
    assert len(read_problems(errors, "here", Folder())[0]) == 2


def test_a_source_that_airflow_hides_is_a_missing_right() -> None:
    hidden = {"content": "REDACTED - you do not have read permission on all Dags in the file"}
    with pytest.raises(AuthenticationError, match="may not read the source"):
        read_source(json.loads(json.dumps(hidden)), "here")


def test_a_server_that_is_gone() -> None:
    with closed_port() as port:
        client = AirflowClient(
            f"http://127.0.0.1:{port}", Anonymous(), folder=ANYWHERE, timeout_s=60, clock=SteppedClock()
        )
        with pytest.raises(UnreachableError):
            client.look()
        client.close()


def test_a_proxy_that_wants_credentials_for_everything(tmp_path: Path) -> None:
    with AirflowSandbox(tmp_path, token="the-right-token") as sandbox:
        sandbox.guard_everything()
        with client_of(sandbox, BearerToken(Secret("the-right-token"))) as client:
            assert client.look() == ((), ())
        with client_of(sandbox) as client, pytest.raises(AuthenticationError, match="Set HEADGATE_AIRFLOW_TOKEN"):
            client.look()
