"""What `headgate release start` says when it must not or cannot: the cause, what to change, the exit code; and that
nothing is half done.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import yaml

from headgate.exit_codes import ExitCode
from tests.live.core import doctor
from tests.live.platform import FIRST, SHOP, Done, Kinds, Object, Platform, platform
from tests.live.settings import ARGOCD_NAMESPACE
from tests.live.stack import Stack
from tests.live.waiting import eventually

NAMESPACE = "messages"
NOWHERE = "0" * 40


@pytest.fixture(scope="module")
def shop(stack: Stack, agent: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Without users: nothing gets as far as them."""
    assert agent
    folder = tmp_path_factory.mktemp(NAMESPACE)
    with platform(stack, NAMESPACE, folder, Kinds(replicas=1, deadline_s=20)) as found:
        yield found


def _refused(shop: Platform, code: ExitCode, message: str, environ: Mapping[str, str] | None = None) -> Done:
    """A release of 1.1.0 is refused in one paragraph, and all is as it was."""
    before = shop.head(), shop.rollout()["metadata"]["generation"]
    done = shop.headgate("start", "recommender", "--version", "1.1.0", environ=environ)
    assert done.code == code, done.said
    assert re.search(message, done.said, re.DOTALL), done.said
    assert done.said.splitlines()[-1].startswith("headgate: error: "), "one paragraph"
    assert "Traceback" not in done.said
    assert (shop.head(), shop.rollout()["metadata"]["generation"]) == before, "nothing is half done"
    shop.check_settled("recommender", FIRST)
    return done


@contextlib.contextmanager
def _configured(shop: Platform, change: Callable[[Object], None]) -> Iterator[None]:
    text = shop.config.read_text("utf-8")
    found = yaml.safe_load(text)
    change(found["deploy"]["environments"]["prod"]["services"]["recommender"])
    shop.config.write_text(yaml.safe_dump(found), "utf-8")
    yield
    shop.config.write_text(text, "utf-8")


def test_a_wrong_token_is_not_accepted(shop: Platform) -> None:
    message = r"does not accept the token.*Set HEADGATE_ARGOCD_TOKEN"
    done = _refused(shop, ExitCode.USAGE, message, {"HEADGATE_ARGOCD_TOKEN": "wrong-token"})
    assert "wrong-token" not in done.said


@pytest.mark.parametrize(
    ("account", "message"),
    [
        (
            "reader",
            rf"account reader lacks rights.*p, ACCOUNT, applications, sync, {NAMESPACE}/recommender-{NAMESPACE}",
        ),
        ("nobody", rf"refused to read the.*applications, get, {NAMESPACE}/recommender-{NAMESPACE}"),
    ],
)
def test_the_rights_that_an_account_lacks_are_named(shop: Platform, account: str, message: str) -> None:
    _refused(shop, ExitCode.USAGE, message, {"HEADGATE_ARGOCD_TOKEN": shop.stack.argocd_token(account)})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("app", "nosuch", r"no application 'nosuch' in project 'messages'.*Correct argocd\.app"),
        ("project", "default", r"Correct argocd\.app, argocd\.project|argocd-rbac-cm or the project"),
    ],
)
def test_an_application_that_is_not_there(shop: Platform, key: str, value: str, message: str) -> None:
    def change(service: Object) -> None:
        service["argocd"][key] = value

    with _configured(shop, change):
        _refused(shop, ExitCode.USAGE, message)


def _policies(shop: Platform, lines: list[str]) -> None:
    """Give the project's role these policies and no others."""
    project = shop.stack.cluster.get(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": NAMESPACE, "namespace": ARGOCD_NAMESPACE},
        }
    )
    assert project is not None
    roles = [role | {"policies": lines} for role in project["spec"]["roles"]]
    shop.stack.cluster.patch(project, {"spec": {"roles": roles}})


def test_doctor_names_each_right_that_is_taken_from_the_role(shop: Platform) -> None:
    """Asked of the server by `can-i`, by reading, and by actions on a Rollout that does not exist."""
    every = _documented_policies()
    rights = {line: line.split(", ")[3] for line in every}
    assert set(rights.values()) == {
        "get",
        "sync",
        *(f"action/argoproj.io/Rollout/{action}" for action in ("abort", "resume", "promote-full")),
    }
    before = shop.head(), shop.rollout()["metadata"]["generation"]
    try:
        for line, right in rights.items():
            _policies(shop, [other for other in every if other != line])
            said = eventually(lambda: _refusals(shop), f"doctor misses {right}", 20, last=lambda: doctor(shop)[1])
            assert len(said) == 1
            named = [other for other in rights.values() if f"applications, {other}, {NAMESPACE}/" in said[0]]
            assert named == [right], said
    finally:
        _policies(shop, every)
    eventually(lambda: not _refusals(shop), "all rights are back", 20, last=lambda: doctor(shop)[1])
    assert (shop.head(), shop.rollout()["metadata"]["generation"]) == before, "nothing was touched by asking"


