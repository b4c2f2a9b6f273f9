"""What Headgate needs from a forge, and the values that cross that line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class CommitState(StrEnum):
    """States of a commit status, in GitLab's words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"


class DeploymentState(StrEnum):
    """States of a deployment record, in GitLab's words; the first is the only unfinished one."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"


class NoteChange(StrEnum):
    """What `put_note` did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStatus:
    """The state of one gate on one commit.

    `name` is the key: a later status of that name replaces this one. `description` is cut to 255 characters.
    `pipeline_id` is the pipeline to attach to (CI_PIPELINE_ID), `ref` is ignored then; if GitLab does not find it for
    the commit (a merged-results pipeline belongs to another commit), its newest pipeline is taken. Without `pipeline_id`,
    `ref` None lets GitLab take the newest pipeline, and a branch name one of the branch, never that of the merge request.
    `target_url` may be empty.
    """

    sha: str
    name: str
    state: CommitState
    description: str = ""
    target_url: str = ""
    ref: str | None = None
    pipeline_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRequest:
    """A merge request as it was when asked.

    `state` is opened, closed, locked or merged. `head_sha` is the newest commit of the source branch; `base_sha` the
    merge base the diff is counted from, None while GitLab has not worked it out. `merge_commit_sha` is None until
    merged, and stays None for a fast-forward merge.
    """

    iid: int
    title: str
    state: str
    author: str
    source_branch: str
    target_branch: str
    head_sha: str
    base_sha: str | None = None
    merge_commit_sha: str | None = None
    web_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRecord:
    """That `sha` is being, or was, deployed to `environment`. `ref` is the branch or tag it came from."""

    environment: str
    sha: str
    ref: str
    state: DeploymentState
    is_tag: bool = False


class Forge(Protocol):
    """The forge of one project. Every method may be repeated: what is already so is left alone.

    All raise `TransportError` when the forge could not be asked and `RemoteStateError` when it refused.
    """

    def put_note(self, merge_request: int, key: str, text: str) -> NoteChange:
        """Make `text` (Markdown) the one note of `key` on the merge request with this iid."""
        ...

    def set_status(self, status: CommitStatus) -> None:
        """Make `status` the current one of its name on its commit."""
        ...

    def fetch_merge_request(self, iid: int) -> MergeRequest:
        """The merge request with this iid. Raises `NotFoundError`."""
        ...

    def record_deployment(self, record: DeploymentRecord) -> int:
        """Create the deployment record, or bring the unfinished one of the same commit to this state; returns its id."""
        ...


class Board(Protocol):
    """Where the evidence of a release is shown: on the merge requests that its commit came from."""

    def find_merged(self, commit: str) -> tuple[int, ...]:
        """The iids of the merged merge requests that have this commit; none for a commit that is not known."""
        ...

    def upload(self, name: str, content: bytes) -> str:
        """Keep a file with the project; returns the Markdown that shows it."""
        ...

    def put_note(self, merge_request: int, key: str, text: str) -> NoteChange:
        """See `Forge.put_note`."""
        ...
