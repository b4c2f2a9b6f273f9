"""`headgate serve` as a process: it prints its URL, answers, and ends on Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cicd.cli.main import main
from cicd.serve_names import read_names
from headgate.exit_codes import ExitCode
from observability.cdevents import to_cloudevent
from observability.store import open_store
from tests.testing.delivery import deployed

TOKEN = "serve-test-token"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cicd", "serve", "--port", "0", "--store", "sqlite:///events.db"],
        cwd=tmp_path,
        env={**os.environ, "HEADGATE_COLLECTOR_TOKEN": TOKEN, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_it_serves_takes_events_and_ends_cleanly(server: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    process, url = server
    assert url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{url}healthz").text == "ok\n"
    event = deployed("1 09:00", "c1", release="r1")
    answer = httpx.post(
        f"{url}events",
        content=json.dumps(to_cloudevent(event)),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/cloudevents+json"},
    )
    assert answer.status_code == 202
    process.send_signal(signal.SIGKILL)  # acknowledged is durable, however the server ends
    process.wait(60)
    assert list(open_store("sqlite:///events.db", root=tmp_path, create=False).read()) == [event]


def test_ctrl_c_is_a_clean_end(server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = server
    assert httpx.get(url).status_code == 200
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.PASS
    assert "Traceback" not in err
    assert TOKEN not in err


def test_a_stop_signal_is_a_clean_end(server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = server
    assert httpx.get(f"{url}readyz").status_code == 200
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.PASS
    assert "webhooks are taken from: jenkins, argocd, alertmanager, cdevents" in err
    assert "Traceback" not in err


def test_unverified_senders_are_taken_on_loopback_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["serve", "--port", "0", "--store", "sqlite:///events.db", "--allow-unverified"]
    assert main([*command, "--host", "0.0.0.0"]) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert "everybody" in captured.err
    assert captured.out == ""


def test_a_secret_file_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADGATE_GITHUB_WEBHOOK_SECRET_PREVIOUS_FILE", "nowhere")
    assert main(["serve", "--port", "0", "--store", "sqlite:///events.db"]) == ExitCode.USAGE
    assert "HEADGATE_GITHUB_WEBHOOK_SECRET_PREVIOUS_FILE" in capsys.readouterr().err


def test_a_taken_port_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--store", "sqlite:///events.db"]) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert "cannot listen" in captured.err
    assert captured.out == ""


def test_an_unknown_host_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--host", "nowhere.invalid", "--store", "sqlite:///events.db"]) == ExitCode.USAGE
    assert "cannot listen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("services: {a: [x], b: [x]}", "listed for 'a' and for 'b'"),
        ("services: [a]", "a list of names for each name"),
        ("services: {a: {b: c}}", "a list of names for each name"),
        ("services: {1: [a]}", "a list of names for each name"),
        ("service: {a: [x]}", "`services` and `environments`"),
        ("", "`services` and `environments`"),
        ("{", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_wrong_names_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str | None, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("names.yaml").write_text(content)
    command = ["serve", "--port", "0", "--store", "sqlite:///events.db", "--names", "names.yaml"]
    assert main(command) == ExitCode.USAGE
    assert words in capsys.readouterr().err


def test_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    path.write_text("services: {reco: shop/reco}\nenvironments: {prod: [production, live]}\n")
    found = read_names(str(path))
    assert (found.services, found.environments) == ({"reco": ["shop/reco"]}, {"prod": ["production", "live"]})