def _documented_policies() -> list[str]:
    """The policies of the example's project role, for this project, with the actions that are meant by `*`."""
    project = yaml.safe_load((SHOP / "gitops" / "projects" / "shop.yaml").read_text("utf-8"))
    lines = [line for role in project["spec"]["roles"] for line in role["policies"]]
    lines = [line.replace("proj:shop:", f"proj:{NAMESPACE}:").replace(" shop/*", f" {NAMESPACE}/*") for line in lines]
    actions = ("abort", "resume", "promote-full")
    every = [[line.replace("Rollout/*", f"Rollout/{action}") for action in actions] for line in lines]
    return [line for variants in every for line in dict.fromkeys(variants)]


def _refusals(shop: Platform) -> list[str]:
    """What doctor says of this service's servers that is not a pass, each with its next step."""
    _, leaves = doctor(shop)
    return [
        f"{leaf['message']} {leaf['next_step']}" for leaf in leaves.values() if leaf["outcome"] in {"FAIL", "ERROR"}
    ]


def test_a_missing_right_in_the_cluster(shop: Platform) -> None:
    """Evidence could not be gathered: nothing is begun."""
    kubeconfig = str(shop.stack.kubeconfig_of("nobody"))
    message = rf"nobody.*cannot list resource .pods.*namespace .{NAMESPACE}.*right to list pods"
    _refused(shop, ExitCode.USAGE, message, {"KUBECONFIG": kubeconfig})


def test_a_closed_sync_window(shop: Platform) -> None:
    windows = [{"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"]}]
    with _project_changed(shop, {"syncWindows": windows}, {"syncWindows": None}):
        _refused(shop, ExitCode.UNDECIDED, rf"sync window.*project {NAMESPACE}")


def test_a_running_operation_of_somebody_else(shop: Platform) -> None:
    """Somebody's sync that fails and is tried again every minute."""
    headers = {"Authorization": f"Bearer {shop.stack.argocd_token('admin')}"}
    base = f"{shop.stack.argocd_url}/api/v1/applications/{shop.app('recommender')}"
    with httpx.Client(headers=headers, timeout=20, trust_env=False) as http:
        retry = {"limit": 5, "backoff": {"duration": "60s", "factor": 1, "maxDuration": "60s"}}
        body = {"revision": NOWHERE, "retryStrategy": retry}
        http.post(f"{base}/sync", json=body).raise_for_status()

        def state() -> Object:
            found: Object = shop.application().get("status", {}).get("operationState") or {}
            return found

        try:
            eventually(lambda: state().get("phase") == "Running" and state().get("message"), "a try", 30, last=state)
            message = r"an operation of admin to 000000000000 is Running: .*Wait until it has ended"
            _refused(shop, ExitCode.UNDECIDED, message)
        finally:
            http.request("DELETE", f"{base}/operation", headers={"Content-Type": "application/json"})
        eventually(lambda: state().get("finishedAt") and not shop.application().get("operation"), "its end", 30)


def test_a_revision_that_argo_cd_does_not_find(shop: Platform, tmp_path: Path) -> None:
    """It reads a mirror that lags behind."""
    mirror = tmp_path / "mirror.git"
    shutil.copytree(shop.environment.bare, mirror)
    url, generation = shop.environment.url, shop.rollout()["metadata"]["generation"]
    with (
        _project_changed(shop, {"sourceRepos": [url, f"file://{mirror}"]}, {"sourceRepos": [url]}),
        _source(shop, f"file://{mirror}", url),
    ):
        done = shop.headgate("start", "recommender", "--version", "1.1.0")
        assert done.code == ExitCode.UNDECIDED, done.said
        error = done.said.splitlines()[-1]
        assert error.startswith("headgate: error: "), "one paragraph"
        assert re.search(r"Git is turned back.*not our ref.*Look at the application in Argo CD", error), error
        assert shop.version_in_git() == FIRST
        assert shop.rollout()["metadata"]["generation"] == generation, "nothing has reached the pods"
    resumed = shop.headgate("resume", "recommender")
    assert resumed.code == ExitCode.FAIL, resumed.said
    shop.check_settled("recommender", FIRST)
    assert shop.commits("recommender", "1.1.0") == (1, 1)


@contextlib.contextmanager
def _source(shop: Platform, new: str, old: str) -> Iterator[None]:
    """Let the application be read from another repository."""
    application = shop.application()
    _patch(shop, application, {"spec": {"source": {"repoURL": new}}})
    yield
    _patch(shop, application, {"spec": {"source": {"repoURL": old}}})


@contextlib.contextmanager
def _project_changed(shop: Platform, spec: Object, back: Object) -> Iterator[None]:
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": NAMESPACE, "namespace": "argocd"},
    }
    _patch(shop, project, {"spec": spec})
    yield
    _patch(shop, project, {"spec": back})


def _patch(shop: Platform, obj: Object, patch: Object) -> None:
    path = shop.stack.cluster.path(obj)
    headers = {"Content-Type": "application/merge-patch+json"}
    shop.stack.cluster.http.patch(path, json=patch, headers=headers).raise_for_status()
