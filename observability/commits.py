"""Commits as deployments and changes list them: what is known of each, and its form inside an event. Pure.

An event has room for scalars only, so a list of commits travels as JSON text under `data.commits`, in one fixed form:
the same commits give the same text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from headgate.clock import format_timestamp, parse_timestamp

COMMITS = "commits"
"""Key in the data of an event under which the list is."""
CHANGES = "changes"
"""Key under which the ids of the merge requests that a deployment delivers are, as JSON text."""

SQUASH = "squash_commit"
"""Key under which a merged change names the squash commit, where `commit` is the merge commit on top of it."""

_PICKED = re.compile(r"\(cherry picked from commit ([0-9a-fA-F]{7,64})\)")
_REVERTED = re.compile(r"This reverts commit ([0-9a-fA-F]{7,64})")
_SOURCE = re.compile(r"^Source-Commit:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_SOURCE_TIME = re.compile(r"^Source-Committed-At:[ \t]*(\S+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit. `at` is when it was committed, None when nobody said.

    `original` is the commit it was cherry-picked from: both are one change. `reverts` is the commit that it takes
    back. `paths` are the files that it touches, empty when nobody said.
    """

    sha: str
    at: datetime | None = None
    original: str | None = None
    reverts: str | None = None
    paths: tuple[str, ...] = ()


def read_message(message: str) -> Mapping[str, str]:
    """What a commit message says in the forms of Git and Headgate.

    Keys: `original` (`git cherry-pick -x`), `reverts` (`git revert`), `source` and `source_at` (GitOps trailers
    `Source-Commit` and `Source-Committed-At`).
    """
    found = {"original": _PICKED, "reverts": _REVERTED, "source": _SOURCE, "source_at": _SOURCE_TIME}
    matches = {name: pattern.findall(message) for name, pattern in found.items()}
    return {name: texts[-1] for name, texts in matches.items() if texts}


def encode_commits(commits: Iterable[Commit]) -> str:
    """The list as text; order is that of the time (unknown times first), then of the name."""
    unique = {(c.sha, c.at): c for c in commits}
    ordered = sorted(unique.values(), key=lambda c: (format_timestamp(c.at) if c.at else "", c.sha))
    return json.dumps([_plain(commit) for commit in ordered], separators=(",", ":"), ensure_ascii=False)


def _plain(commit: Commit) -> dict[str, object]:
    known = {
        "sha": commit.sha,
        "at": commit.at and format_timestamp(commit.at),
        "original": commit.original,
        "reverts": commit.reverts,
        "paths": list(commit.paths),
    }
    return {name: value for name, value in known.items() if value}


# Ways to write the parts of a commit, best first. The committer's time comes before the author's: a commit is in
# version control from then on.
SHA_NAMES = ("sha", "id", "commit", "hash", "revision", "commit_sha", "commit_id", "oid")
TIME_NAMES = (
    "committed_at", "time", "at", "timestamp", "commit_time", "committed_date", "commit_date", "committer_date",
    "date", "created_at", "occurred_at", "authored_at", "authored_date", "author_date",
)  # fmt: skip
_ORIGINAL_NAMES = ("original", "cherry_picked_from", "cherry_pick_of", "picked_from")
_REVERT_NAMES = ("reverts", "revert_of", "reverted_commit")
_PATH_NAMES = ("paths", "files", "changed_files")


def parse_commits(value: object) -> tuple[Commit, ...]:
    """Commits from outside: a list of names or of objects with a name and a time. Raises `ValueError`."""
    if value is None:
        return ()
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(item if isinstance(item, Commit) else parse_commit(item, number) for number, item in enumerate(items))


def parse_commit(item: object, number: int = 0) -> Commit:
    """One commit from outside: its name, or an object. Raises `ValueError` that names the place in the list."""
    where = f"commits[{number}]"
    if isinstance(item, str):
        return Commit(sha=_sha(item, where))
    if not isinstance(item, Mapping):
        raise ValueError(f"{where}: a commit is text or an object with sha and time")  # noqa: TRY004 - one kind for callers
    known = {snake(str(key)): part for key, part in item.items()}
    sha = _pick(known, SHA_NAMES)
    if sha is None:
        raise ValueError(f"{where}: has no sha")
    at, message = _pick(known, TIME_NAMES), known.get("message")
    said = read_message(message) if isinstance(message, str) else {}
    original, reverts = (_pick(known, names) for names in (_ORIGINAL_NAMES, _REVERT_NAMES))
    paths = _pick(known, _PATH_NAMES) or ()
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"{where}: paths is a list of texts")
    if "source" in said:  # a commit of the environment repository: the source commit is the change
        sha, at = said["source"], said.get("source_at")
    return Commit(
        sha=_sha(sha, where),
        at=None if at is None else _time(at, where),
        original=_sha(original or said.get("original"), where) if original or "original" in said else None,
        reverts=_sha(reverts or said.get("reverts"), where) if reverts or "reverts" in said else None,
        paths=tuple(paths),
    )


def snake(name: str) -> str:
    """`deployedAt`, `Deployed-At` and `deployed at` as `deployed_at`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s_-]+", "_", parted).lower()


def _pick(known: Mapping[str, object], names: Iterable[str]) -> object:
    return next((known[name] for name in names if known.get(name) not in (None, "")), None)


def _sha(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 200 or re.search(r"\s", value.strip()):
        raise ValueError(f"{where}: a commit is named by one word of text, such as its full SHA")
    text = value.strip()
    return text.lower() if re.fullmatch(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}", text) else text


def _time(value: object, where: str) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"{where}: write times as text with an offset, such as 2026-11-21T10:00:00Z")  # noqa: TRY004
    try:
        return parse_timestamp(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{where}: {error}") from error


@lru_cache(maxsize=4096)
def _decode(text: str) -> tuple[Commit, ...]:
    try:
        items = json.loads(text)
        return tuple(
            Commit(
                sha=str(item["sha"]),
                at=parse_timestamp(item["at"]) if item.get("at") else None,
                original=item.get("original"),
                reverts=item.get("reverts"),
                paths=tuple(item.get("paths", ())),
            )
            for item in items
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return ()  # text of an emitter that means something else by this key


def decode_commits(value: object) -> tuple[Commit, ...]:
    """The commits under `data.commits`; none for anything that is not such a list."""
    return _decode(value) if isinstance(value, str) and value.startswith("[") else ()


def decode_names(value: object) -> tuple[str, ...]:
    """The ids under `data.changes`; none for anything that is not a list of texts."""
    if not isinstance(value, str) or not value.startswith("["):
        return ()
    try:
        names = json.loads(value)
    except (ValueError, RecursionError):
        return ()
    return tuple(name for name in names if isinstance(name, str))
