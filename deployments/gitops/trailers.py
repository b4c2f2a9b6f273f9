"""Commit messages that carry what a release needs to be found and continued: Git trailers. Pure.

`Headgate-Release:`, `Source-Repo:` and `Source-Commit:` join the GitOps repository with the source repository;
`Headgate-Revert:` marks the commit that turned a release back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from headgate.clock import format_timestamp, parse_timestamp

RELEASE, REVERT = "Headgate-Release", "Headgate-Revert"
_TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseNote:
    """What a release commit says about itself.

    `previous` is the version before, `baseline` the identity of what was stable before (empty: not known).
    `source_commit` is the full commit of the source repository, None where it was not given.
    """

    release_id: str
    service: str
    environment: str
    version: str
    previous: str
    baseline: str = ""
    source_repo: str | None = None
    source_commit: str | None = None
    committed_at: datetime | None = None


def release_message(note: ReleaseNote) -> str:
    """The message of a release commit."""
    lines = {
        RELEASE: note.release_id,
        "Headgate-Service": note.service,
        "Headgate-Environment": note.environment,
        "Headgate-Version": note.version,
        "Headgate-Previous": note.previous,
        "Headgate-Baseline": note.baseline or None,
        "Source-Repo": note.source_repo,
        "Source-Commit": note.source_commit,
        "Source-Committed-At": format_timestamp(note.committed_at) if note.committed_at else None,
    }
    return f"Release {note.service} {note.version} to {note.environment}\n\n{_format(lines)}\n"


def revert_message(note: ReleaseNote, *, commit: str, reason: str) -> str:
    """The message of the commit that turns a release back."""
    lines: dict[str, str | None] = {
        REVERT: note.release_id,
        "Headgate-Service": note.service,
        "Headgate-Environment": note.environment,
        "Headgate-Version": note.previous,
        "Headgate-Reason": reason or "no reason given",
        "Source-Repo": note.source_repo,
        "Source-Commit": note.source_commit,
    }
    head = f"Revert release of {note.service} {note.version} to {note.environment}"
    return f"{head}\n\nThis reverts commit {commit}.\n\n{_format(lines)}\n"


def parse_trailers(message: str) -> dict[str, str]:
    """The trailers in the last paragraph of a message; the last of several with one name counts."""
    paragraph = message.strip().split("\n\n")[-1]
    found = (_TRAILER.fullmatch(line.strip()) for line in paragraph.splitlines())
    return {match.group(1): match.group(2).strip() for match in found if match}


def parse_release(message: str) -> ReleaseNote | None:
    """The release that a commit message describes, None for any other commit."""
    trailers = parse_trailers(message)
    needed = [
        trailers.get(name, "") for name in (RELEASE, "Headgate-Service", "Headgate-Environment", "Headgate-Version")
    ]
    if not all(needed):
        return None
    return ReleaseNote(
        release_id=needed[0],
        service=needed[1],
        environment=needed[2],
        version=needed[3],
        previous=trailers.get("Headgate-Previous", ""),
        baseline=trailers.get("Headgate-Baseline", ""),
        source_repo=trailers.get("Source-Repo"),
        source_commit=trailers.get("Source-Commit"),
        committed_at=_moment(trailers.get("Source-Committed-At")),
    )


def parse_revert(message: str) -> tuple[str, str] | None:
    """The id of the release that a commit turned back, and the reason; None for any other commit."""
    trailers = parse_trailers(message)
    return (trailers[REVERT], trailers.get("Headgate-Reason", "")) if trailers.get(REVERT) else None


def _format(lines: dict[str, str | None]) -> str:
    # A line break inside a value would forge further trailers.
    return "\n".join(f"{name}: {' '.join(value.split())}" for name, value in lines.items() if value)


def _moment(text: str | None) -> datetime | None:
    try:
        return parse_timestamp(text) if text else None
    except ValueError:
        return None
