"""Facts of the senders as delivery events, each with its natural key. Pure.

Shared by the webhooks' translators and by whoever reads the same facts from a sender's API: the same fact gets the
same key on both ways, so that it counts once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from observability.commits import COMMITS, SQUASH, Commit, encode_commits, parse_commit
from observability.environments import is_production
from observability.events import DeliveryEvent, Kind, Scalar, event_id
from observability.identity import natural_key
from observability.ranges import Gap, range_event
from observability.rows import NATURAL_KEY

_SHA = re.compile(r"[0-9a-f]{7,64}")
_MERGES = ("Merge branch ", "Merge remote-tracking branch ", "Merge pull request #", "Merged in ", "Merge tag ")
_MOST_PATHS = 300
_LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where facts come from: the kind of sender, and its name for the project, with the host, never renamed."""

    provider: str
    project: str

    @property
    def source(self) -> str:
        return f"/{self.provider}/{self.project}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFact:
    """One commit as a forge tells it; `at` is None when it does not say."""

    sha: str
    at: datetime | None = None
    message: str = ""
    paths: tuple[str, ...] = ()


def fact(
    origin: Origin,
    kind: Kind,
    key: str,
    *,
    status: str,
    at: datetime,
    subject: str,
    attempt: int = 1,
    data: Mapping[str, Scalar] = MappingProxyType({}),
    **fields: Any,
) -> DeliveryEvent:
    """One event of a fact. `key` is the sender's own id with its kind (`deployment/15`), `status` what it became."""
    name = natural_key(provider=origin.provider, project=origin.project, subject=key, status=status, attempt=attempt)
    known = {name: _short(value) for name, value in data.items() if value not in (None, "")}
    return DeliveryEvent(
        kind=kind,
        source=origin.source,
        id=name,
        occurred_at=at,
        subject=_short(subject),
        data=MappingProxyType({**known, NATURAL_KEY: name}),
        **fields,
    )


def _short(value: Any) -> Any:
    """Free text (titles, messages) is for people; a list of commits is kept whole."""
    return value[:_LONGEST] if isinstance(value, str) and not value.startswith("[") else value


def retry_group(service: str, environment: str, commit: str | None, fallback: str) -> str:
    """What attempts of one deployment have in common: the commit brought to one environment.

    Senders give a retried deployment a new id. While none of a group has succeeded they are attempts of one deployment
    (`observability.history`); what is deployed again after a success is a deployment of its own.
    """
    return event_id("retry", service, environment, commit or fallback)


def tiered(environment: str, tier: str | None) -> str:
    """The environment under a name that says whether it is production, where its own name says otherwise.

    `tier` is that of GitLab (`production`, `staging`, `testing`, `development`, `other`); None and `other` say nothing.
    """
    if tier == "production":
        return environment if is_production(environment) else f"production/{environment}"
    if tier in ("staging", "testing", "development"):
        return f"{tier}/{environment}" if is_production(environment) else environment
    return environment


def push_events(
    origin: Origin,
    *,
    service: str,
    branch: str,
    before: str | None,
    after: str,
    commits: Sequence[CommitFact],
    complete: bool,
    at: datetime | None = None,
    url: str | None = None,
) -> tuple[DeliveryEvent, ...]:
    """A push to the branch that is deployed: what it brought, and, where all commits are known, the range it is.

    `before` is None for a new branch. `complete` says that `commits` are all that `after` has and `before` has not.
    `at` is the time of the push; the newest commit's where nobody says. Nothing is known of a push without a time.
    """
    times = [commit.at for commit in commits if commit.at is not None]
    when = at or max(times, default=None)
    if when is None or not commits:
        return ()
    head = next((commit for commit in commits if commit.sha == after), None)
    own = [commit for commit in commits if not commit.message.startswith(_MERGES)] or list(commits)
    event = fact(
        origin,
        Kind.CHANGE_MERGED,
        f"push/{branch}/{after}",
        status="pushed",
        at=when,
        subject=f"{branch}@{after[:12]}",
        service=service,
        commit=after,
        committed_at=head.at if head else None,
        url=url,
        data={COMMITS: encode_commits(map(to_commit, own)), "branch": branch},
    )
    if not complete or before is None:
        return (event,)
    gap = Gap(service=service, environment="", since=before, until=after, at=when)
    return event, range_event(gap, [to_commit(commit) for commit in commits], by=origin.provider)


def to_commit(commit: CommitFact) -> Commit:
    """With what its message says (cherry-picks, reverts, GitOps trailers). Too many paths count as none: as all."""
    paths = commit.paths if len(commit.paths) <= _MOST_PATHS else ()
    try:
        read = parse_commit({"sha": commit.sha, "message": commit.message})
    except ValueError:  # a trailer that says nonsense
        return Commit(sha=commit.sha, at=commit.at, paths=paths)
    same = read.sha == commit.sha
    return Commit(
        sha=read.sha, at=commit.at if same else read.at, original=read.original, reverts=read.reverts, paths=paths
    )


