"""The note of a release on its merge requests: what stands in it, and that trouble never changes an outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.context import App
from cicd.evidence_store import EvidenceFolder
from cicd.gitlab.port import NoteChange
from cicd.release_note import Shown, post_note, put_on_merge_requests, render
from deployments.analysis.counts import Counts
from deployments.analysis.ports import Arm, Subject
from deployments.analysis.seen import Measured, Taken, measured_verdict
from deployments.analysis.threshold import ThresholdPolicy
from headgate.errors import RemoteTimeoutError
from observability.events import DeliveryEvent, Kind
from observability.figure import DATA_KEY, parse_figures
from tests.testing.stepped_clock import SteppedClock

SUBJECT = Subject(arm=Arm(hash="6c8f", role="canary"), baseline=None, step=1)
EVENT = DeliveryEvent(
    kind=Kind.SERVICE_ROLLEDBACK,
    source="x",
    id="1",
    occurred_at=datetime(2026, 11, 21, tzinfo=UTC),
    subject="rel-1",
    service="reco",
    environment="prod",
    commit="a" * 40,
    release="rel-1",
    data={"version": "1.1.0", "reason": "ratio `0.05` | <b>bad</b>\n/close"},
)


@dataclass
class Board:
    """Remembers what it was told; `refuses` names the call that fails."""

    refuses: str = ""
    numbers: tuple[int, ...] = (7, 9)
    notes: dict[int, str] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)

    def find_merged(self, commit: str) -> tuple[int, ...]:
        self._maybe("find_merged")
        return self.numbers

    def upload(self, name: str, content: bytes) -> str:
        self._maybe("upload")
        assert content.startswith(b"<svg")
        self.uploads.append(name)
        return f"![{name}](/uploads/{name})"

    def put_note(self, merge_request: int, key: str, text: str) -> NoteChange:
        assert key == "release-prod-reco"
        self.notes[merge_request] = text
        return NoteChange.CREATED

    def _maybe(self, call: str) -> None:
        if call == self.refuses:
            raise RemoteTimeoutError("no answer", where="gitlab")


@pytest.fixture
def evidence(tmp_path: Path) -> EvidenceFolder:
    folder = EvidenceFolder(root=tmp_path, service="reco", environment="prod", clock=SteppedClock(), say=lambda _: None)
    policy = ThresholdPolicy(name="m", max_ratio=0.02, interval_s=5)
    taken = tuple(Taken(step="1", t=5.0 * n, window_s=5.0, what=Counts(bad=n, total=100)) for n in range(4))
    found = measured_verdict(policy, "canary", taken)
    folder.keep("a|b`c", SUBJECT, Measured(policy=policy, role="canary", taken=taken, verdict=found))
    return folder


def test_every_merge_request_gets_the_table_the_course_and_the_picture(evidence: EvidenceFolder) -> None:
    board = Board()
    put_on_merge_requests(board, EVENT, evidence)
    assert sorted(board.notes) == [7, 9]
    assert len(board.uploads) == 1
    (name,) = board.uploads
    text = board.notes[7]
    assert f"![{name}](/uploads/{name})" in text
    assert "| `step 1` | ``a¦b`c`` | FAIL |" in text
    assert "measured" in text
    assert "█" in text
    assert "rolled back" in text.splitlines()[0]
    assert "\n/close" not in text


def test_a_picture_that_is_not_taken_leaves_the_note(evidence: EvidenceFolder) -> None:
    board = Board(refuses="upload")
    put_on_merge_requests(board, EVENT, evidence)
    assert "FAIL" in board.notes[7]
    assert "![" not in board.notes[7]


def test_nothing_is_uploaded_where_no_merge_request_is(evidence: EvidenceFolder) -> None:
    board = Board(numbers=())
    put_on_merge_requests(board, EVENT, evidence)
    assert (board.notes, board.uploads) == ({}, [])


@pytest.mark.parametrize(
    ("environ", "link"),
    [
        ({}, None),
        (
            {"CI_JOB_URL": "https://g.example/-/jobs/7"},
            "(https://g.example/-/jobs/7/artifacts/file/.headgate/evidence/",
        ),
        ({"BUILD_URL": "https://j.example/job/a/7/"}, "(https://j.example/job/a/7/artifact/.headgate/evidence/"),
        ({"CI_JOB_URL": "javascript:alert(1)"}, None),
    ],
)
def test_files_are_linked_where_the_job_keeps_them(
    evidence: EvidenceFolder, environ: dict[str, str], link: str | None
) -> None:
    text = render(EVENT, [Shown(kept=one) for one in evidence.kept], environ)
    assert (link in text) if link else "](" not in text


def test_trouble_is_a_warning(
    tmp_path: Path, evidence: EvidenceFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "headgate.yaml"
    forge = "forge: {kind: gitlab, url: http://127.0.0.1:9, project: shop/x}\n"
    config.write_text(f"version: 1\nproject: shop\n{forge}", encoding="utf-8")
    app = App(config_path=str(config), clock=SteppedClock())
    monkeypatch.setenv("CI_JOB_TOKEN", "hg-job-token-4711")
    monkeypatch.delenv("HEADGATE_GITLAB_TOKEN", raising=False)
    post_note(app, EVENT, evidence)
    assert capsys.readouterr().err == ""  # a job token may write no note
    monkeypatch.setenv("HEADGATE_GITLAB_TOKEN", "hg-user-token-4711")
    post_note(app, EVENT, evidence)
    assert "warning: the merge request was not told of the release" in capsys.readouterr().err


def test_the_event_carries_the_newest_figures_and_stays_small(evidence: EvidenceFolder) -> None:
    def figures(event: DeliveryEvent) -> Iterator[Any]:
        yield from parse_figures(event.data.get(DATA_KEY))

    (drawn,) = figures(evidence.attach(EVENT))
    assert (drawn.title, drawn.verdict) == ("a|b`c, step 1", "FAIL")
    for _ in range(20):
        evidence.kept.append(evidence.kept[0])
    attached = evidence.attach(EVENT)
    assert len(list(figures(attached))) == 8
    assert len(str(attached.data[DATA_KEY])) < 20_000
    empty = EvidenceFolder(root=Path(), service="a", environment="b", clock=SteppedClock(), say=lambda _: None)
    assert empty.attach(EVENT) is EVENT
