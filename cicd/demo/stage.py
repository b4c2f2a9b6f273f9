"""The stage of the demo: the example platform set up on the sandbox, and what its people can do there.

The developer works with git and python-gitlab, the pipelines run `headgate` as subprocesses, and what is proved is
read where a person would look: in GitLab's API, in the Git history, in the cluster's objects, in the bucket.
"""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cicd.demo.template import copy_template
from cicd.sandbox.kubernetes.cluster import Ref
from cicd.sandbox.kubernetes.workloads import Behaviour
from cicd.sandbox.world import World, job_path
from headgate import process
from headgate.clock import parse_timestamp
from headgate.errors import ConfigError, RemoteStateError, RemoteTimeoutError
from headgate.git import Git, clone
from observability.events import DeliveryEvent, Kind, event_id
from observability.store import open_store

if TYPE_CHECKING:
    import gitlab
    from gitlab.v4.objects import Project, ProjectMergeRequest, ProjectPipeline

NAMESPACE = "shop"
BUCKET = "composer-staging"
PLATFORM = "shop/data-platform"
ENVIRONMENT = "shop/env"
JOB = "shop/deliver"
APPLICATIONS = {"recommender": "recommender-prod", "catalogue": "catalogue-prod"}
POLL_S = 0.1
IDENTITY = {
    "GIT_AUTHOR_NAME": "Dana Developer",
    "GIT_AUTHOR_EMAIL": "dana@shop.example",
    "GIT_COMMITTER_NAME": "Dana Developer",
    "GIT_COMMITTER_EMAIL": "dana@shop.example",
}
# What the registry of the sandbox holds: version 1.2.0 of the recommender answers one request in ten with an error.
IMAGES: dict[str, Behaviour] = {
    "shop/recommender:1.0.0": Behaviour(),
    "shop/recommender:1.1.0": Behaviour(),
    "shop/recommender:1.2.0": Behaviour(error_ratio=0.10),
    "shop/catalogue:1.0.0": Behaviour(),
    "shop/catalogue:2.0.0": Behaviour(),
}


