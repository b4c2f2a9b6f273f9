"""The commits that a release delivers: those since the release before that touch the DAG folder."""

from __future__ import annotations

from datetime import datetime

from cicd.dags.git.tree import read_time
from headgate.errors import HeadgateError
from headgate.git import Git, is_sha
from observability.commits import Commit, read_message

MOST = 200
"""Commits listed; of a longer range the newest."""


def fetch_range(git: Git, before: str | None, commit: str, source: str) -> tuple[Commit, ...]:
    """Commits reachable from `commit` and not from `before`, newest first; those without a readable time left out.

    Empty when nothing was delivered before, and when the clone does not have the commits.
    """
    if before is None or not is_sha(before) or not is_sha(commit):
        return ()
    folder = ["--", source] if source.strip("/") not in {"", "."} else []
    form = "--format=%H%x00%cI%x00%B%x00"
    try:
        done = git.call("log", "-z", f"--max-count={MOST}", form, f"{before}..{commit}", *folder)
    except HeadgateError:
        return ()
    if done.returncode != 0:
        return ()
    fields = done.stdout.split("\0")
    found = zip(fields[0::4], fields[1::4], fields[2::4], strict=False)
    return tuple(_commit(sha, at, body) for sha, text, body in found if is_sha(sha) and (at := read_time(text)))


def _commit(sha: str, at: datetime, body: str) -> Commit:
    said = read_message(body)
    return Commit(sha=sha, at=at, original=said.get("original"), reverts=said.get("reverts"))