def merge_events(
    origin: Origin,
    *,
    service: str | None,
    change: str,
    key: str,
    at: datetime,
    merged_as: str | None,
    squashed_as: str | None = None,
    commits: Sequence[CommitFact],
    complete: bool = False,
    title: str = "",
    url: str | None = None,
) -> tuple[DeliveryEvent, ...]:
    """A merge request that was merged as `merged_as` (its merge commit, squash commit or last commit).

    `squashed_as` is the squash commit under a merge commit. `complete` says that `commits` are all of the request:
    webhooks tell only the last one, so what an API tells later is a fact of its own and adds to it. `service` is None
    for a merge to another branch than the one that is deployed.
    """
    listed = [to_commit(commit) for commit in commits]
    last = listed[-1] if listed else None
    squash = squashed_as if squashed_as and squashed_as != (last.sha if last else None) else None
    if squash and last is not None and not complete:
        listed.append(Commit(sha=squash, original=last.sha))  # the same change, written anew
    event = fact(
        origin,
        Kind.CHANGE_MERGED,
        f"{key}/commits" if complete else key,
        status="merged",
        at=at,
        subject=change,
        service=service,
        change=change,
        commit=merged_as or squash or (last.sha if last else None),
        url=url,
        data={"title": title, COMMITS: encode_commits(listed) if listed else None, SQUASH: squash},
    )
    return (event,)


def deployment_event(
    origin: Origin,
    *,
    key: str,
    status: str,
    outcome: str,
    at: datetime,
    service: str,
    environment: str,
    commit: str | None,
    committed_at: datetime | None = None,
    release: str | None = None,
    url: str | None = None,
    data: Mapping[str, Scalar] = MappingProxyType({}),
) -> DeliveryEvent:
    """A deployment that ended; `key` names it at the sender, `release` is its name for others (default: made of it)."""
    run = retry_group(service, environment, commit, f"{origin.source} {key}")
    return fact(
        origin,
        Kind.SERVICE_DEPLOYED,
        key,
        status=status,
        at=at,
        subject=key,
        service=service,
        environment=environment,
        commit=commit,
        committed_at=committed_at,
        outcome=outcome,
        release=release or f"{origin.source.strip('/')}/{key}",
        url=url,
        data={"run": run, **data},
    )


def incident_events(
    origin: Origin,
    *,
    key: str,
    subject: str,
    began: datetime,
    ended: datetime | None,
    service: str | None,
    environment: str | None = None,
    commit: str | None = None,
    reopened: datetime | None = None,
    dismissed: bool = False,
    url: str | None = None,
    data: Mapping[str, Scalar] = MappingProxyType({}),
) -> tuple[DeliveryEvent, ...]:
    """An incident as it is known now: that it began, and that it ended, if it did.

    Each message about an incident tells its beginning again (known, and counted once), so that one whose first
    message was lost is not lost. `reopened` is when it was opened again, in a message about that; `dismissed` says that
    it was none after all.
    """
    shared: dict[str, Any] = {
        "subject": subject, "service": service, "environment": environment, "commit": commit, "url": url,
    }  # fmt: skip
    status, outcome = ("dismissed", "canceled") if dismissed else ("detected", "")
    first = fact(origin, Kind.INCIDENT_DETECTED, key, status=status, at=began, outcome=outcome, data=data, **shared)
    if reopened is not None:
        status = f"reopened {reopened.isoformat()}"
        again = {**data, "reopened": True}
        return first, fact(origin, Kind.INCIDENT_DETECTED, key, status=status, at=reopened, data=again, **shared)
    if ended is None:
        return (first,)
    status = f"resolved {ended.isoformat()}"
    return first, fact(origin, Kind.INCIDENT_RESOLVED, key, status=status, at=ended, data=data, **shared)


def sha(text: str | None) -> str | None:
    """A commit's name, lower case; None for what is none, and for the zeros that stand for "no commit"."""
    folded = (text or "").strip().lower()
    return folded if _SHA.fullmatch(folded) and folded.strip("0") else None


def last_part(url: str | None) -> str | None:
    """The commit at the end of a link to it."""
    return sha(urlsplit(url).path.rstrip("/").rpartition("/")[2]) if url else None


def host(url: str | None, default: str) -> str:
    """The host (and port) of a sender's own address."""
    try:
        return urlsplit(url or "").netloc.rpartition("@")[2].lower() or default
    except ValueError:
        return default


def web(url: object) -> str | None:
    """An address to show; nothing else than http(s), and none that is too long to be one."""
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= 2000 else None


def paths(lists: Iterable[Sequence[str] | None]) -> tuple[str, ...]:
    """The files of a commit from its lists of added, modified and removed ones."""
    return tuple(sorted({path for names in lists for path in names or ()}))


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[str, BeforeValidator(_as_text)]
"""An id that is a number at some senders and text at others."""
