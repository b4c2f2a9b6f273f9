"""Releases decided by sequential tests and by conditions, on the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cicd.cli.main import main
from headgate.exit_codes import ExitCode
from observability.dashboard.pages import render_static
from observability.store import open_store
from tests.testing.gitlab import running_gitlab
from tests.testing.release_world import ReleaseWorld, release_world

TEST = """\
analysis:
  error-ratio:
    source: openmetrics
    errors: http_requests_total{status=~"5.."}
    total: http_requests_total
    max_ratio_increase: 0.2
    margin_absolute: 0.02
    interval_s: 0.25
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseWorld]:
    with release_world(tmp_path) as found:
        for name, value in found.environ.items():
            monkeypatch.setenv(name, value)
        yield found


def _start(world: ReleaseWorld, analysis: str, service: str = "reco", *more: str) -> int:
    text = world.config.read_text("utf-8")
    if service != "cat":
        text = text.replace(", soak: [error-ratio]", "")
    world.config.write_text(text[: text.index("analysis:\n")] + analysis, encoding="utf-8")
    start = ["release", "start", service, "--env", "prod", "--version", "1.1.0"]
    return main(["--config", str(world.config), *start, *more])


def test_a_bad_canary_is_aborted_on_evidence_that_can_be_judged_again(
    world: ReleaseWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world.publish("1.1.0", error_ratio=0.2)
    assert _start(world, TEST) == ExitCode.FAIL
    out, err = capsys.readouterr()
    assert "ROLLED BACK" in out
    assert "worse than tolerated" in err
    assert re.search(r"harm +[▁▂▃▄▅▆▇]*█ +E \S+ of 20, reached at", err)
    (evidence,) = (world.config.parent / ".headgate" / "evidence").glob("*.json")
    document = json.loads(evidence.read_text("utf-8"))
    assert (document["release"]["service"], document["release"]["step"]) == ("reco", 1)
    assert ET.fromstring(evidence.with_suffix(".svg").read_text("utf-8")).tag.endswith("svg")

    assert main(["release", "analyse", "--replay", str(evidence), "-o", "json"]) == ExitCode.FAIL
    again = json.loads(capsys.readouterr().out)
    assert again.pop("same") is True
    assert again == document["result"]

    document["intervals"][0]["observations"][0]["bad"] = 0.0
    document["intervals"][0]["observations"][1]["bad"] = 0.0
    evidence.write_text(json.dumps(document), encoding="utf-8")
    assert main(["release", "analyse", "--replay", str(evidence)]) == ExitCode.UNDECIDED
    assert "NOT the one" in capsys.readouterr().err


def test_the_evidence_is_shown_on_the_merge_request_and_on_the_dashboard(
    world: ReleaseWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gitlab(tmp_path / "forge", {"README": "shop\n"}, gated=False) as gitlab:
        commit = gitlab.push({"a.txt": "new"}, "New version")
        project = gitlab.client().projects.get(gitlab.project.path)
        request = project.mergerequests.create({"source_branch": "feature", "target_branch": "main", "title": "New"})
        request.merge()
        forge = f"forge: {{kind: gitlab, url: {gitlab.sandbox.url}, project: shop/data-platform}}\n"
        world.config.write_text(
            world.config.read_text("utf-8").replace("deploy:\n", forge + "deploy:\n"), encoding="utf-8"
        )
        monkeypatch.setenv("HEADGATE_GITLAB_TOKEN", gitlab.token)
        monkeypatch.setenv("CI_JOB_URL", "https://gitlab.example.com/shop/-/jobs/7")
        world.publish("1.1.0", error_ratio=0.2)
        assert _start(world, TEST, "reco", "--source-commit", commit) == ExitCode.FAIL
        assert "warning" not in capsys.readouterr().err
        (note,) = [
            one.body for one in request.notes.list(get_all=True) if "headgate:note:release-prod-reco" in one.body
        ]
        image = re.search(r"!\[[^]]*\]\((/uploads/[^)]+)\)", note)
        assert image is not None
        answer = gitlab.client().http_get(f"/projects/{project.id}{image[1]}", raw=True)
    drawn = getattr(answer, "content", b"")
    assert ET.fromstring(drawn).tag.endswith("svg")
    assert "| `step 1` | `error-ratio` | FAIL | `" in note
    assert re.search(r"^harm +[▁▂▃▄▅▆▇]*█$", note, re.MULTILINE)
    assert "](https://gitlab.example.com/shop/-/jobs/7/artifacts/file/.headgate/evidence/prod-reco-" in note

    path = render_static(open_store("sqlite:///.headgate/events.db", root=world.config.parent), tmp_path / "page.html")
    page = path.read_text("utf-8")
    assert '<svg xmlns="http://www.w3.org/2000/svg" class="headgate-evidence"' in page
    assert "error-ratio, step 1: FAIL" in page
    assert "worse than tolerated" in page
    drawn_part = page[page.index("<svg xmlns") : page.index("</svg>", page.index("<svg xmlns"))]
    assert "style=" not in drawn_part  # the page's policy lets the style sheet style it, and nothing else
    assert "<script" not in page


def test_a_release_that_nothing_decided_keeps_what_it_had_seen(world: ReleaseWorld) -> None:
    world.publish("1.1.0")
    text = world.config.read_text("utf-8")
    world.config.write_text(text.replace("max_step_s: 30", "max_step_s: 2"), encoding="utf-8")
    assert _start(world, TEST.replace("margin_absolute: 0.02", "margin_ratio: 0.01")) == ExitCode.FAIL
    (evidence,) = (world.config.parent / ".headgate" / "evidence").glob("*.json")
    assert json.loads(evidence.read_text("utf-8"))["result"]["verdict"] == "INCONCLUSIVE"
    assert main(["release", "analyse", "--replay", str(evidence)]) == ExitCode.UNDECIDED


def test_a_good_canary_passes_each_step_on_evidence_of_that_step(world: ReleaseWorld) -> None:
    world.publish("1.1.0")
    assert _start(world, TEST) == ExitCode.PASS
    kept = [json.loads(p.read_text("utf-8")) for p in (world.config.parent / ".headgate" / "evidence").glob("*.json")]
    assert sorted(one["release"]["step"] for one in kept) == [1, 3]
    assert {one["result"]["verdict"] for one in kept} == {"PASS"}
    assert {interval["share"] for one in kept for interval in one["intervals"]} == {0.25, 0.5}


def test_a_soak_cannot_be_a_comparison(world: ReleaseWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert _start(world, TEST, "cat") == ExitCode.USAGE
    assert "after the switch only one has traffic" in capsys.readouterr().err


def test_conditions_decide_on_any_query(world: ReleaseWorld, capsys: pytest.CaptureFixture[str]) -> None:
    runs = world.config.parent / "runs.json"
    runs.write_text(json.dumps({"checks": [{"name": "rows", "ok": True}]}), encoding="utf-8")
    conditions = """\
analysis:
  error-ratio:
    source: json
    file: runs.json
    query: $.checks[0].ok
    success_condition: result == true
    interval_s: 0.1
    count: 2
"""
    world.publish("1.1.0")
    assert _start(world, conditions) == ExitCode.PASS
    assert capsys.readouterr().err.count("evidence: .headgate/evidence/prod-reco-") == 2
    assert (
        main(["release", "analyse", "--replay", str(world.config.parent / ".headgate" / "evidence")]) == ExitCode.PASS
    )
    assert capsys.readouterr().err.count("bit for bit") == 2
