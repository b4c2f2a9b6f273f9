"""`headgate doctor` against the sandbox's servers: all well, and each thing that can be missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cicd.cli.main import main
from cicd.sandbox.argocd.sandbox import ArgoCdSandbox
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.gitlab.model import Role
from cicd.sandbox.gitlab.sandbox import GitLabSandbox
from cicd.sandbox.jenkins.sandbox import JenkinsSandbox
from cicd.sandbox.kubernetes.cluster import Ref
from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox
from cicd.sandbox.kubernetes.workloads import Behaviour
from deployments.argocd.client import ArgoCd
from deployments.argocd.sansio import AppRef
from headgate.clock import SystemClock
from headgate.exit_codes import ExitCode
from headgate.http import HttpClient
from tests.testing.postgres import Postgres
from tests.testing.repositories import commit_files, new_repository
from tests.testing.shop import GITOPS, PLATFORM

_NO_PARAMETERS = "pipeline { agent any\n stages { stage('Nothing') { steps { sh 'true' } } } }"
CLOSED = "http://127.0.0.1:9"  # the discard port: nothing listens there


class Servers:
    """The sandbox's servers, and a repository whose headgate.yaml names them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.kubernetes = KubernetesSandbox()
        self.argocd = ArgoCdSandbox(self.kubernetes.cluster)
        self.gitlab = GitLabSandbox(root / "gitlab")
        self.jenkins = JenkinsSandbox(root / "jenkins")
        self.gcs = GcsSandbox(buckets=("composer-staging", "composer-prod"))
        self.gitops = root / "env"

    def prepare(self) -> None:
        git = new_repository(self.gitops)
        files = {str(f.relative_to(GITOPS)): f.read_bytes() for f in GITOPS.rglob("*") if f.is_file()}
        commit_files(git, files, "environment")
        self.argocd.locate("git@gitlab.example.com:shop/env.git", self.gitops)
        self.kubernetes.cluster.apply(yaml.safe_load((GITOPS / "projects" / "shop.yaml").read_text()))
        for name in ("recommender", "catalogue"):
            self.kubernetes.registry.publish(f"shop/{name}:1.0.0", Behaviour())
            application = yaml.safe_load((GITOPS / "apps" / f"{name}-prod.yaml").read_text())
            self.argocd.create_application(application)
            self.sync(f"{name}-prod")
            self.wait_for_rollout(name)
        self.gitlab.create_project("shop/data-platform", import_from=PLATFORM)
        jenkinsfile = (PLATFORM / "Jenkinsfile").read_text()
        self.jenkins.create_job("shop/deliver", jenkinsfile=jenkinsfile, repo=str(self.gitops))
        self.jenkins.create_job("shop/other", jenkinsfile=_NO_PARAMETERS, repo=str(self.gitops))
        self.kubernetes.kubeconfig(self.root / "kubeconfig")

    @property
    def urls(self) -> tuple[tuple[str, str], ...]:
        return ("gitlab", self.gitlab.url), ("argocd", self.argocd.url), ("jenkins", self.jenkins.url)

    def sync(self, application: str) -> None:
        token = self.argocd.token("admin")
        with HttpClient(self.argocd.url, timeout_s=60, headers={"Authorization": f"Bearer {token}"}) as http:
            ArgoCd(http, AppRef(name=application, project="shop")).sync(revision="main", nonce="first")

    def wait_for_rollout(self, name: str) -> None:
        clock, ref = SystemClock(), Ref("argoproj.io", "v1alpha1", "Rollout", "shop", name)
        deadline = clock.monotonic() + 30
        while (self.kubernetes.cluster.get(ref) or {}).get("status", {}).get("phase") != "Healthy":
            assert clock.monotonic() < deadline, f"{name} did not become healthy"
            clock.sleep(0.05)

    def repository(self, root: Path, **changes: Any) -> Path:
        """A repository with the example's configuration, pointed at these servers; `changes` are merged in."""
        text = (PLATFORM / "headgate.yaml").read_text()
        for name, url in self.urls:
            text = text.replace(f"https://{name}.example.com", url)
        config = yaml.safe_load(text.replace("git@gitlab.example.com:shop/env.git", str(self.gitops)))
        merge(config, changes)
        commit_files(new_repository(root), {"headgate.yaml": yaml.safe_dump(config)}, "configuration")
        return root


