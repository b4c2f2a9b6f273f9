"""`Forge` over GitLab.

A write whose answer was lost is never sent again blindly: what is there is looked at first.
API: https://docs.gitlab.com/api/notes/, /api/commits/#set-commit-pipeline-status, /api/deployments/,
/api/project_markdown_uploads/
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote

from cicd.gitlab.api import GitLabApi
from cicd.gitlab.deployments import ExistingDeployment, decide_deployment
from cicd.gitlab.errors import ACCESS_ADVICE
from cicd.gitlab.note import ExistingNote, build_body, decide_note
from cicd.gitlab.payloads import (
    DeploymentData,
    MergeRequestData,
    NoteData,
    StatusData,
    UploadData,
    UserData,
    parse,
)
from cicd.gitlab.port import CommitStatus, DeploymentRecord, DeploymentState, MergeRequest, NoteChange
from headgate.clock import Clock, SystemClock
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    NotFoundError,
    RemoteStateError,
    TransportError,
)
from headgate.secrets import Secret, mask, read_secret

if TYPE_CHECKING:
    import gitlab

_DESCRIPTION_LIMIT = 255
_WRITE_ATTEMPTS = 3


def find_token(environ: Mapping[str, str] | None = None) -> tuple[Literal["private", "job"], Secret] | None:
    """The token to use: HEADGATE_GITLAB_TOKEN (or its `_FILE`), else CI_JOB_TOKEN, else None."""
    environ = os.environ if environ is None else environ
    private = read_secret("HEADGATE_GITLAB_TOKEN", environ)
    if private is not None:
        return "private", private
    job = environ.get("CI_JOB_TOKEN", "")
    return ("job", Secret(job)) if job else None


def connect(
    url: str,
    project: str,
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    timeout_s: float = 30.0,
) -> GitLabForge:
    """A forge for `project` (full path or id) at `url`; nothing is asked yet. Close it, or use it with `with`.

    Raises `AuthenticationError` without any token and `ConfigError` when python-gitlab is not installed.
    """
    try:
        import gitlab
    except ImportError as error:
        raise ConfigError("python-gitlab is not installed", next_step="Install headgate[gitlab].") from error
    token = find_token(environ)
    if token is None:
        raise AuthenticationError("no GitLab token is set", where=url, next_step=ACCESS_ADVICE)
    kind, secret = token
    client: gitlab.Gitlab = gitlab.Gitlab(
        url,
        private_token=secret.reveal() if kind == "private" else None,
        job_token=secret.reveal() if kind == "job" else None,
        timeout=timeout_s,
        # Pages of a list are linked with the server's own idea of its address, which need not be ours.
        keep_base_url=True,
        retry_transient_errors=False,
    )
    return GitLabForge(GitLabApi(client, project, clock or SystemClock()), has_user=kind == "private")


class GitLabForge:
    """`Forge` for one GitLab project. `has_user` False (job token) means that the token's user cannot be asked for."""

    def __init__(self, api: GitLabApi, *, has_user: bool = True) -> None:
        self._api = api
        self._has_user = has_user
        self._me: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._api.close()

    @property
    def api(self) -> GitLabApi:
        """The calls underneath, for reads that are not part of the port."""
        return self._api

    # notes

    def put_note(self, merge_request: int, key: str, text: str) -> NoteChange:
        body = build_body(key, text)
        path = f"/merge_requests/{merge_request}/notes"
        change = NoteChange.UNCHANGED

        def settle() -> bool:
            """One step towards exactly one note; True when it is there."""
            nonlocal change
            plan = decide_note(self._notes(path), key, body, author_id=self._author())
            if plan.create:
                change = NoteChange.CREATED
                self._api.post(path, {"body": body})
                return False  # look again: another pipeline may have created one at the same moment
            if plan.update is not None:
                change = NoteChange.UPDATED if change is NoteChange.UNCHANGED else change
                self._api.put(f"{path}/{plan.update}", {"body": body})
            for surplus in plan.delete:
                self._delete_quietly(f"{path}/{surplus}")
            return True

        self._settle(settle, f"merge request !{merge_request}")
        return change

    def _notes(self, path: str) -> list[ExistingNote]:
        notes = [parse(NoteData, item) for item in self._api.list(path, sort="asc", order_by="created_at")]
        return [
            ExistingNote(id=n.id, body=n.body, author_id=n.author.id if n.author else None, is_system=n.system)
            for n in notes
        ]

    def _author(self) -> int | None:
        if self._has_user and self._me is None:
            self._me = parse(UserData, self._api.get_global("/user")).id
        return self._me

    def _delete_quietly(self, path: str) -> None:
        try:
            self._api.delete(path)
        except NotFoundError:
            return  # the other pipeline deleted it

    # commit statuses

    def set_status(self, status: CommitStatus) -> None:
        if status.pipeline_id is not None:
            # The branch is left out: with it GitLab does not find a merge request's pipeline, which has its own ref.
            status = replace(status, ref=None)
            try:
                self._settle_status(status)
                return
            except NotFoundError:
                status = replace(status, pipeline_id=None)
        self._settle_status(status)

    def _settle_status(self, status: CommitStatus) -> None:
        path = f"/statuses/{status.sha}"
        data = {
            "state": status.state.value,
            "name": status.name,
            "description": mask(status.description)[:_DESCRIPTION_LIMIT],
            "target_url": status.target_url or None,
            "ref": status.ref,
            "pipeline_id": status.pipeline_id,
        }
        posted = False

        def settle() -> bool:
            nonlocal posted
            if posted and self._current_state(status) == status.state:
                return True
            posted = True
            try:
                self._api.post(path, {name: value for name, value in data.items() if value is not None})
            except NotFoundError:
                raise
            except RemoteStateError as refusal:
                # 400 "Cannot transition status via :run from :running": it is already so, or it has moved on.
                if self._current_state(status) != status.state:
                    raise _refused(status, refusal) from refusal
            return True

        self._settle(settle, f"commit {status.sha[:12]}")

    def _current_state(self, status: CommitStatus) -> str | None:
        query = {"name": status.name} | ({"pipeline_id": status.pipeline_id} if status.pipeline_id else {})
        found = [
            parse(StatusData, item) for item in self._api.list(f"/repository/commits/{status.sha}/statuses", **query)
        ]
        own = [item for item in found if item.name == status.name]
        return max(own, key=lambda item: item.id).status if own else None

    # merge requests

    def fetch_merge_request(self, iid: int) -> MergeRequest:
        found = parse(MergeRequestData, self._api.get(f"/merge_requests/{iid}"))
        return MergeRequest(
            iid=found.iid,
            title=found.title,
            state=found.state,
            author=found.author.username if found.author else "",
            source_branch=found.source_branch,
            target_branch=found.target_branch,
            head_sha=found.sha,
            base_sha=found.diff_refs.base_sha if found.diff_refs else None,
            merge_commit_sha=found.merge_commit_sha,
            web_url=found.web_url,
        )

    def find_merged(self, commit: str) -> tuple[int, ...]:
        try:
            listed = self._api.list(f"/repository/commits/{quote(commit, safe='')}/merge_requests")
        except NotFoundError:
            return ()
        found = [parse(MergeRequestData, item) for item in listed]
        return tuple(sorted(item.iid for item in found if item.state == "merged"))

    def upload(self, name: str, content: bytes) -> str:
        kind = "image/svg+xml" if name.endswith(".svg") else "application/octet-stream"
        return parse(UploadData, self._api.upload("/uploads", name, content, kind)).markdown

    # deployments

    def record_deployment(self, record: DeploymentRecord) -> int:
        number = 0

        def settle() -> bool:
            nonlocal number
            plan = decide_deployment(self._deployments(record), record)
            if plan.keep is not None:
                number = plan.keep
            elif plan.update is not None:
                number = plan.update
                self._api.put(f"/deployments/{plan.update}", {"status": record.state.value})
            else:
                data = {
                    "environment": record.environment,
                    "sha": record.sha,
                    "ref": record.ref,
                    "tag": record.is_tag,
                    "status": record.state.value,
                }
                number = parse(DeploymentData, self._api.post("/deployments", data)).id
            return True

        self._settle(settle, f"environment {record.environment}")
        return number

    def _deployments(self, record: DeploymentRecord) -> Sequence[ExistingDeployment]:
        listed = self._api.list("/deployments", environment=record.environment, order_by="id", sort="desc")
        found = [parse(DeploymentData, item) for item in listed]
        states = {state.value: state for state in DeploymentState}
        return [
            ExistingDeployment(id=item.id, sha=item.sha, state=states[item.status])
            for item in found
            if item.status in states and item.environment and item.environment.name == record.environment
        ]

    def _settle(self, step: Callable[[], bool], what: str) -> None:
        """Repeat `step`, which observes before it acts, until it says that all is as it should be.

        An answer that was lost (timeout, 5xx, 429) is followed by another look, not by the same write.
        """
        lost: TransportError | None = None
        for attempt in range(_WRITE_ATTEMPTS):
            if lost is not None:
                self._api.pause(attempt)
            try:
                if step():
                    return
                lost = None
            except AuthenticationError:
                raise
            except TransportError as error:
                lost = error
        if lost is not None:
            raise lost
        raise ConflictError(
            "it keeps changing while it is being written", where=what, next_step="Run the same command again."
        )


def _refused(status: CommitStatus, refusal: RemoteStateError) -> ConflictError:
    return ConflictError(
        f"commit status {status.name!r} cannot become {status.state}: {refusal.what}",
        where=refusal.where,
        next_step="Another job reports under the same name; give each its own.",
    )