class Stage:
    """Everything set up; `prepare` must have run once before anything else. `say` gets lines of progress."""

    def __init__(self, world: World, shop: Path, say: Callable[[str], None]) -> None:
        self.world = world
        self.shop = shop
        self.say = say
        self.clone = world.root / "dana"
        self.store = f"sqlite:///{(world.root / 'events.db').resolve()}"

    # setting up

    def prepare(self) -> None:
        """Projects, buckets, images, the delivery job, and version 1.0.0 of both services live."""
        for part in ("platform", "gitops", "changes"):
            if not (self.shop / part).is_dir():
                raise ConfigError(
                    f"the example platform has no folder {part!r}",
                    where=str(self.shop),
                    next_step="Run the demo in a checkout of Headgate, or name its examples/shop with --shop.",
                )
        for image, behaviour in IMAGES.items():
            self.world.kubernetes.registry.publish(image, behaviour)
        self.bucket = self.world.gcs.create_bucket(BUCKET)
        self._create_projects()
        self._create_job()
        self._create_applications()
        clone(str(self.platform_repository), self.clone)
        self.git = Git(path=self.clone, extra_env=IDENTITY)
        self._record_first_versions()

    def _record_first_versions(self) -> None:
        """What is live before the story begins, so that the metrics have a baseline to count from."""
        pushed = self.headgate("dags", "push", "--env", "staging")
        if pushed.returncode != 0:
            raise RemoteStateError("the first delivery of DAGs failed", where=str(self.clone), next_step=pushed.stderr)
        commit = self.git.rev_parse("main")
        committed_at = parse_timestamp(self.git.run("show", "--no-patch", "--format=%cI", commit).strip())
        open_store(self.store, clock=self.world.clock).append(
            DeliveryEvent(
                kind=Kind.SERVICE_DEPLOYED,
                source="headgate/demo",
                id=event_id("demo", service, "1.0.0"),
                occurred_at=self.world.clock.now(),
                subject=service,
                service=service,
                environment="prod",
                commit=commit,
                committed_at=committed_at,
                outcome="success",
                data={"version": "1.0.0"},
            )
            for service in APPLICATIONS
        )

    def _create_projects(self) -> None:
        gitlab_sandbox = self.world.gitlab
        self.developer = gitlab_sandbox.token("dana", "api")
        self.robot = gitlab_sandbox.token("headgate-bot", "api")
        gitops = self.world.root / "templates" / "gitops"
        environment = gitlab_sandbox.create_project(ENVIRONMENT, import_from=self._template("gitops", gitops, {}))
        self.environment_repository = environment.repository
        # The templates name the servers of a company; here they are on loopback, at ports known only now.
        self.replacements = {
            "https://gitlab.example.com": self.world.gitlab.url,
            "https://jenkins.example.com": self.world.jenkins.url,
            "https://argocd.example.com": self.world.argocd.url,
            "git@gitlab.example.com:shop/env.git": str(self.environment_repository),
            "sqlite:///.headgate/events.db": self.store,
            # Traffic on the sandbox is dense and its servers are near: shorter looks give the same evidence.
            "interval_s: 2": "interval_s: 1",
            "deadline_s: 1800": "deadline_s: 1800\n          poll_s: 0.3",
        }
        target = self.world.root / "templates" / "platform"
        project = gitlab_sandbox.create_project(
            PLATFORM, import_from=self._template("platform", target, self.replacements)
        )
        self.platform_repository = project.repository
        project.variables.update(self.job_environment)

    def _template(self, part: str, target: Path, replacements: Mapping[str, str]) -> Path:
        copy_template(self.shop / part, target, replacements)
        return target

    def _create_job(self) -> None:
        """The delivery job, with the parameters that its Jenkinsfile declares; tokens are Jenkins credentials."""
        environment = dict(self.job_environment)
        for variable in ("HEADGATE_GITLAB_TOKEN", "HEADGATE_ARGOCD_TOKEN"):
            self.world.jenkins.credentials[variable.lower().replace("_", "-")] = environment.pop(variable)
        jenkinsfile = self.world.root / "templates" / "platform" / "Jenkinsfile"
        self.world.jenkins.create_job(
            JOB, jenkinsfile=jenkinsfile, repo=str(self.platform_repository), environment=environment
        )

    def _create_applications(self) -> None:
        self.world.argocd.locate("git@gitlab.example.com:shop/env.git", self.environment_repository)
        for manifest in sorted((self.shop / "gitops" / "projects").glob("*.yaml")):
            for document in yaml.safe_load_all(manifest.read_text(encoding="utf-8")):
                self.world.kubernetes.cluster.apply(document)
        for manifest in sorted((self.shop / "gitops" / "apps").glob("*.yaml")):
            self.world.argocd.create_application(yaml.safe_load(manifest.read_text(encoding="utf-8")))
        for application in APPLICATIONS.values():
            self._first_sync(application)
        for service in APPLICATIONS:
            self.wait_until(f"{service} 1.0.0 is live", functools.partial(self.is_healthy, service))

    def _first_sync(self, application: str) -> None:
        import httpx

        headers = {"Authorization": f"Bearer {self.world.argocd.token('admin')}"}
        url = f"{self.world.argocd.url}/api/v1/applications/{application}/sync"
        body = {"name": application, "project": "shop"}
        httpx.post(url, json=body, headers=headers, timeout=30).raise_for_status()

    @property
    def job_environment(self) -> dict[str, str]:
        """What pipelines and the delivery job find in their environment."""
        return {**self.world.access, "HEADGATE_GITLAB_TOKEN": self.robot, "PATH": job_path(), "NO_COLOR": "1"}

    # what people do

    def open_merge_request(self, change: str, title: str) -> ProjectMergeRequest:
        """Dana's branch with the files of `change`, pushed, and a merge request for it."""
        branch = f"change/{change}"
        self.git.run("fetch", "--quiet", "origin")
        self.git.run("switch", "--quiet", "--create", branch, "origin/main")
        shutil.copytree(self.shop / "changes" / change, self.clone, dirs_exist_ok=True)
        self.git.run("add", "--all")
        self.git.run("commit", "--quiet", "--message", title)
        self.git.run("push", "--quiet", "origin", branch)
        return self.project.mergerequests.create(
            {"source_branch": branch, "target_branch": "main", "title": title, "remove_source_branch": True}
        )

    def await_gates(self, request: ProjectMergeRequest, timeout_s: float = 180) -> ProjectPipeline:
        """The finished pipeline of a merge request."""
        return self._await_pipeline(f"pipeline of !{request.iid}", {"sha": request.sha}, timeout_s)

    def merge(self, request: ProjectMergeRequest) -> str:
        """Merge and return the merge commit."""
        request.merge()
        merged = self.project.mergerequests.get(request.iid)
        return str(merged.merge_commit_sha)

    def await_delivery(self, commit: str, timeout_s: float = 240) -> ProjectPipeline:
        """The finished pipeline of `commit` on main."""
        return self._await_pipeline(f"pipeline of {commit[:8]}", {"sha": commit, "ref": "main"}, timeout_s)

    def _await_pipeline(self, what: str, query: Mapping[str, str], timeout_s: float) -> ProjectPipeline:
        found: list[ProjectPipeline] = []

        def finished() -> bool:
            found[:] = self.project.pipelines.list(get_all=True, query_parameters=dict(query))
            return bool(found) and found[0].status in {"success", "failed", "canceled", "skipped"}

        self.wait_until(what, finished, timeout_s)
        return found[0]

    def headgate(self, *arguments: str, timeout_s: float = 240) -> process.Completed:
        """Run `headgate` in Dana's clone of main, as a release engineer would."""
        self.git.run("fetch", "--quiet", "origin")
        self.git.run("switch", "--quiet", "--force-create", "main", "origin/main")
        environ = {"HOME": str(self.world.root), **IDENTITY, **self.job_environment}
        return process.run(["headgate", *arguments], cwd=self.clone, env=environ, timeout_s=timeout_s)

    # where one would look

    @property
    def project(self) -> Project:
        return self._gitlab.projects.get(PLATFORM)

    @property
    def _gitlab(self) -> gitlab.Gitlab:
        import gitlab

        return gitlab.Gitlab(self.world.gitlab.url, private_token=self.developer, timeout=30)

    def rollout(self, service: str) -> dict[str, Any]:
        found = self.world.kubernetes.cluster.get(Ref("argoproj.io", "v1alpha1", "Rollout", NAMESPACE, service))
        if found is None:
            raise RemoteStateError(f"no Rollout {service!r} in the sandbox cluster")
        return found

    def image(self, service: str) -> str:
        """The image that the Rollout asks for."""
        return str(self.rollout(service)["spec"]["template"]["spec"]["containers"][0]["image"])

    def is_healthy(self, service: str) -> bool:
        """Whether the Rollout has settled: observed, Healthy, not aborted, one version."""
        try:
            found = self.rollout(service)
        except RemoteStateError:
            return False
        status = found.get("status", {})
        return (
            str(found["metadata"]["generation"]) == status.get("observedGeneration")
            and status.get("phase") == "Healthy"
            and not status.get("abort")
            and status.get("stableRS") == status.get("currentPodHash")
        )

    def application(self, service: str) -> dict[str, Any]:
        return self.world.argocd.application(APPLICATIONS[service])

    def history(self) -> list[str]:
        """Commits of the GitOps repository, newest first: hash, subject and Headgate's trailers."""
        git = Git(path=self.environment_repository)
        form = "%h %s [%(trailers:key=Headgate-Release,key=Headgate-Revert,key=Source-Commit,separator=%x20)]"
        log = git.run("log", f"--format={form}", "main")
        return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28}\b", r"\1", log).splitlines()

    def wait_until(self, what: str, condition: Callable[[], bool], timeout_s: float = 60) -> None:
        """Poll. Raises `RemoteTimeoutError` naming what did not come."""
        clock = self.world.clock
        limit = clock.monotonic() + timeout_s
        while not condition():
            if clock.monotonic() > limit:
                raise RemoteTimeoutError(
                    f"{what}: not seen within {timeout_s:g} s", next_step=f"Look into {self.world.root}."
                )
            clock.sleep(POLL_S)
