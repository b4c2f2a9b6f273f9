"""GitLab's JSON, read at the edge into what Headgate uses of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from headgate.errors import ServerFaultError


class Foreign(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


F = TypeVar("F", bound=Foreign)


class UserData(Foreign):
    id: int
    username: str = ""


class NoteData(Foreign):
    id: int
    body: str = ""
    system: bool = False
    author: UserData | None = None


class DiffRefsData(Foreign):
    base_sha: str | None = None


class MergeRequestData(Foreign):
    iid: int
    title: str = ""
    state: str
    author: UserData | None = None
    source_branch: str
    target_branch: str
    sha: str
    diff_refs: DiffRefsData | None = None
    merge_commit_sha: str | None = None
    web_url: str = ""


class UploadData(Foreign):
    markdown: str


class StatusData(Foreign):
    id: int
    name: str
    status: str
    description: str | None = None


class EnvironmentData(Foreign):
    name: str


class DeploymentData(Foreign):
    id: int
    sha: str
    status: str
    environment: EnvironmentData | None = None


def parse(model: type[F], payload: Mapping[str, Any]) -> F:
    """`payload` as `model`. Raises `ServerFaultError` naming the field that is missing or wrong."""
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        raise ServerFaultError(
            f"an answer of GitLab lacks {'.'.join(map(str, first['loc']))} ({first['msg']})",
            where=model.__name__,
            next_step="Check that the forge URL is that of a GitLab server of a supported version (15 or newer).",
        ) from error
