"""Recorded answers of Argo CD read, errors told apart, and the wait rule."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from deployments.argocd import sansio
from deployments.argocd.client import ArgoCd
from deployments.argocd.delivery import ArgoDelivery
from deployments.argocd.failures import error_code, failure
from deployments.argocd.sansio import AppRef, ResourceRef
from deployments.argocd.waiting import Done, Failed, Foreign, Pending, Stale, is_synced, obstacle, operation_state
from deployments.release.ports import Delivered, DeliveryFailed, NotYet, Wanted
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    RemoteStateError,
    ServerFaultError,
)
from headgate.http import HttpClient, Response
from tests.testing.stepped_clock import SteppedClock

SAMPLES = Path(__file__).parents[2] / "samples" / "argocd"
APP = AppRef(name="reco", project="default")
ROLLOUT = ResourceRef(namespace="shop", name="reco")
OLD = "699c379c97e75505c0b65240f158f21eac4c0338"
NONCE = "b9cb2442-3ccd-43ca-a833-9d00884c210b"


def answer(name: str) -> Response:
    raw = json.loads((SAMPLES / f"{name}.json").read_text())
    body = raw["body"] if isinstance(raw["body"], str) else json.dumps(raw["body"])
    return Response(status=raw["status"], headers={}, body=body.encode(), where="GET x")


def test_requests_are_what_the_recordings_show() -> None:
    sync = sansio.sync_application(APP, revision="abc", nonce="n")
    assert (sync.method, sync.path, sync.repeatable) == ("POST", "/api/v1/applications/reco/sync", False)
    assert sync.body == {
        "name": "reco",
        "project": "default",
        "revision": "abc",
        "prune": False,
        "infos": [{"name": "headgate", "value": "n"}],
    }
    assert sync.headers == {"Content-Type": "application/json"}
    read = sansio.get_application(replace(APP, namespace="team"), refresh="normal")
    assert read.params == {"project": "default", "appNamespace": "team", "refresh": "normal"}
    assert read.headers == {}
    v2, v1 = sansio.run_action(APP, ROLLOUT, "abort"), sansio.run_action_v1(APP, ROLLOUT, "abort")
    assert v2.body == {
        "name": "reco", "project": "default", "action": "abort", "namespace": "shop", "resourceName": "reco",
        "group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout",
    }  # fmt: skip
    assert v1.body == "abort"
    assert v1.params["resourceName"] == "reco"
    assert sansio.get_application(replace(APP, name="a/../b")).path == "/api/v1/applications/a%2F..%2Fb"


def test_settled_application() -> None:
    app = sansio.parse_application(answer("application_settled"))
    assert (app.sync_status, app.health, app.sync_revision, app.busy, app.automated) == (
        "Synced", "Healthy", OLD, False, False,
    )  # fmt: skip
    assert app.operation is not None
    assert (app.operation.phase, app.operation.nonce, app.operation.revision) == ("Succeeded", NONCE, OLD)
    assert is_synced(app, lambda revision: revision == OLD)
    assert not is_synced(app, lambda revision: False)


def test_automated_application_and_conditions() -> None:
    assert sansio.parse_application(answer("application_auto_sync")).automated
    broken = sansio.parse_application(answer("application_broken_yaml"))
    assert broken.sync_status == "Unknown"
    assert any(text.startswith("ComparisonError") for text in broken.conditions)
    assert sansio.parse_manifest(answer("resource_manifest"))["kind"] == "Rollout"


@pytest.mark.parametrize(
    ("name", "nonce", "accepted", "expected"),
    [
        ("application_settled", NONCE, OLD, Done),
        ("application_settled", NONCE, "f" * 40, Stale),
        ("application_settled", "other", OLD, Foreign),
        ("application_operation_running", "n1", "x", Pending),
        ("application_operation_running", "other", "x", Foreign),
        ("application_operation_terminated", "n1", "x", Failed),
        ("application_operation_failed_hook", "4f93559b-36c3-458e-b84a-a7a4c1147582", "x", Failed),
        ("application_revision_missing", "x", "x", Foreign),
        ("application_rolled_back_out_of_sync", "x", "x", Foreign),
        ("application_auto_sync", "n8", "e59b32324e97fe2fd8738251a8746b559973c87f", Done),
        ("application_dry_run", "n", "x", Foreign),
    ],
)
def test_wait_rule_on_recorded_applications(name: str, nonce: str, accepted: str, expected: type) -> None:
    app = sansio.parse_application(answer(name))
    assert type(operation_state(app, nonce=nonce, accepts=lambda revision: revision == accepted)) is expected


def test_wait_rule_corners() -> None:
    app = sansio.parse_application(answer("application_settled"))
    assert app.operation is not None

    def state(**change: object) -> object:
        return operation_state(replace(app, **change), nonce="rel/apply", accepts=lambda revision: revision == OLD)  # type: ignore[arg-type]

    attempt = replace(app.operation, nonce="rel/apply/1")
    assert state(operation=attempt) == Done(revision=OLD)
    assert isinstance(state(operation=replace(attempt, nonce="rel/applyX")), Foreign)
    assert isinstance(state(operation=replace(attempt, dry_run=True)), Foreign)
    assert isinstance(state(operation=attempt, busy=True), Pending)
    assert isinstance(state(operation=replace(attempt, finished=False)), Pending)
    assert isinstance(state(operation=replace(attempt, phase="Terminating")), Pending)
    assert state(operation=None) == Foreign(why="there was no operation yet", busy=False)
    running = state(operation=replace(app.operation, finished=False, phase="Running"))
    assert isinstance(running, Foreign)
    assert running.busy


@pytest.mark.parametrize(
    ("name", "kind", "code", "message"),
    [
        ("error_garbage_token", AuthenticationError, 16, r"does not accept the token.*HEADGATE_ARGOCD_TOKEN"),
        (
            "error_denied_without_project",
            AuthenticationError,
            7,
            r"p, ACCOUNT, applications, sync, default/reco, allow",
        ),
        ("error_reader_may_not_sync", AuthenticationError, 7, r"permission denied: applications, sync, default/reco"),
        ("error_sync_window", RemoteStateError, 7, r"sync window of project default opens"),
        ("error_missing_app", NotFoundError, 5, r"no application 'reco' in project 'default'"),
        ("error_operation_in_progress", ConflictError, 9, r"another operation is already in progress"),
        ("error_auto_sync", ConflictError, 9, r"auto-sync currently set to main"),
        ("error_malformed", ConfigError, 3, r"cannot sync"),
        ("error_not_in_app", ConfigError, 3, r"not found as part of application reco"),
        ("error_unknown_action", ServerFaultError, 2, r"Lua resource action"),
        ("error_content_type", RemoteStateError, None, r"Invalid content type"),
        ("error_no_endpoint", NotFoundError, None, r"Not Found"),
    ],
)
def test_errors_are_told_apart_by_code(name: str, kind: type[HeadgateError], code: int | None, message: str) -> None:
    response = answer(name)
    error = failure(response, APP, doing="sync the application reco", permission="applications, sync, default/reco")
    assert type(error) is kind
    assert re.search(message, str(error)), str(error)
    assert error_code(response) == code
    assert error.next_step


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"metadata": {}}', b"{}", b'{"manifest": "[1]"}', b'{"manifest": "{"}']
)
def test_answers_of_something_else_are_server_faults(body: bytes) -> None:
    response = Response(status=200, headers={}, body=body, where="GET x")
    parse: Callable[[Response], object] = sansio.parse_manifest if b"manifest" in body else sansio.parse_application
    with pytest.raises(ServerFaultError) as caught:
        parse(response)
    assert "Argo CD" in str(caught.value) or "not JSON" in str(caught.value)


class Server:
    """Answers from a list, and remembers what was asked."""

    def __init__(self, *answers: Response | tuple[int, object] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Response):
            return httpx.Response(found.status, content=found.body)
        status, body = found
        return httpx.Response(status, text=body) if isinstance(body, str) else httpx.Response(status, json=body)

    def client(self) -> ArgoCd:
        http = HttpClient("http://argocd.test", timeout_s=5, clock=SteppedClock(), transport=httpx.MockTransport(self))
        return ArgoCd(http, APP)


def test_actions_fall_back_to_the_older_endpoint_once() -> None:
    server = Server((404, "Not Found\n"), (200, {}), (200, {}))
    with_fallback = server.client()
    with_fallback.run_action(ROLLOUT, "resume")
    with_fallback.run_action(ROLLOUT, "abort")
    paths = [request.url.path.rsplit("/", 1)[1] for request in server.asked]
    assert paths == ["v2", "actions", "actions"]
    assert server.asked[1].content == b'"resume"'
    assert all(request.headers["content-type"] == "application/json" for request in server.asked)


def test_missing_application_is_not_taken_for_a_missing_endpoint() -> None:
    server = Server(answer("error_missing_app"))
    with pytest.raises(NotFoundError):
        server.client().run_action(ROLLOUT, "resume")
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", [(503, "busy"), httpx.ReadTimeout("slow"), httpx.ConnectError("refused")])
def test_writes_are_sent_once_and_reads_again(fault: tuple[int, object] | Exception) -> None:
    server = Server(fault)
    with pytest.raises(HeadgateError):
        server.client().sync(revision="abc", nonce="n")
    assert len(server.asked) == 1
    server = Server(fault, answer("application_settled"))
    assert server.client().application().name == "reco"
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [(answer("error_not_in_app"), True), (answer("error_denied_without_project"), False), ((404, "x"), False)],
)
def test_rights_are_asked_without_touching_anything(given: Response | tuple[int, object], expected: bool) -> None:
    server = Server(given)
    assert server.client().may_run(ROLLOUT, "abort") is expected
    assert json.loads(server.asked[0].content)["resourceName"] != ROLLOUT.name


@pytest.mark.parametrize(
    ("body", "closed"),
    [
        ({"activeWindows": [{"kind": "deny"}], "assignedWindows": [{"kind": "deny"}], "canSync": False}, True),
        ({"activeWindows": [{"kind": "deny"}], "assignedWindows": [{"kind": "deny"}]}, True),
        ({"assignedWindows": [{"kind": "deny"}], "canSync": True}, False),
        ({"canSync": True}, False),
        ({}, False),
    ],
)
def test_a_closed_window_is_seen_before_a_sync_is_sent(body: dict[str, object], closed: bool) -> None:
    server = Server((200, body))
    argocd = server.client()
    if closed:
        with pytest.raises(RemoteStateError, match=r"blocked by sync window.*sync window of project default opens"):
            argocd.check_windows()
    else:
        argocd.check_windows()
    assert [request.method for request in server.asked] == ["GET"]


@pytest.mark.parametrize(
    ("operation", "state", "expected"),
    [
        (None, None, ""),
        ({"info": [{"name": "headgate", "value": "rel-1/apply/x"}]}, {"phase": "Running"}, ""),
        ({"initiatedBy": {"username": "ada"}}, None, "an operation of ada is queued"),
        ({"initiatedBy": {"automated": True}}, {"phase": "Succeeded"}, "an operation of auto-sync is queued"),
        ({}, {"phase": "Running"}, "an operation of somebody is Running"),
        (
            {"initiatedBy": {"username": "ada"}},
            {
                "phase": "Running",
                "finishedAt": "2026-11-21T10:00:00Z",
                "message": "one\ntwo",
                "operation": {"sync": {"revision": "0" * 40}},
            },
            "an operation of ada to 000000000000 is Running: one two",
        ),
    ],
)
def test_an_operation_of_somebody_else_is_described(operation: object, state: object, expected: str) -> None:
    body: dict[str, object] = {"metadata": {"name": "reco"}, "spec": {}, "status": {}}
    if operation is not None:
        body["operation"] = operation
    if state is not None:
        body["status"] = {"operationState": state}
    response = Response(status=200, headers={}, body=json.dumps(body).encode(), where="GET x")
    assert obstacle(sansio.parse_application(response)) == expected


def test_account_questions() -> None:
    server = Server((200, {"value": "yes"}), (200, {"value": "no"}), (200, {"username": "headgate"}))
    argocd = server.client()
    assert [argocd.may("sync"), argocd.may("sync")] == [True, False]
    assert argocd.user() == "headgate"
    assert server.asked[0].url.path == "/api/v1/account/can-i/applications/sync/default/reco"


def _app(**change: object) -> dict[str, object]:
    body: dict[str, object] = json.loads(answer("application_settled").body)
    status = body["status"]
    assert isinstance(status, dict)
    operation = status["operationState"]
    for key, value in change.items():
        if key == "nonce":
            operation["operation"]["info"] = [{"name": "headgate", "value": value}]
        elif key == "phase":
            operation["phase"] = value
        elif key == "synced":
            operation["syncResult"]["revision"] = status["sync"]["revision"] = value
        elif key == "sync":
            status["sync"]["status"] = value
        elif key == "automated":
            body["spec"]["syncPolicy"] = {"automated": {}}  # type: ignore[index]
    return body


NEW = "c" * 40
WANTED = Wanted(revision=NEW, nonce="rel/apply", accepts=lambda revision: revision == NEW)


def _states(server: Server, number: int) -> list[Delivered | NotYet | DeliveryFailed]:
    delivery = ArgoDelivery(server.client(), fresh=lambda: "1")
    return [delivery.advance(WANTED) for _ in range(number)]


def _posts(server: Server) -> list[str]:
    return [json.loads(request.content)["revision"] for request in server.asked if request.method == "POST"]


def test_delivery_syncs_once_and_compares_once_more() -> None:
    done = _app(nonce="rel/apply/1", synced=NEW)
    server = Server((200, _app()), (200, {}), (200, done), (200, done))
    first, second = _states(server, 2)
    assert isinstance(first, NotYet)
    assert isinstance(second, Delivered)
    assert _posts(server) == [NEW]
    assert [request.url.params.get("refresh") for request in server.asked] == ["normal", None, None, "normal"]


def test_delivery_knows_the_operation_of_an_earlier_run_again() -> None:
    done = _app(nonce="rel/apply/earlier", synced=NEW)
    server = Server((200, done), (200, done))
    assert _states(server, 1) == [Delivered(revision=NEW)]
    assert _posts(server) == []


def test_delivery_under_auto_sync_asks_for_the_branch_or_takes_what_was_done() -> None:
    server = Server((200, _app(automated=True)), (200, {}))
    _states(server, 1)
    assert _posts(server) == ["main"]
    server = Server((200, _app(automated=True, synced=NEW)))
    assert _states(server, 1) == [Delivered(revision=NEW)]


def test_delivery_in_doubt_looks_again_and_a_failed_sync_is_tried_twice() -> None:
    failed = _app(nonce="rel/apply/1", phase="Failed")
    server = Server((200, _app()), httpx.ReadTimeout("slow"), (200, failed), (200, {}), (200, failed))
    states = _states(server, 3)
    assert [type(state) for state in states] == [NotYet, NotYet, DeliveryFailed]
    assert len(_posts(server)) == 2
    assert isinstance(states[2], DeliveryFailed)
    assert "ended as Failed" in states[2].why


def test_delivery_is_not_done_while_out_of_sync() -> None:
    done, out = _app(nonce="rel/apply/1", synced=NEW), _app(nonce="rel/apply/1", synced=NEW, sync="OutOfSync")
    server = Server((200, out), (200, out), (200, done), (200, done))
    first, second = _states(server, 2)
    assert isinstance(first, NotYet)
    assert isinstance(second, Delivered)
