"""What each sender's webhooks tell: one table of facts, one of what is left alone, one of what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.collector.model import Delivery, Ignored, Refused, Translated
from observability.collector.senders import SENDERS, translate
from observability.collector.storable import flaw_of
from tests.observability.collector.samples import ROOT, changed, events, headers, line, only, sample, told
from tests.testing.delivery import at

SHOP, PROD = "shop/recommender", "production"


FACTS: list[tuple[str, list[tuple[Any, ...]]]] = [
    (
        "gitlab/push_main",
        [
            ("change.merged", "2026-11-02T09:10:00Z", SHOP, None, "", "3c4fcf0"),
            ("commits.compared", "2026-11-02T09:10:00Z", SHOP, None, "", None),
        ],
    ),
    ("gitlab/merge_request_open", [("change.created", "2026-11-02T08:35:00Z", SHOP, None, "", "2b7e151")]),
    ("gitlab/merge_request_merge", [("change.merged", "2026-11-02T09:10:02Z", SHOP, None, "", "3c4fcf0")]),
    ("gitlab/pipeline_success", [("pipelinerun.finished", "2026-11-02T09:40:10Z", SHOP, None, "success", "3c4fcf0")]),
    ("gitlab/job_deploy_success", [("service.deployed", "2026-11-02T09:40:00Z", SHOP, PROD, "success", "3c4fcf0")]),
    ("gitlab/deployment_success", [("service.deployed", "2026-11-02T09:40:01Z", SHOP, PROD, "success", "3c4fcf0")]),
    ("gitlab/incident_open", [("incident.detected", "2026-11-02T10:00:00Z", SHOP, None, "", None)]),
    (
        "gitlab/incident_close",
        [
            ("incident.detected", "2026-11-02T10:00:00Z", SHOP, None, "", None),
            ("incident.resolved", "2026-11-02T10:45:00Z", SHOP, None, "", None),
        ],
    ),
    (
        "github/push_main",
        [
            ("change.merged", "2026-11-02T09:10:00Z", SHOP, None, "", "3c4fcf0"),
            ("commits.compared", "2026-11-02T09:10:00Z", SHOP, None, "", None),
        ],
    ),
    ("github/pull_request_opened", [("change.created", "2026-11-02T08:35:00Z", SHOP, None, "", "1f0c4d6")]),
    ("github/pull_request_merged", [("change.merged", "2026-11-02T09:10:02Z", SHOP, None, "", "3c4fcf0")]),
    (
        "github/deployment_status_success",
        [("service.deployed", "2026-11-02T09:40:00Z", SHOP, PROD, "success", "3c4fcf0")],
    ),
    (
        "github/workflow_run_completed",
        [("pipelinerun.finished", "2026-11-02T09:40:10Z", SHOP, None, "success", "3c4fcf0")],
    ),
    (
        "bitbucket/repo_push",
        [
            ("change.merged", "2026-11-02T09:10:00Z", SHOP, None, "", "3c4fcf0"),
            ("commits.compared", "2026-11-02T09:10:00Z", SHOP, None, "", None),
        ],
    ),
    ("bitbucket/pullrequest_created", [("change.created", "2026-11-02T08:35:00.123456Z", SHOP, None, "", None)]),
    ("bitbucket/pullrequest_fulfilled", [("change.merged", "2026-11-02T09:10:02.500000Z", SHOP, None, "", None)]),
    (
        "bitbucket/commit_status_updated",
        [("pipelinerun.finished", "2026-11-02T09:40:00Z", SHOP, None, "success", "3c4fcf0")],
    ),
    (
        "jenkins/completed",
        [("pipelinerun.finished", "2026-11-02T09:40:00Z", "recommender", None, "success", "3c4fcf0")],
    ),
    ("jenkins/cdevents_plugin", [("pipelinerun.finished", "2026-11-02T09:40:00Z", None, None, "success", None)]),
    ("argocd/deployed", [("service.deployed", "2026-11-02T09:40:00Z", "recommender", "prod", "success", "3c4fcf0")]),
    ("argocd/sync_failed", [("service.deployed", "2026-11-02T09:39:20Z", "recommender", "prod", "failure", "5e1309c")]),
    (
        "alertmanager/firing",
        [("incident.detected", "2026-11-02T10:00:00.123456Z", "recommender", "prod", "", None)] * 2,
    ),
    (
        "alertmanager/resolved",
        [
            ("incident.detected", "2026-11-02T10:00:00.123456Z", "recommender", "prod", "", None),
            ("incident.resolved", "2026-11-02T10:45:00.500000Z", "recommender", "prod", "", None),
            ("incident.detected", "2026-11-02T10:00:00.123456Z", "recommender", "prod", "", None),
            ("incident.resolved", "2026-11-02T10:40:00Z", "recommender", "prod", "", None),
        ],
    ),
    ("pagerduty/triggered", [("incident.detected", "2026-11-02T10:00:00Z", "recommender", None, "", None)]),
    ("pagerduty/acknowledged", [("incident.detected", "2026-11-02T10:00:00Z", "recommender", None, "", None)]),
    (
        "pagerduty/resolved",
        [
            ("incident.detected", "2026-11-02T10:00:00Z", "recommender", None, "", None),
            ("incident.resolved", "2026-11-02T10:45:00Z", "recommender", None, "", None),
        ],
    ),
    (
        "pagerduty/resolved_by_merge",
        [("incident.detected", "2026-11-02T10:00:00Z", "recommender", None, "canceled", None)],
    ),
]


@pytest.mark.parametrize(("name", "expected"), FACTS, ids=[name for name, _ in FACTS])
def test_what_a_webhook_tells(name: str, expected: list[tuple[Any, ...]]) -> None:
    found = events(told(name))
    assert [line(event) for event in found] == expected
    assert [flaw_of(event) for event in found] == [None] * len(found)


QUIET = [
    ("gitlab/deployment_success", {"status": "created"}),
    ("gitlab/deployment_success", {"status": "running"}),
    ("gitlab/deployment_success", {"status": "skipped"}),
    ("gitlab/deployment_success", {"status": "blocked"}),
    ("gitlab/job_deploy_success", {"build_status": "manual"}),
    ("gitlab/job_deploy_success", {"environment": None}),
    ("gitlab/job_deploy_success", {"environment__action": "stop"}),
    ("gitlab/job_deploy_success", {"environment__action": "verify"}),
    ("gitlab/pipeline_success", {"object_attributes__status": "running", "object_attributes__finished_at": None}),
    ("gitlab/merge_request_merge", {"object_attributes__action": "approved"}),
    ("gitlab/merge_request_merge", {"object_attributes__action": "close"}),
    ("gitlab/push_main", {"ref": "refs/heads/margin"}),
    ("gitlab/push_main", {"after": "0" * 40}),
    ("gitlab/push_main", {"commits": []}),
    ("gitlab/push_main", {"object_kind": "tag_push"}),
    ("gitlab/push_main", {"object_kind": "wiki_page"}),
    ("gitlab/incident_open", {"object_attributes__type": "Task"}),
    ("github/ping", {}),
    ("github/deployment", {}),
    ("github/deployment_status_success", {"deployment_status__state": "inactive"}),
    ("github/deployment_status_success", {"deployment_status__state": "in_progress"}),
    ("github/deployment_status_success", {"deployment_status__state": "queued"}),
    ("github/workflow_run_completed", {"action": "requested"}),
    ("github/workflow_run_completed", {"workflow_run__conclusion": "skipped"}),
    ("github/pull_request_merged", {"pull_request__merged": False}),
    ("github/push_main", {"deleted": True, "after": "0" * 40}),
    ("github/push_main", {"ref": "refs/tags/v1"}),
    ("bitbucket/commit_status_updated", {"commit_status__state": "INPROGRESS"}),
    ("bitbucket/repo_push", {"push__changes__0__new": None}),
    ("bitbucket/repo_push", {"push__changes__0__new__name": "margin"}),
    ("bitbucket/repo_push", {"push__changes__0__new__type": "tag"}),
    ("jenkins/started", {}),
    ("jenkins/completed", {"build__status": "NOT_BUILT"}),
    ("argocd/deployed", {"operation__phase": "Running"}),
    ("argocd/deployed", {"health__status": "Progressing"}),
    ("alertmanager/firing", {"alerts": []}),
    ("alertmanager/firing", {"alerts__0__labels__severity": "info", "alerts__1__labels__severity": "none"}),
    ("pagerduty/annotated", {}),
    ("pagerduty/ping", {}),
]


@pytest.mark.parametrize(("name", "changes"), QUIET)
def test_what_tells_nothing_is_ignored_with_a_reason(name: str, changes: dict[str, Any]) -> None:
    result = told(name, **changes)
    assert isinstance(result, Ignored), result
    assert result.reason


WRONG = [
    ("gitlab/deployment_success", {"status": "exploded"}, "exploded"),
    ("gitlab/deployment_success", {"status_changed_at": "2026-11-02 10:40:01"}, "status_changed_at"),
    ("gitlab/deployment_success", {"status_changed_at": None}, "status_changed_at"),
    ("gitlab/deployment_success", {"project": None}, "project"),
    ("gitlab/deployment_success", {"environment": ""}, "environment"),
    ("gitlab/deployment_success", {"object_kind": None}, "object_kind"),
    ("gitlab/pipeline_success", {"object_attributes__finished_at": None}, "finished_at"),
    ("gitlab/merge_request_merge", {"object_attributes__updated_at": None}, "updated_at"),
    ("gitlab/incident_open", {"object_attributes__created_at": 12}, "created_at"),
    ("github/deployment_status_success", {"deployment_status__state": "perhaps"}, "perhaps"),
    ("github/deployment_status_success", {"deployment_status__created_at": "0000-00-00T00:00:00Z"}, "created_at"),
    ("github/workflow_run_completed", {"workflow_run__conclusion": "maybe"}, "maybe"),
    ("github/pull_request_merged", {"pull_request__merged_at": None}, "merged_at"),
    ("bitbucket/commit_status_updated", {"commit_status__state": "GREEN"}, "GREEN"),
    ("jenkins/completed", {"build__status": "GREAT"}, "GREAT"),
    ("jenkins/completed", {"build__status": None}, "status"),
    ("jenkins/completed", {"build__timestamp": -5}, "timestamp"),
    ("jenkins/completed", {"build": 5}, "build"),
    ("argocd/deployed", {"operation__phase": "Perhaps"}, "Perhaps"),
    ("argocd/deployed", {"environment": None}, "environment"),
    ("argocd/deployed", {"operation__startedAt": None, "operation__finishedAt": None}, "startedAt"),
    ("alertmanager/firing", {"version": "3"}, "version"),
    ("alertmanager/firing", {"alerts__0__status": "odd"}, "odd"),
    ("alertmanager/firing", {"alerts__0__startsAt": "yesterday"}, "startsAt"),
    ("pagerduty/triggered", {"event": None}, "version 3"),
    ("pagerduty/triggered", {"event__data__created_at": None}, "created_at"),
]


@pytest.mark.parametrize(("name", "changes", "words"), WRONG)
def test_what_cannot_be_understood_is_refused_by_name(name: str, changes: dict[str, Any], words: str) -> None:
    result = told(name, **changes)
    assert isinstance(result, Refused), result
    assert words in result.reason


@pytest.mark.parametrize(
    ("name", "changes", "outcome"),
    [
        ("gitlab/deployment_success", {"status": "failed"}, "failure"),
        ("gitlab/deployment_success", {"status": "canceled"}, "canceled"),
        ("gitlab/job_deploy_success", {"build_status": "failed"}, "failure"),
        ("gitlab/job_deploy_success", {"build_status": "canceled"}, "canceled"),
        ("gitlab/pipeline_success", {"object_attributes__status": "failed"}, "failure"),
        ("gitlab/pipeline_success", {"object_attributes__status": "canceled"}, "canceled"),
        ("github/deployment_status_success", {"deployment_status__state": "failure"}, "failure"),
        ("github/deployment_status_success", {"deployment_status__state": "error"}, "error"),
        ("github/workflow_run_completed", {"workflow_run__conclusion": "cancelled"}, "canceled"),
        ("github/workflow_run_completed", {"workflow_run__conclusion": "timed_out"}, "failure"),
        ("bitbucket/commit_status_updated", {"commit_status__state": "FAILED"}, "failure"),
        ("bitbucket/commit_status_updated", {"commit_status__state": "STOPPED"}, "canceled"),
        ("jenkins/completed", {"build__status": "UNSTABLE"}, "failure"),
        ("jenkins/completed", {"build__status": "FAILURE"}, "failure"),
        ("jenkins/completed", {"build__status": "ABORTED"}, "canceled"),
        ("argocd/deployed", {"operation__phase": "Error"}, "error"),
        ("argocd/deployed", {"health__status": "Degraded"}, "failure"),
    ],
)
def test_how_it_ended(name: str, changes: dict[str, Any], outcome: str) -> None:
    assert only(told(name, **changes)).outcome == outcome


def test_every_sample_is_in_a_table() -> None:
    tabled = {name for name, _ in FACTS} | {name for name, _ in QUIET} | {"jenkins/finalized"}
    assert {f"{path.parent.name}/{path.stem}" for path in ROOT.rglob("*.json")} <= tabled


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(name=st.sampled_from([name for name, _ in FACTS]), data=st.data())
def test_a_sample_with_any_value_replaced_is_told_ignored_or_refused(name: str, data: st.DataObject) -> None:
    """Never an exception, and what is told can be stored."""
    body = sample(name)
    target: Any = {"body": body}
    key: Any = "body"
    while isinstance(target[key], dict | list) and target[key] and data.draw(st.integers(0, 5)):
        target = target[key]
        key = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else range(len(target))))
    target[key] = data.draw(JUNK)
    delivery = Delivery(body=body, headers=headers(name), received_at=at("9 00:00"))
    result = translate(SENDERS[name.partition("/")[0]], delivery)
    if isinstance(result, Translated):
        assert result.events
        assert all(event.occurred_at.tzinfo is not None for event in result.events)
        json.dumps([dict(event.data) for event in result.events])


@given(body=JUNK, sender=st.sampled_from(sorted(SENDERS)))
def test_anything_at_all_is_told_ignored_or_refused(body: Any, sender: str) -> None:
    result = translate(SENDERS[sender], Delivery(body=body, headers={}, received_at=at("9 00:00")))
    assert isinstance(result, Translated | Ignored | Refused)


def test_changed_leaves_the_sample_alone() -> None:
    body = {"a": {"b": 1}}
    assert changed(body, a__b=2) == {"a": {"b": 2}}
    assert body == {"a": {"b": 1}}
