"""`headgate release` without Argo CD's server, on the real ones: over the Kubernetes API, with the documented rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cicd.cli.context import App
from cicd.release import find_service
from cicd.release_target import build_cluster, build_core, build_lease
from deployments.cluster.rights import Right, advice, role_rules
from headgate.clock import SystemClock
from headgate.exit_codes import ExitCode
from observability.events import Kind
from tests.live.core import RBAC, doctor, documented_roles, grant, lease, without, without_server
from tests.live.platform import Kinds, Platform, platform
from tests.live.settings import ARGOCD_NAMESPACE
from tests.live.stack import Stack
from tests.live.stories import Stories
from tests.live.waiting import eventually
from tests.testing.lease_bench import LeaseBench
from tests.testing.lock_contract import LockContract

pytestmark = pytest.mark.timeout(300)  # all stories are told while the first test is set up


@pytest.fixture(scope="module")
def shop(stack: Stack, agent: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    assert agent
    with platform(stack, "core", tmp_path_factory.mktemp("core"), Kinds(replicas=4)) as made:
        without_server(made)
        yield made


def _free(shop: Platform, token: int) -> None:
    """The Lease is there without a holder, and its fencing token has grown."""
    found = lease(shop)
    assert found is not None
    assert found["spec"] == {"leaseTransitions": token}


def _good_and_bad(shop: Platform) -> None:
    with shop.load():
        done = shop.headgate("start", "recommender", "--version", "1.1.0", "-o", "json")
        assert done.code == ExitCode.PASS, done.said
        assert done.data["ending"] == "promoted"
        assert done.said.count("analysis PASS") == 2
        shop.check_settled("recommender", "1.1.0")
        shop.check_only("1.1.0", done.ended)
        _free(shop, 1)

        bad = shop.headgate("start", "recommender", "--version", "1.2.0-errors", "-o", "json")
        assert bad.code == ExitCode.FAIL, bad.said
        assert "error ratio" in bad.data["message"]
        assert shop.served("1.2.0-errors") > 0
        shop.check_settled("recommender", "1.1.0")
        shop.check_only("1.1.0", bad.ended)
        _free(shop, 2)
    assert shop.commits("recommender", "1.1.0") == (1, 0)
    assert shop.commits("recommender", "1.2.0-errors") == (1, 1)
    assert shop.events("recommender", "1.2.0-errors") == [Kind.SERVICE_ROLLEDBACK]


def _window(shop: Platform) -> None:
    """In core mode the controller takes the sync and waits; nobody would watch over it when the window opens."""
    windows = [{"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"]}]
    metadata = {"name": shop.namespace, "namespace": ARGOCD_NAMESPACE}
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata}
    before = shop.rollout()["metadata"]["generation"]
    shop.stack.cluster.patch(project, {"spec": {"syncWindows": windows}})
    try:
        for _ in range(2):
            done = shop.headgate("start", "recommender", "--version", "1.3.0")
            assert done.code == ExitCode.UNDECIDED, done.said
            assert f"sync window of project {shop.namespace} opens" in done.said
    finally:
        shop.stack.cluster.patch(project, {"spec": {"syncWindows": None}})
    eventually(lambda: "operation" not in shop.application(), "the end of the operation", 30)
    state = shop.application()["status"]["operationState"]
    assert (state["phase"], state["message"]) == ("Failed", "Operation terminated")
    assert shop.rollout()["metadata"]["generation"] == before
    with shop.load():
        again = shop.headgate("start", "recommender", "--version", "1.3.0")
    assert again.code == ExitCode.PASS, again.said
    shop.check_settled("recommender", "1.3.0")
    assert shop.commits("recommender", "1.3.0") == (1, 0)


def _self_heal(shop: Platform) -> None:
    """What self-heal has left in the application (a sync of one resource) does not get into the next operation."""
    shop.stack.cluster.patch(shop.application(), {"spec": {"syncPolicy": {"automated": {"selfHeal": True}}}})
    shop.stack.cluster.patch(shop.rollout(), {"spec": {"replicas": 3}})
    eventually(lambda: shop.rollout()["spec"]["replicas"] == shop.kinds.replicas, "self-heal at work", 30)
    eventually(lambda: "operation" not in shop.application(), "its end", 30)
    with shop.load():
        done = shop.headgate("start", "recommender", "--version", "1.5.0")
        assert done.code == ExitCode.PASS, done.said
        bad = shop.headgate("start", "recommender", "--version", "1.6.0-errors")
        assert bad.code == ExitCode.FAIL, bad.said
    shop.check_settled("recommender", "1.5.0")
    assert shop.commits("recommender", "1.6.0-errors") == (1, 1)


STORIES: dict[str, tuple[str, Callable[[Platform], None]]] = {
    "test_good_canary_is_promoted_and_a_bad_one_turned_back": ("core-good", _good_and_bad),
    "test_sync_that_a_window_forbids_is_said_and_not_done_later": ("core-window", _window),
    "test_application_that_syncs_and_heals_itself": ("core-heal", _self_heal),
}
"""Side by side, each with a platform in a namespace of its own."""


@pytest.fixture(scope="module")
def stories(
    request: pytest.FixtureRequest, stack: Stack, agent: str, tmp_path_factory: pytest.TempPathFactory
) -> Stories:
    assert agent

    def tell(namespace: str, story: Callable[[Platform], None]) -> None:
        with platform(stack, namespace, folders[namespace], Kinds(replicas=4)) as made:
            without_server(made)
            story(made)

    folders = {namespace: tmp_path_factory.mktemp(namespace) for namespace, _ in STORIES.values()}
    told = {name: partial(tell, *story) for name, story in STORIES.items()}
    return Stories(request, told, workers=len(STORIES))


def test_good_canary_is_promoted_and_a_bad_one_turned_back(stories: Stories, request: pytest.FixtureRequest) -> None:
    """Over the Kubernetes API, with a Lease as lock."""
    stories.ends(request)


def test_sync_that_a_window_forbids_is_said_and_not_done_later(
    stories: Stories, request: pytest.FixtureRequest
) -> None:
    """Once more when the window is gone: then it is done."""
    stories.ends(request)


def test_application_that_syncs_and_heals_itself(stories: Stories, request: pytest.FixtureRequest) -> None:
    """Good and bad, where Argo CD itself acts on every commit."""
    stories.ends(request)


def _refused(shop: Platform, kubeconfig: Path) -> str:
    """A release with these credentials is refused in one paragraph, and nothing is written; what it said."""
    before = shop.head(), shop.rollout()["metadata"]["generation"], lease(shop)
    done = shop.headgate("start", "recommender", "--version", "1.3.0", environ={"KUBECONFIG": str(kubeconfig)})
    assert done.code == ExitCode.USAGE, done.said
    assert done.said.splitlines()[-1].startswith("headgate: error: "), done.said
    assert "Traceback" not in done.said
    assert (shop.head(), shop.rollout()["metadata"]["generation"], lease(shop)) == before
    return done.said


@pytest.mark.parametrize(
    ("user", "rule"),
    [
        # The first right that is missing decides: the lock is asked for before anything is looked at.
        ("nobody", "resources: [leases], resourceNames: [headgate.recommender.prod], verbs: [get, update]"),
        ("reader", "resources: [leases], verbs: [create]"),
    ],
)
def test_missing_rights_are_named_with_their_rules(shop: Platform, user: str, rule: str) -> None:
    if user == "reader":
        roles = documented_roles("recommender", shop.app("recommender"), shop.namespace)
        for role in roles:
            for granted in role["rules"]:
                granted["verbs"] = [verb for verb in granted["verbs"] if verb in {"get", "list"}] or ["watch"]
        grant(shop.stack, "reader", roles)
    said = _refused(shop, shop.stack.kubeconfig_of(user))
    assert rule in said
    assert f"in namespace {shop.namespace}" in said


def test_reader_is_told_what_a_release_needs_of_argo_cd(shop: Platform) -> None:
    """With the lock in Git the release comes to its check of rights, and stops before its commit."""
    text = shop.config.read_text("utf-8")
    shop.config.write_text(text.replace("lock: lease", "lock: git"), "utf-8")
    try:
        said = _refused(shop, shop.stack.kubeconfig_of("reader"))
    finally:
        shop.config.write_text(text, "utf-8")
    assert f"resources: [applications], resourceNames: [{shop.app('recommender')}], verbs: [patch]" in said


def test_wrong_credentials_and_no_credentials(shop: Platform, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    token = shop.stack.kubernetes_token("headgate")
    right = shop.stack.kubeconfig_of("headgate").read_text("utf-8")
    assert token in right
    file.write_text(right.replace(token, "wrong-token-of-nobody"), "utf-8")
    said = _refused(shop, file)
    assert "does not accept the credentials" in said
    assert "wrong-token-of-nobody" not in said
    said = _refused(shop, tmp_path / "nosuch")
    assert "no usable kubeconfig" in said


def _needed(shop: Platform, user: str) -> tuple[Right, ...]:
    """What a release of the recommender asks for, and of these what the user has not."""
    app = App(config_path=str(shop.config))
    settings = find_service(app.config, "recommender", "prod")
    kubernetes = settings.kubernetes.model_copy(update={"kubeconfig": str(shop.stack.kubeconfig_of(user))})
    cluster = build_cluster(kubernetes, app.root, SystemClock(), purpose="test")
    try:
        core = build_core(settings, cluster, SystemClock())
        lock = build_lease(settings, ("recommender", "prod"), cluster, SystemClock())
        return cluster.missing((*core.rights, *lock.rights))
    finally:
        cluster.close()


def test_documented_rights_are_those_that_are_asked_for(shop: Platform) -> None:
    roles = documented_roles("recommender", shop.app("recommender"), shop.namespace)
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    granted = {role["metadata"]["namespace"]: [rule for rule in role["rules"] if rule != pods] for role in roles}
    wanted = role_rules(_needed(shop, "nobody"))
    assert {name: sorted(map(str, rules)) for name, rules in granted.items()} == {
        name: sorted(map(str, rules)) for name, rules in wanted.items()
    }
    _, leaves = doctor(shop)
    assert {name: leaf["outcome"] for name, leaf in leaves.items()} == dict.fromkeys(leaves, "PASS")
    assert len(leaves) == 10


def test_doctor_names_each_single_right_that_is_taken_away(shop: Platform) -> None:
    roles = documented_roles("recommender", shop.app("recommender"), shop.namespace)
    every = _needed(shop, "nobody")
    assert len(every) == 7
    try:
        for right in every:
            grant(shop.stack, "headgate", without(roles, right))
            eventually(partial(_lacks, shop, right), f"{right} is missed", 20)
            code, leaves = doctor(shop)
            wrong = [leaf for leaf in leaves.values() if leaf["outcome"] in {"FAIL", "ERROR"}]
            assert [leaf["message"].partition(": ")[2] for leaf in wrong] == [f"the account may not {right}"]
            assert wrong[0]["next_step"] == advice([right])
            assert code == ExitCode.FAIL
    finally:
        grant(shop.stack, "headgate", roles)
    eventually(lambda: _needed(shop, "headgate") == (), "all rights are back", 20)


def _lacks(shop: Platform, right: Right) -> bool:
    return _needed(shop, "headgate") == (right,)


def test_api_server_that_is_away_for_a_while_is_waited_for(shop: Platform) -> None:
    """Killed at the first pause of a canary: the release goes on, and so does its Lease."""
    with shop.load(), shop.begin("start", "recommender", "--version", "1.4.0") as process:
        eventually(lambda: shop.rollout()["status"].get("phase") == "Paused", "the first pause", 60)
        shop.stack.kill("kube-apiserver")
        shop.stack.revive("kube-apiserver")
        _, said = process.communicate(timeout=200)
    assert process.returncode == ExitCode.PASS, said
    shop.check_settled("recommender", "1.4.0")
    assert shop.commits("recommender", "1.4.0") == (1, 0)
    found = lease(shop)
    assert found is not None
    assert "holderIdentity" not in found["spec"]


class TestLeaseOfARealCluster(LockContract):
    """The contract of locks, as the user with the documented rights on Leases."""

    @pytest.fixture
    def bench(self, stack: Stack, request: pytest.FixtureRequest) -> Iterator[LeaseBench]:
        name = request.node.name.replace("_", "-")
        rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}]
        metadata = {"name": "locks", "namespace": stack.namespace("locks")}
        role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
        grant(stack, "headgate", [role])
        made = LeaseBench(stack.kubeconfig_of("headgate"), namespace="locks", name=name)
        eventually(lambda: made.cluster().missing([made.ref.right("update")]) == (), "the right to keep Leases", 20)
        yield made
        made.close()
