"""Recording never changes what a command says or ends with."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from cicd.cli.context import App
from cicd.record import record
from observability.commits import decode_commits
from observability.events import DeliveryEvent, Kind
from observability.store import open_store
from tests.testing.delivery import deployed, event
from tests.testing.otlp import otlp_receiver
from tests.testing.repositories import commit_files, new_repository

MERGE = event(Kind.CHANGE_MERGED, "1 10:00", subject="!12", change="!12", commit="merge", service=None)
RELEASE = deployed("1 11:00", "merge", release="r1")


def _app(root: Path, settings: str = "") -> App:
    text = f"version: 1\nproject: shop/platform\nobservability: {{store: 'sqlite:///.headgate/events.db'{settings}}}\n"
    (root / "headgate.yaml").write_text(text)
    return App(config_path=str(root / "headgate.yaml"))


def test_events_are_recorded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = _app(tmp_path)
    record(app, [MERGE, RELEASE])
    record(app, iter([RELEASE]))
    stored = open_store("sqlite:///.headgate/events.db", root=tmp_path, create=False)
    assert list(stored.read()) == [MERGE, RELEASE]
    assert capsys.readouterr() == ("", "")


def test_the_commits_of_a_deployment_are_kept_where_the_checkout_knows_them(tmp_path: Path) -> None:
    git = new_repository(tmp_path)
    first, second, third = (commit_files(git, {"a": text}, text) for text in "123")
    app = _app(tmp_path)
    record(app, [deployed("1 11:00", first)])
    record(app, [deployed("2 11:00", third)])
    record(app, [deployed("3 11:00", "f" * 40)])  # of another repository: stays open, says nothing
    stored = open_store("sqlite:///.headgate/events.db", root=tmp_path, create=False)
    (kept,) = stored.read(kinds=[Kind.COMMITS_COMPARED])
    assert {commit.sha for commit in decode_commits(kept.data["commits"])} == {second, third}


def test_nothing_to_record_needs_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(App(config_path=str(tmp_path / "missing.yaml")), [])
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_store_is_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".headgate").write_text("a file where the folder should be")
    record(_app(tmp_path), [MERGE])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("warning: 1 delivery event(s) were not recorded: ")
    assert captured.err.count("\n") == 1


def test_a_defect_in_an_event_is_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    naive = DeliveryEvent(kind=Kind.CHANGE_MERGED, source="s", id="1", occurred_at=datetime(2026, 1, 1), subject="!1")  # noqa: DTZ001
    record(_app(tmp_path), [naive])
    assert "not recorded" in capsys.readouterr().err


def test_a_missing_configuration_is_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(App(config_path=str(tmp_path / "missing.yaml")), [MERGE])
    assert "missing.yaml" in capsys.readouterr().err


def test_spans_of_separate_commands_are_one_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second command knows only the commit; the store tells it the change."""
    with otlp_receiver() as receiver:
        app = _app(tmp_path, f", traces: otlp, otlp_endpoint: '{receiver.url}'")
        record(app, [MERGE])
        record(app, [RELEASE])
    merge, release = receiver.spans()
    assert merge.trace_id == release.trace_id
    assert release.parent_span_id == merge.span_id
    assert capsys.readouterr().err == ""


def test_traceparent_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    with otlp_receiver() as receiver:
        record(_app(tmp_path, f", traces: otlp, otlp_endpoint: '{receiver.url}'"), [MERGE])
    (span,) = receiver.spans()
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"


def test_a_dead_collector_is_one_warning_and_the_events_are_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = _app(tmp_path, ", traces: otlp, otlp_endpoint: 'http://127.0.0.1:9'")
    began = time.monotonic()
    record(app, [MERGE])
    assert time.monotonic() - began < 20.0  # with the imports, beside other work; an export that hangs takes longer
    assert capsys.readouterr().err.startswith("warning: spans were not exported: ")
    assert len(list(open_store("sqlite:///.headgate/events.db", root=tmp_path).read())) == 1


def test_console_spans_go_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(_app(tmp_path, ", traces: console"), [MERGE])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert '"name": "merge !12"' in captured.err
