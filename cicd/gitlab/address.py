"""Addresses of GitLab projects. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from headgate.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectAddress:
    """`server` is the root of the instance, `project` the full path (or the id)."""

    server: str
    project: str


def parse_project_url(text: str, *, where: str) -> ProjectAddress:
    """The project of `https://gitlab.example.com/group/project`, as a browser or `git clone` shows it.

    An instance below a path is written with `//` before the project: `https://example.com/gitlab//group/project`.
    Raises `ConfigError`, also for credentials in the address: they belong into HEADGATE_GITLAB_TOKEN.
    """
    parts = urlsplit(text)
    below, doubled, project = parts.path.lstrip("/").rpartition("//")
    project = unquote(project.partition("/-/")[0]).strip("/").removesuffix(".git")
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not project
        or (not doubled and "/" not in project and not project.isdigit())
    ):
        raise ConfigError(
            f"{_plain(text)!r} is not the address of a GitLab project",
            where=where,
            next_step="Write https://gitlab.example.com/group/project.",
        )
    if "@" in parts.netloc:
        raise ConfigError(
            "the address holds credentials", where=where, next_step="Put the token into HEADGATE_GITLAB_TOKEN."
        )
    server = f"{parts.scheme}://{parts.netloc}" + (f"/{below.strip('/')}" if doubled else "")
    return ProjectAddress(server=server, project=project)


def _plain(text: str) -> str:
    return text.split("@", 1)[-1][:200]
