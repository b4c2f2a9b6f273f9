"""From GitLab's webhooks to the five metrics: a server, the requests of a week, and the report on the same log."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.main import main
from cicd.gitlab.history_facts import (
    CommitData,
    DeploymentData,
    IncidentData,
    MergeRequestData,
    ProjectData,
    Source,
    deployment_events,
    issue_events,
    request_events,
)
from headgate.exit_codes import ExitCode
from observability.collector.model import Delivery, Translated
from observability.collector.senders import SENDERS, translate
from observability.events import DeliveryEvent
from observability.store import open_store
from tests.testing.collector_server import SECRETS, serving

PROJECT = {
    "id": 42,
    "web_url": "https://gitlab.example.com/shop/recommender",
    "path_with_namespace": "shop/recommender",
    "default_branch": "main",
}
SHAS = {
    name: f"{number:040x}" for number, name in enumerate(["b0", "c1", "c2", "m1", "f1", "m2", "m3", "m4"], start=0xA0)
}


def commit(name: str, at: str, message: str = "A change") -> dict[str, Any]:
    return {"id": SHAS[name], "message": message, "timestamp": at, "added": [], "modified": ["a.py"], "removed": []}


def push(before: str, after: str, *commits: dict[str, Any]) -> dict[str, Any]:
    return {
        "object_kind": "push", "ref": "refs/heads/main", "before": SHAS[before], "after": SHAS[after],
        "project": PROJECT, "commits": list(commits), "total_commits_count": len(commits),
    }  # fmt: skip


def merge(iid: int, merged_as: str, last: dict[str, Any], at: str) -> dict[str, Any]:
    attributes = {
        "iid": iid, "title": "A change", "action": "merge", "state": "merged", "target_branch": "main",
        "merge_commit_sha": SHAS[merged_as], "last_commit": last, "updated_at": at, "created_at": at,
    }  # fmt: skip
    return {"object_kind": "merge_request", "project": PROJECT, "object_attributes": attributes}


def pipeline(number: int, sha: str, at: str) -> dict[str, Any]:
    attributes = {"id": number, "sha": SHAS[sha], "ref": "main", "status": "success", "finished_at": at}
    return {"object_kind": "pipeline", "project": PROJECT, "object_attributes": attributes}


def deployment(number: int, sha: str, status: str, at: str, **more: Any) -> dict[str, Any]:
    return {
        "object_kind": "deployment", "status": status, "status_changed_at": at, "deployment_id": number,
        "deployable_id": 5000 + number, "environment": "production", "environment_tier": "production",
        "project": PROJECT, "short_sha": SHAS[sha][:8],
        "commit_url": f"https://gitlab.example.com/shop/recommender/-/commit/{SHAS[sha]}", **more,
    }  # fmt: skip


def incident(state: str, at: str, closed_at: str | None = None) -> dict[str, Any]:
    attributes = {
        "iid": 23, "title": "Empty", "type": "Incident", "state": state, "created_at": at, "updated_at": at,
        "closed_at": closed_at,
    }  # fmt: skip
    return {"object_kind": "work_item", "project": PROJECT, "object_attributes": attributes}


MERGE_1 = "Merge branch 'margin' into 'main'"
C1, C2 = commit("c1", "2026-11-02T09:00:00+01:00"), commit("c2", "2026-11-02T09:30:00+01:00")
F1 = commit("f1", "2026-11-03T10:10:00Z", "Never empty")
M3 = commit("m3", "2026-11-04T08:00:00Z")
WEEK = [
    deployment(60, "b0", "success", "2026-11-01 12:00:00 +0100"),  # the baseline: no lead times
    # A merge request of two commits, live two hours after the first.
    push("b0", "m1", C1, C2, commit("m1", "2026-11-02T09:10:00Z", MERGE_1)),
    merge(7, "m1", C2, "2026-11-02 09:10:01 UTC"),
    pipeline(900, "m1", "2026-11-02 09:58:00 UTC"),
    deployment(61, "m1", "running", "2026-11-02 10:50:00 +0100"),
    deployment(61, "m1", "success", "2026-11-02 11:00:00 +0100"),
    # An incident of one hour the day after, ended by a fix; the deployment of it needed two attempts.
    incident("opened", "2026-11-03 10:00:00 UTC"),
    push("m1", "m2", F1, commit("m2", "2026-11-03T10:20:00Z", "Merge branch 'fix' into 'main'")),
    merge(8, "m2", F1, "2026-11-03 10:20:01 UTC"),
    deployment(62, "m2", "failed", "2026-11-03 10:30:00 UTC"),
    deployment(63, "m2", "success", "2026-11-03 10:40:00 UTC"),
    incident("closed", "2026-11-03 10:00:00 UTC", "2026-11-03 11:00:00 UTC"),
    # Pushed without a merge request; one deployment is canceled, the next goes live after four hours.
    push("m2", "m3", M3),
    deployment(64, "m3", "canceled", "2026-11-04 09:00:00 UTC"),
    deployment(65, "m3", "success", "2026-11-04 12:00:00 UTC"),
    # Another environment, and another branch.
    deployment(66, "m4", "success", "2026-11-04 12:30:00 UTC", environment="eu", environment_tier="staging"),
    {**push("m3", "m4", commit("m4", "2026-11-04T12:00:00Z")), "ref": "refs/heads/other"},
]  # fmt: skip


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_the_five_metrics_of_a_week_of_webhooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seed: int | None
) -> None:
    """In order, and shuffled with a third of them sent twice: the same numbers."""
    monkeypatch.chdir(tmp_path)
    webhooks = list(WEEK)
    if seed is not None:
        chance = random.Random(seed)
        webhooks += chance.sample(webhooks, len(webhooks) // 3)
        chance.shuffle(webhooks)
    token = {"x_gitlab_token": SECRETS["HEADGATE_GITLAB_WEBHOOK_TOKEN"]}
    with serving(open_store("sqlite:///events.db", root=tmp_path)) as site:
        for body in webhooks:
            answer = site.post("/webhooks/gitlab", json.dumps(body).encode(), **token)
            assert answer.status_code in (200, 202), answer.text
    period = ["--from", "2026-11-01", "--to", "2026-11-08", "--store", "sqlite:///events.db"]
    assert main(["dora", "report", *period, "-o", "json"]) == ExitCode.PASS
    (service,) = json.loads(capsys.readouterr().out)["services"]
    assert (service["service"], service["environment"]) == ("shop/recommender", "production")
    metrics: Mapping[str, Any] = service["metrics"]
    # c1 2 h, c2 1.5 h, f1 30 min, m3 4 h; the baseline's commit is left out.
    assert metrics["change_lead_time"]["n"] == 4
    assert metrics["change_lead_time"]["median"] == 1.75 * 3600
    assert metrics["deployment_frequency"]["value"] == 4 / 7
    assert metrics["change_fail_rate"]["numerator"] == 1  # 61, by its incident
    assert metrics["change_fail_rate"]["denominator"] == 4
    assert metrics["failed_deployment_recovery_time"]["median"] == 25 * 3600  # live until the incident was over
    assert metrics["deployment_rework_rate"]["denominator"] == 4


def test_what_gitlabs_api_tells_again_is_the_same_fact() -> None:
    """The same deployment, merge and incident by webhook and by import: one identity, and what the API adds is added."""
    source = Source(project=ProjectData.model_validate({**PROJECT, "id": 42}), tiers={"production": "production"})
    by_api = deployment_events(
        source,
        DeploymentData.model_validate(
            {
                "id": 61, "sha": SHAS["m1"], "ref": "main", "status": "success", "created_at": "2026-11-02T09:50:00Z",
                "updated_at": "2026-11-02T10:00:02Z", "environment": {"name": "production"},
                "deployable": {"id": 5061, "finished_at": "2026-11-02T10:00:00Z", "pipeline": {"id": 900}},
            }
        ),
    )  # fmt: skip
    assert ids(by_api) == ids(told(deployment(61, "m1", "success", "2026-11-02 11:00:00 +0100")))
    merged = request_events(
        source,
        MergeRequestData.model_validate(
            {
                "iid": 7, "target_branch": "main", "merged_at": "2026-11-02T09:10:00Z", "updated_at": "2026-11-02T09:10:01Z",
                "merge_commit_sha": SHAS["m1"],
            }
        ),
        [CommitData(id=SHAS["c2"]), CommitData(id=SHAS["c1"])],
    )  # fmt: skip
    (hook,) = told(merge(7, "m1", C2, "2026-11-02 09:10:01 UTC"))
    assert (merged[0].change, merged[0].commit, merged[0].source) == (hook.change, hook.commit, hook.source)
    assert merged[0].id != hook.id  # it has all the commits, and is not kept out by the webhook's one
    closed = {"iid": 23, "created_at": "2026-11-03T10:00:00Z", "closed_at": "2026-11-03T11:00:00Z", "state": "closed"}
    found = issue_events(source, IncidentData.model_validate({**closed, "updated_at": "2026-11-03T11:00:01Z"}))
    assert ids(found) == ids(told(incident("closed", "2026-11-03 10:00:00 UTC", "2026-11-03 11:00:00 UTC")))


def told(body: dict[str, Any]) -> tuple[DeliveryEvent, ...]:
    result = translate(SENDERS["gitlab"], Delivery(body=body, received_at=datetime(2026, 11, 9, tzinfo=UTC)))
    assert isinstance(result, Translated)
    return result.events


def ids(events: Iterable[DeliveryEvent]) -> list[tuple[str, str, str | None]]:
    return [(event.source, event.id, event.release) for event in events]
