"""Checks of what is on this machine and in repositories: Git, the event store, DAG targets, the GitOps repository."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from cicd.config.airflow import AirflowConfig
from cicd.config.dags import DagTargetConfig
from cicd.config.model import Config, GitOpsConfig
from cicd.doctor.checks import Step
from headgate.clock import Clock
from headgate.errors import AuthenticationError, ConfigError, HeadgateError, NotFoundError
from headgate.git import Git, check_ref
from headgate.secrets import mask

_ACCESS = (
    "Check gitops.repo and gitops.branch, and that this machine's SSH key or credential helper may {} the repository."
)


def config_steps(config: Config, root: Path) -> Iterator[Step]:
    """The configuration could be read, or detected; a wrong one does not come this far."""
    yield Step(name="valid", ask=lambda: f"project {config.project}, paths count from {root}")


def git_steps(root: Path, timeout_s: float) -> Iterator[Step]:
    """Git is installed, and `root` is a repository with a commit: releases are made of commits."""
    git = Git(path=root, timeout_s=timeout_s)

    def commit() -> str:
        try:
            return f"{root} is at {git.rev_parse('HEAD')[:12]}"
        except NotFoundError as error:
            raise ConfigError(
                "not a Git repository with a commit",
                where=str(root),
                next_step="Run Headgate in the repository to be released, or commit something first.",
            ) from error

    yield Step(name="installed", ask=lambda: git.run("--version").strip())
    yield Step(name="repository", ask=commit)


def store_steps(url: str, root: Path, clock: Clock, timeout_s: float) -> Iterator[Step]:
    """The event store can be opened, and written to: the write lock is taken and given back, nothing is stored."""

    def writable() -> str:
        from observability.store import open_store

        store = open_store(url, root=root, create=True, clock=clock, busy_timeout_s=timeout_s)
        with store.database.writing():
            return f"{store.where} can be written"

    yield Step(name="writable", ask=writable)


def target_steps(target: DagTargetConfig, timeout_s: float) -> Iterator[Step]:
    """The DAG folder can be listed with the credentials at hand. Writing is not tried: a bucket has no dry run."""

    def listed() -> str:
        from cicd.dags.target import Identity, open_target

        identity = Identity(impersonate=target.impersonate, quota_project=target.quota_project, profile=target.profile)
        opened = open_target(target.bucket, timeout_s=min(timeout_s, target.timeout_s), identity=identity)
        try:
            return f"{target.bucket} can be listed, {len(opened.objects())} objects"
        finally:
            getattr(opened.store, "close", int)()

    yield Step(name="list", ask=listed)


def airflow_steps(config: AirflowConfig, clock: Clock, timeout_s: float) -> Iterator[Step]:
    """Airflow lets DAGs and import errors be read with the credentials at hand. No DAG's source is asked for."""

    def read() -> str:
        from cicd.dags.airflow.access import choose_access
        from cicd.dags.airflow.client import AirflowClient
        from cicd.dags.airflow.protocol import Folder

        access = choose_access(config.auth, config.url)
        bound = min(timeout_s, config.timeout_s)
        client = AirflowClient(config.url, access, folder=Folder(bundle=config.bundle), timeout_s=bound, clock=clock)
        try:
            dags, problems = client.look()
            status = client.processor()[0] or "of unknown health"
            return f"{len(dags)} DAGs, {len(problems)} import errors; the DAG processor is {status}"
        finally:
            client.close()

    yield Step(name="read", ask=read)


def gitops_steps(config: GitOpsConfig, timeout_s: float) -> Iterator[Step]:
    """The GitOps repository can be read, holds the version where headgate.yaml says, and would take a push."""
    branch = check_ref(config.branch)
    with tempfile.TemporaryDirectory(prefix="headgate-doctor-") as scratch:
        yield from _gitops(config, branch, Git(path=Path(scratch), timeout_s=timeout_s))


def _gitops(config: GitOpsConfig, branch: str, git: Git) -> Iterator[Step]:
    def read() -> str:
        git.run("init", "--quiet")
        done = git.call("fetch", "--quiet", "--depth=1", "--no-tags", "--", config.repo, f"refs/heads/{branch}")
        if done.returncode != 0:
            raise _refused(config, f"the branch {branch} cannot be fetched", done.stderr, "read")
        return f"{branch} is at {git.rev_parse('FETCH_HEAD')[:12]}"

    def version() -> str:
        from deployments.gitops.edit import read_version

        try:
            text = git.read_file("FETCH_HEAD", config.file).decode("utf-8", "replace")
        except NotFoundError as error:
            raise NotFoundError(
                f"the branch {branch} has no file {config.file!r}",
                where=mask(config.repo),
                next_step="Correct gitops.file in headgate.yaml.",
            ) from error
        return f"{config.file} has {config.key} {read_version(text, config.key, where=config.file)}"

    def push() -> str:
        # The server checks the right to push before it is told what; with --dry-run it is never told.
        done = git.call(
            "push", "--quiet", "--dry-run", "--no-verify", "--", config.repo, "FETCH_HEAD:refs/headgate/doctor"
        )
        if done.returncode != 0:
            raise _refused(config, "a push would be refused", done.stderr, "push to")
        return "a push would be taken"

    yield Step(name="read", ask=read)
    yield Step(name="version", ask=version)
    yield Step(name="push", ask=push)


def _refused(config: GitOpsConfig, what: str, said: str, verb: str) -> HeadgateError:
    detail = " ".join(said.split())[-200:] or "git said nothing"
    return AuthenticationError(mask(f"{what} ({detail})"), where=mask(config.repo), next_step=_ACCESS.format(verb))
