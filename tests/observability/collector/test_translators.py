"""What each sender's webhooks tell: one table of facts, one of what is left alone, one of what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.clock import format_timestamp
from observability.collector.model import Delivery, Hints, Ignored, Refused, Translated
from observability.collector.senders import SENDERS, translate
from observability.collector.storable import flaw_of
from observability.commits import decode_commits
from observability.environments import is_production
from observability.events import DeliveryEvent, Kind
from observability.rows import NATURAL_KEY
from tests.observability.collector.samples import ROOT, changed, headers, sample, told
from tests.testing.delivery import at

M1 = "3c4fcf098815f7aba6d2ae2816157e2b99a1b2c3"
C1, C2 = "1f0c4d6be1d7a5a1f2f5a4a7f9f2f1f60c1d2e31", "2b7e151628aed2a6abf7158809cf4f3c762e7160"
S1 = "4d9f2c5b7a6e8d1c0b3a29f8e7d6c5b4a3928170"
SHOP, PROD = "shop/recommender", "production"


def events(result: object) -> tuple[DeliveryEvent, ...]:
    assert isinstance(result, Translated), result
    return result.events


def only(result: object) -> DeliveryEvent:
    (event,) = events(result)
    return event


def line(event: DeliveryEvent) -> tuple[Any, ...]:
    return (
        event.kind.value,
        format_timestamp(event.occurred_at),
        event.service,
        event.environment,
        event.outcome,
        event.commit and event.commit[:7],
    )


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


def test_the_job_and_the_deployment_of_gitlab_are_one_fact() -> None:
    job, deployment = only(told("gitlab/job_deploy_success")), only(told("gitlab/deployment_success"))
    assert job.data[NATURAL_KEY] == deployment.data[NATURAL_KEY]
    assert (job.source, job.id, job.release) == (deployment.source, deployment.id, deployment.release)
    assert job.data["attempt"] == 2


def test_a_deployment_made_through_the_api_has_no_job() -> None:
    event = only(told("gitlab/deployment_success", deployable_id=None, deployable_url=None))
    assert event.subject == "deployment/66"
    assert event.url == f"https://gitlab.example.com/shop/recommender/-/commit/{M1}"


def test_both_messages_of_a_jenkins_build_are_one_fact() -> None:
    first, second = only(told("jenkins/completed")), only(told("jenkins/finalized"))
    assert (first.source, first.id) == (second.source, second.id)


def test_an_attempt_has_a_group_and_a_name_of_its_own() -> None:
    first = only(told("gitlab/deployment_success", status="failed"))
    again = only(told("gitlab/deployment_success", deployment_id=67, deployable_id=5002))
    assert first.data["run"] == again.data["run"]
    assert first.release != again.release
    other = only(told("gitlab/deployment_success", environment="production-eu"))
    assert other.data["run"] != first.data["run"]


def test_repeated_statuses_of_a_pipeline_are_several_ends() -> None:
    """A retried pipeline fails again at another time; the same message twice is one."""
    failed: dict[str, Any] = {"object_attributes__status": "failed"}
    first = only(told("gitlab/pipeline_success", **failed))
    later = only(told("gitlab/pipeline_success", **failed, object_attributes__finished_at="2026-11-02 10:40:10 UTC"))
    assert first.id == only(told("gitlab/pipeline_success", **failed)).id
    assert first.id != later.id


@pytest.mark.parametrize(
    ("environment", "tier", "production"),
    [
        ("production", "production", True),
        ("eu-1", "other", True),
        ("eu-1", None, True),
        ("eu-1", "staging", False),
        ("blue", "development", False),
        ("live", "testing", False),
        ("review/margin", "development", False),
        ("demo-shop", "production", True),
        ("load-balancer-eu", "production", True),
    ],
)
def test_the_tier_says_whether_an_environment_is_production(environment: str, tier: str, production: bool) -> None:
    event = only(told("gitlab/deployment_success", environment=environment, environment_tier=tier))
    assert event.environment is not None
    assert event.environment.endswith(environment)
    assert is_production(event.environment) is production


def test_githubs_word_on_production() -> None:
    flags: dict[str, Any] = {"deployment__environment": "eu", "deployment_status__environment": "eu"}
    transient = only(
        told(
            "github/deployment_status_success",
            **flags,
            deployment__production_environment=False,
            deployment__transient_environment=True,
        )
    )
    assert not is_production(transient.environment)
    assert only(told("github/deployment_status_success", **flags)).environment == "eu"


def test_hints_of_the_address_replace_the_senders_words() -> None:
    hints = Hints(service="cart", environment="prod-eu", branch="release")
    assert line(only(told("gitlab/deployment_success", hints)))[2:4] == ("cart", "prod-eu")
    assert isinstance(told("gitlab/push_main", hints), Ignored)
    assert events(told("gitlab/push_main", hints, ref="refs/heads/release"))[0].service == "cart"
    assert only(told("pagerduty/triggered", hints)).service == "cart"
    assert only(told("argocd/deployed", hints)).service == "cart"


def test_hints_count_for_cdevents_too() -> None:
    assert only(told("jenkins/cdevents_plugin", Hints(service="cart"))).service == "cart"
    record = {
        "type": "deployment",
        "id": "d1",
        "service": "x",
        "environment": "y",
        "deployed_at": "2026-11-02T10:00:00Z",
    }
    delivery = Delivery(
        body=record,
        headers={"content-type": "application/json"},
        received_at=at("9 00:00"),
        hints=Hints(environment="prod"),
    )
    assert line(only(translate(SENDERS["cdevents"], delivery)))[2:4] == ("x", "prod")


def test_a_jenkins_build_is_a_deployment_where_the_address_says_so() -> None:
    event = only(told("jenkins/completed", Hints(environment="prod")))
    assert line(event) == ("service.deployed", "2026-11-02T09:40:00Z", "recommender", "prod", "success", "3c4fcf0")
    assert event.data["version"] == "1.4.0"
    unstable = only(told("jenkins/completed", Hints(environment="prod"), build__status="UNSTABLE"))
    assert unstable.outcome == "error"
    assert isinstance(told("jenkins/completed", Hints(environment="prod"), build__parameters=None), Refused)
    named = only(told("jenkins/completed", Hints(environment="prod", service="x"), build__parameters=None))
    assert named.service == "x"


def test_a_build_status_of_bitbucket_is_a_deployment_where_the_address_says_so() -> None:
    hints = Hints(environment="prod", status="deploy-production")
    assert only(told("bitbucket/commit_status_updated", hints)).kind is Kind.SERVICE_DEPLOYED
    other = Hints(environment="prod", status="unit")
    assert only(told("bitbucket/commit_status_updated", other)).kind is Kind.PIPELINE_FINISHED


def test_a_merge_to_another_branch_is_not_the_services() -> None:
    event = only(told("gitlab/merge_request_merge", object_attributes__target_branch="margin-2"))
    assert (event.service, event.change) == (None, "shop/recommender!7")
    assert only(told("github/pull_request_merged", pull_request__base__ref="x")).service is None


def test_a_push_tells_its_commits_without_the_merge_commit_and_its_range_with_it() -> None:
    merged, compared = events(told("gitlab/push_main"))
    assert [c.sha for c in decode_commits(merged.data["commits"])] == [C1, C2]
    assert {c.sha for c in decode_commits(compared.data["commits"])} == {C1, C2, M1}
    assert decode_commits(merged.data["commits"])[0].paths == ("reco/rank.py",)
    assert (compared.data["since"], compared.data["until"]) == ("0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", M1)


def test_a_range_that_is_not_complete_is_not_told() -> None:
    assert [e.kind for e in events(told("gitlab/push_main", total_commits_count=25))] == [Kind.CHANGE_MERGED]
    assert [e.kind for e in events(told("gitlab/push_main", before="0" * 40))] == [Kind.CHANGE_MERGED]
    assert [e.kind for e in events(told("bitbucket/repo_push", push__changes__0__truncated=True))] == [
        Kind.CHANGE_MERGED
    ]


def test_the_squash_commit_is_the_same_change() -> None:
    event = only(told("gitlab/merge_request_merge", object_attributes__squash_commit_sha=S1))
    commits = {c.sha: c for c in decode_commits(event.data["commits"])}
    assert commits[S1].original == C2
    assert event.commit == M1
    forward: dict[str, Any] = {"object_attributes__squash_commit_sha": S1, "object_attributes__merge_commit_sha": None}
    assert only(told("gitlab/merge_request_merge", **forward)).commit == S1
    assert only(told("gitlab/merge_request_merge", object_attributes__merge_commit_sha=None)).commit == C2


def test_a_label_makes_an_incident_of_an_issue() -> None:
    event = only(
        told(
            "gitlab/incident_open", object_kind="issue", object_attributes__type="Issue", labels=[{"title": "Incident"}]
        )
    )
    assert event.kind is Kind.INCIDENT_DETECTED


def test_an_incident_that_was_opened_again_is_known_and_resolved_later() -> None:
    first, end = events(told("gitlab/incident_close"))
    again = only(told("gitlab/incident_open", object_attributes__action="reopen"))
    assert again.id == first.id
    later = events(told("gitlab/incident_close", object_attributes__closed_at="2026-11-02 12:00:00 UTC"))[1]
    assert (later.source, later.subject) == (end.source, end.subject)
    assert later.id != end.id


def test_an_alert_that_fires_again_is_another_incident() -> None:
    first = events(told("alertmanager/firing"))[0]
    again = events(told("alertmanager/firing", alerts__0__startsAt="2026-11-03T10:00:00Z"))[0]
    assert first.subject != again.subject
    repeated = events(told("alertmanager/firing", receiver="another"))[0]
    assert repeated.id == first.id


def test_an_alert_without_a_fingerprint_is_named_by_its_labels() -> None:
    body: dict[str, Any] = {"alerts__0__fingerprint": None, "alerts__1__fingerprint": None}
    one, other = events(told("alertmanager/firing", **body))
    assert one.subject != other.subject


def test_argo_cds_commit_is_the_source_commit_of_the_trailers() -> None:
    event = only(told("argocd/deployed"))
    assert (event.commit, event.data["gitops_commit"]) == (M1, "5e1309c8aa0b4d6f9e7c2b1a0f8d6e4c2a1b3d5f")
    assert event.committed_at is not None
    assert format_timestamp(event.committed_at) == "2026-11-02T09:10:00Z"
    assert event.data["artifact"] == "registry.example.com/shop/recommender:1.4.0"


def test_headgates_own_release_is_not_told_twice() -> None:
    message = f"Release\n\nHeadgate-Release: rel-9\nHeadgate-Service: reco\nSource-Commit: {M1}\n"
    event = only(told("argocd/deployed", commit_message=message))
    assert (event.release, event.service) == ("rel-9", "reco")
    back = only(told("argocd/deployed", commit_message="Revert\n\nHeadgate-Revert: rel-9\nHeadgate-Service: reco\n"))
    assert (back.kind, back.release, back.outcome) == (Kind.SERVICE_ROLLEDBACK, "rel-9", "success")
    failed = only(told("argocd/sync_failed", commit_message="Revert\n\nHeadgate-Revert: rel-9\n"))
    assert (failed.kind, failed.outcome) == (Kind.SERVICE_ROLLEDBACK, "error")


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