def merge(target: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = value


def one_service(**changes: Any) -> dict[str, Any]:
    """Changes that leave one service, itself changed: every other leaf is already covered by the whole."""
    return {"deploy": {"environments": {"prod": {"services": {"catalogue": None, "recommender": changes}}}}}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    found = Servers(tmp_path_factory.mktemp("servers"))
    with found.kubernetes, found.argocd, found.gitlab, found.jenkins, found.gcs:
        found.prepare()
        yield found


@pytest.fixture
def access(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """All credentials that are needed, and no others."""
    monkeypatch.delenv("CI_JOB_TOKEN", raising=False)
    monkeypatch.setenv("HEADGATE_JENKINS_USER", servers.jenkins.user)
    monkeypatch.setenv("HEADGATE_JENKINS_TOKEN", servers.jenkins.token)
    monkeypatch.setenv("HEADGATE_GITLAB_TOKEN", servers.gitlab.token("headgate"))
    monkeypatch.setenv("HEADGATE_ARGOCD_TOKEN", servers.argocd.token("headgate"))
    monkeypatch.setenv("KUBECONFIG", str(servers.root / "kubeconfig"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", servers.gcs.url)


def ask(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and the leaves by name."""
    code = main(["--config", str(root / "headgate.yaml"), "doctor", "--timeout-s", "30", "-o", "json"])
    return code, {leaf["check"]: leaf for leaf in json.loads(capsys.readouterr().out)["checks"]}


@pytest.mark.usefixtures("access")
def test_all_is_well(servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, leaves = ask(servers.repository(tmp_path / "r"), capsys)
    wrong = {name: leaf for name, leaf in leaves.items() if leaf["outcome"] not in {"PASS", "SKIPPED"}}
    assert wrong == {}
    assert code == ExitCode.PASS
    assert {name for name, leaf in leaves.items() if leaf["outcome"] == "SKIPPED"} <= {"gitlab: scope"}
    assert len(leaves) > 20


@pytest.mark.usefixtures("access")
def test_the_table_ends_with_the_outcome(servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = servers.repository(tmp_path / "r", forge=None, deploy=None, analysis=None)
    assert main(["--config", str(root / "headgate.yaml"), "doctor"]) == ExitCode.PASS
    out = capsys.readouterr().out
    assert re.search(r"^gitlab +SKIPPED  not configured", out, flags=re.MULTILINE)
    assert out.splitlines()[-1].startswith("PASS: ")


@pytest.mark.usefixtures("access")
@pytest.mark.parametrize(
    ("changes", "leaf", "outcome", "says"),
    [
        ({"forge": {"url": CLOSED}}, "gitlab: token", "ERROR", "forge URL"),
        ({"forge": {"project": "shop/nothing"}}, "gitlab: project", "FAIL", "project path"),
        ({"dags": {"targets": {"prod": {"bucket": "gs://no-such-bucket/dags"}}}}, "dags prod: list", "FAIL", "bucket"),
        (
            {"dags": {"targets": {"prod": {"bucket": "file:///nonexistent/a/b"}}}},
            "dags prod: list",
            "FAIL",
            "Create it",
        ),
        ({"deploy": {"jenkins": {"url": CLOSED}}}, "jenkins: job", "ERROR", "deploy.jenkins.url"),
        ({"deploy": {"jenkins": {"job": "shop/nothing"}}}, "jenkins: job", "FAIL", "deploy.jenkins.job"),
        ({"deploy": {"jenkins": {"job": "shop/other"}}}, "jenkins: job", "FAIL", "Jenkinsfile"),
        (
            one_service(argocd={"url": CLOSED}),
            "argocd prod/recommender: version",
            "ERROR",
            "that the server runs",
        ),
        (one_service(argocd={"app": "nothing"}), "argocd prod/recommender: application", "FAIL", "app"),
        (
            one_service(kubernetes={"rollout": "nothing"}),
            "argocd prod/recommender: rollout",
            "FAIL",
            "names in headgate.yaml",
        ),
        (one_service(gitops={"branch": "nothing"}), "gitops prod/recommender: read", "FAIL", "gitops.branch"),
        (
            one_service(gitops={"repo": "/nonexistent/env.git"}),
            "gitops prod/recommender: read",
            "FAIL",
            "may read the repository",
        ),
        (one_service(gitops={"file": "nothing.yaml"}), "gitops prod/recommender: version", "FAIL", "gitops.file"),
        (one_service(gitops={"key": "image.nothing"}), "gitops prod/recommender: version", "FAIL", "gitops.key"),
        (
            one_service(kubernetes={"kubeconfig": "/nonexistent/kubeconfig"}),
            "kubernetes prod/recommender: list pods",
            "FAIL",
            "kubeconfig",
        ),
        (
            {"observability": {"store": "sqlite:////proc/nothing/events.db"}},
            "event store: writable",
            "FAIL",
            "observability.store",
        ),
    ],
)
def test_each_wrong_setting_is_named_and_told_what_to_do(
    servers: Servers,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    leaf: str,
    outcome: str,
    says: str,
) -> None:
    code, leaves = ask(servers.repository(tmp_path / "r", **changes), capsys)
    wrong = {name: found for name, found in leaves.items() if found["outcome"] in {"FAIL", "ERROR"}}
    assert set(wrong) == {leaf}
    assert wrong[leaf]["outcome"] == outcome
    assert wrong[leaf]["next_step"]
    assert says in wrong[leaf]["next_step"]
    assert code == (ExitCode.UNDECIDED if outcome == "ERROR" else ExitCode.FAIL)


def test_an_event_store_on_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    monkeypatch.chdir(tmp_path)
    with postgres.database() as name:
        for url, outcome in ((postgres.url(name), "PASS"), (postgres.url("nosuch"), "FAIL")):
            Path("headgate.yaml").write_text(
                yaml.safe_dump({"version": 1, "project": "p", "observability": {"store": url}})
            )
            _, leaves = ask(tmp_path, capsys)
            assert leaves["event store: writable"]["outcome"] == outcome, leaves


@pytest.mark.usefixtures("access")
@pytest.mark.parametrize(
    ("name", "value", "leaf"),
    [
        ("HEADGATE_GITLAB_TOKEN", None, "gitlab: access"),
        ("HEADGATE_GITLAB_TOKEN", "glpat-wrong-wrong-wrong", "gitlab: token"),
        ("HEADGATE_JENKINS_USER", None, "jenkins: access"),
        ("HEADGATE_JENKINS_TOKEN", "wrong-wrong-wrong", "jenkins: job"),
        ("HEADGATE_ARGOCD_TOKEN", None, "argocd prod/recommender: account"),
        ("HEADGATE_ARGOCD_TOKEN", "wrong.wrong.wrong", "argocd prod/recommender: account"),
    ],
)
def test_each_missing_or_wrong_token_is_named(
    servers: Servers,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str | None,
    leaf: str,
) -> None:
    monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    code, leaves = ask(servers.repository(tmp_path / "r", **one_service()), capsys)
    wrong = {check: found for check, found in leaves.items() if found["outcome"] in {"FAIL", "ERROR"}}
    assert set(wrong) == {leaf}
    assert name in wrong[leaf]["next_step"]
    assert value is None or value not in json.dumps(leaves)
    assert code == ExitCode.FAIL


@pytest.mark.usefixtures("access")
def test_a_role_that_may_not_write_notes_is_named(
    servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_GITLAB_TOKEN", servers.gitlab.token("guest", role=Role.REPORTER))
    code, leaves = ask(servers.repository(tmp_path / "r", deploy=None, analysis=None), capsys)
    assert leaves["gitlab: role"]["outcome"] == "FAIL"
    assert "Reporter" in leaves["gitlab: role"]["message"]
    assert code == ExitCode.FAIL


@pytest.mark.usefixtures("access")
def test_an_argo_cd_account_that_may_only_read_is_told_the_policy(
    servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_ARGOCD_TOKEN", servers.argocd.token("reader"))
    code, leaves = ask(servers.repository(tmp_path / "r", **one_service()), capsys)
    leaf = leaves["argocd prod/recommender: rights"]
    assert (leaf["outcome"], code) == ("FAIL", ExitCode.FAIL)
    assert "the account reader lacks rights" in leaf["message"]
    for right in ("sync", *(f"action/argoproj.io/Rollout/{name}" for name in ("abort", "resume", "promote-full"))):
        assert f"applications, {right}, shop/recommender-prod, allow" in leaf["next_step"]


CORE: dict[str, Any] = {"argocd": {"mode": "core", "url": None}, "lock": "lease"}


@pytest.mark.usefixtures("access")
def test_core_mode_needs_no_argo_cd_server(
    servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADGATE_ARGOCD_TOKEN")
    code, leaves = ask(servers.repository(tmp_path / "r", **one_service(**CORE)), capsys)
    assert code == ExitCode.PASS
    found = {name: leaf["message"] for name, leaf in leaves.items() if name.startswith(("argocd", "lock"))}
    assert found == {
        "argocd prod/recommender: version": "Kubernetes v1.36.3",
        "argocd prod/recommender: rights": "may get applications.argoproj.io recommender-prod in namespace argocd, "
        "patch applications.argoproj.io recommender-prod in namespace argocd, "
        "get rollouts.argoproj.io recommender in namespace shop, "
        "patch rollouts/status.argoproj.io recommender in namespace shop",
        "argocd prod/recommender: application": "recommender-prod is Synced and Healthy",
        "argocd prod/recommender: rollout": "Rollout recommender is Healthy",
        "lock prod/recommender: rights": "may get leases.coordination.k8s.io headgate.recommender.prod in namespace "
        "shop, create leases.coordination.k8s.io in namespace shop, update leases.coordination.k8s.io "
        "headgate.recommender.prod in namespace shop",
        "lock prod/recommender: lease": "Lease shop/headgate.recommender.prod is free",
    }
    assert servers.kubernetes.cluster.list("coordination.k8s.io", "Lease", "shop") == []


@pytest.mark.usefixtures("access")
def test_each_right_that_is_missing_in_the_cluster_is_named_with_its_rule(
    servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = servers.kubernetes.kubeconfig(tmp_path / "kubeconfig", reader=True)
    monkeypatch.setenv("KUBECONFIG", str(reader))
    code, leaves = ask(servers.repository(tmp_path / "r", **one_service(**CORE)), capsys)
    wrong = {name: leaf for name, leaf in leaves.items() if leaf["outcome"] in {"FAIL", "ERROR"}}
    assert (set(wrong), code) == ({"argocd prod/recommender: rights", "lock prod/recommender: rights"}, ExitCode.FAIL)
    assert (
        "may not patch applications.argoproj.io recommender-prod" in wrong["argocd prod/recommender: rights"]["message"]
    )
    assert wrong["argocd prod/recommender: rights"]["next_step"] == (
        "Add to a Role of the account, in namespace argocd: {apiGroups: [argoproj.io], resources: [applications], "
        "resourceNames: [recommender-prod], verbs: [patch]}; and in namespace shop: {apiGroups: [argoproj.io], "
        "resources: [rollouts/status], resourceNames: [recommender], verbs: [patch]}."
    )
    assert wrong["lock prod/recommender: rights"]["next_step"] == (
        "Add to a Role of the account, in namespace shop: {apiGroups: [coordination.k8s.io], resources: [leases], "
        "verbs: [create]}; {apiGroups: [coordination.k8s.io], resources: [leases], "
        "resourceNames: [headgate.recommender.prod], verbs: [update]}."
    )


@pytest.mark.usefixtures("access")
@pytest.mark.parametrize(
    ("changes", "leaf", "says"),
    [
        ({"argocd": {"app": "nothing"}}, "application", "argocd.app and argocd.namespace"),
        ({"argocd": {"namespace": "elsewhere"}}, "application", "argocd.app and argocd.namespace"),
        ({"argocd": {"project": "other"}}, "application", "argocd.project"),
        ({"kubernetes": {"rollout": "nothing"}}, "rollout", "kubernetes.rollout"),
        ({"kubernetes": {"context": "nothing"}}, "version", "kubernetes.context"),
    ],
)
def test_each_wrong_name_in_core_mode_is_told_where_it_stands(
    servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], leaf: str, says: str
) -> None:
    wanted: dict[str, Any] = {"argocd": dict(CORE["argocd"])}
    merge(wanted, changes)
    _, leaves = ask(servers.repository(tmp_path / "r", **one_service(**wanted)), capsys)
    found = leaves[f"argocd prod/recommender: {leaf}"]
    assert found["outcome"] == "FAIL"
    assert says in found["next_step"]


@pytest.mark.usefixtures("access")
def test_asking_changes_nothing(servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def state() -> tuple[object, ...]:
        refs = sorted(path.name for path in (servers.gitops / ".git" / "refs").rglob("*"))
        spec = servers.argocd.application("recommender-prod").get("operation")
        return refs, spec, servers.kubernetes.cluster.list("argoproj.io", "Rollout", "shop")

    before = state()
    ask(servers.repository(tmp_path / "r"), capsys)
    assert state() == before


def test_a_configuration_that_is_not_valid_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "headgate.yaml").write_text("version: 1\n")
    assert main(["--config", str(tmp_path / "headgate.yaml"), "doctor"]) == ExitCode.USAGE
    assert "project: required" in capsys.readouterr().err
