"""How a release ended, told to the merge request that its commit came from: a table, the evidence drawn, and links."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from cicd.cli.context import App, say
from cicd.evidence_store import Kept
from gates.report.note import code
from observability.events import DeliveryEvent, Kind
from observability.figure import spark

if TYPE_CHECKING:
    from cicd.evidence_store import EvidenceFolder
    from cicd.gitlab.port import Board

_DRAWN = 4  # pictures in one note
_ADDRESS = re.compile(r"https?://[^\s()<>]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One piece of evidence as the note shows it; `image`: Markdown of the uploaded picture, empty if there is none."""

    kept: Kept
    image: str = ""


def post_note(app: App, event: DeliveryEvent, evidence: EvidenceFolder) -> None:
    """Put the note on the merge requests of the released commit. Trouble is a warning, never an outcome.

    Nothing is posted without a forge, a source commit and a token of a user: GitLab lets no job token write notes.
    """
    forge = app.config.forge
    if forge is None or event.commit is None or not evidence.kept:
        return
    try:
        from cicd.gitlab.forge import connect, find_token

        token = find_token()
        if token is None or token[0] != "private":
            return
        with connect(forge.url, forge.project, clock=app.clock) as board:
            put_on_merge_requests(board, event, evidence)
    except Exception as error:  # noqa: BLE001 - a missing note must not change what a release ended as
        say(f"warning: the merge request was not told of the release: {error}")


def put_on_merge_requests(board: Board, event: DeliveryEvent, evidence: EvidenceFolder) -> None:
    """Upload the newest pictures and put one note on each merged merge request that has the commit."""
    numbers = board.find_merged(event.commit or "")
    if not numbers:
        return
    shown = _uploaded(board, evidence)
    text = render(event, shown, os.environ)
    key = re.sub(r"[^a-z0-9._-]+", "-", f"release-{event.environment}-{event.service}".lower())[:63]
    for number in numbers:
        board.put_note(number, key, text)


def render(event: DeliveryEvent, shown: Sequence[Shown], environ: Mapping[str, str]) -> str:
    """The note, Markdown. Names and messages stand in code spans and blocks only, where they do nothing."""
    ended = "rolled back" if event.kind is Kind.SERVICE_ROLLEDBACK else "promoted"
    what = code(f"{event.service} {event.data.get('version')}")
    head = f"### Headgate: {what} in {code(str(event.environment))}: {ended}"
    reason = event.data.get("reason") or event.data.get("evidence")
    job, files = _job(environ)
    parts = [head, *([code(str(reason))] if reason else []), _table(shown)]
    for one in shown:
        parts += _drawn(one, files)
    release = f"Release {code(str(event.release))}"
    parts.append(f"{release}, [job]({job})" if job else release)
    return "\n\n".join(parts) + "\n"


def _table(shown: Sequence[Shown]) -> str:
    rows = ["| step | metric | verdict | why |", "|---|---|---|---|"]
    for one in shown:
        seen = one.kept.seen
        rows.append(
            f"| {_cell(one.kept.step)} | {_cell(one.kept.metric)} | {seen.outcome.value} | {_cell(seen.message)} |"
        )
    return "\n".join(rows)


def _cell(text: str) -> str:
    """A code span inside a table, where a bare `|` would end the cell even in code."""
    return code(text.replace("|", "¦"))


def _job(environ: Mapping[str, str]) -> tuple[str, str]:
    """Addresses of the GitLab job or Jenkins build that this runs in, and of its artifacts; empty outside of one."""
    gitlab, jenkins = environ.get("CI_JOB_URL", ""), environ.get("BUILD_URL", "")
    if _ADDRESS.fullmatch(gitlab):
        return gitlab, f"{gitlab}/artifacts/file/"
    if _ADDRESS.fullmatch(jenkins):
        return jenkins, f"{jenkins.rstrip('/')}/artifact/"
    return "", ""


def _drawn(one: Shown, files: str) -> list[str]:
    """The evidence as a line of blocks for each curve, as the uploaded picture, and where the files are."""
    lines = [
        f"{curve.name:<9} {blocks}"
        for figure in one.kept.figures()
        for number, curve in enumerate(figure.curves)
        if (blocks := spark(figure, number))
    ]
    parts = ["\n".join(["```text", *lines, "```"])] if lines else []
    parts += [one.image] if one.image else []
    if one.kept.path:
        place = code(one.kept.path)
        if files:
            place = f"[{place}]({files}{one.kept.path})"
        parts.append(
            f"{code(f'{one.kept.metric}, {one.kept.step}')}: {place}; `headgate release analyse --replay` judges it again."
        )
    return parts


def _uploaded(board: Board, evidence: EvidenceFolder) -> tuple[Shown, ...]:
    newest = evidence.kept[-_DRAWN:]
    shown = []
    for one in evidence.kept:
        image = ""
        if one in newest and one.picture:
            try:
                content = (evidence.root / one.picture).read_bytes()
                image = board.upload(PurePath(one.picture).name, content)
            except Exception as error:  # noqa: BLE001 - the note is worth having without it
                say(f"warning: the picture of {one.metric} was not uploaded: {error}")
        shown.append(Shown(kept=one, image=image))
    return tuple(shown)
