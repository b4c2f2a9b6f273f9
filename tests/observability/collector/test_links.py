"""What joins the facts: names of attempts and incidents, tiers, hints, ranges of commits, trailers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from headgate.clock import format_timestamp
from observability.collector.model import Delivery, Hints, Ignored, Refused
from observability.collector.senders import SENDERS, translate
from observability.commits import decode_commits
from observability.environments import is_production
from observability.events import DeliveryEvent, Kind
from observability.failures import Policy, incidents
from observability.history import canonical
from observability.rows import NATURAL_KEY
from tests.observability.collector.samples import events, line, only, told
from tests.testing.delivery import at

M1 = "3c4fcf098815f7aba6d2ae2816157e2b99a1b2c3"
C1, C2 = "1f0c4d6be1d7a5a1f2f5a4a7f9f2f1f60c1d2e31", "2b7e151628aed2a6abf7158809cf4f3c762e7160"
S1 = "4d9f2c5b7a6e8d1c0b3a29f8e7d6c5b4a3928170"


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


def test_an_incident_that_was_opened_again_lasts_until_it_is_resolved_again() -> None:
    closed = events(told("gitlab/incident_close"))
    again: dict[str, Any] = {
        "object_attributes__action": "reopen",
        "object_attributes__updated_at": "2026-11-02 11:00:00 UTC",
    }
    reopened = events(told("gitlab/incident_open", **again))
    later = events(told("gitlab/incident_close", object_attributes__closed_at="2026-11-02 12:00:00 UTC"))
    assert len({event.id for event in (*closed, *reopened, *later)}) == 4  # began, resolved, reopened, resolved
    assert ends(closed) == ["2026-11-02T10:45:00Z"]
    assert ends((*closed, *reopened)) == [None]
    assert ends((*reopened, *later, *closed)) == ["2026-11-02T12:00:00Z"]


def test_pagerduty_opens_incidents_again_too() -> None:
    closed = events(told("pagerduty/resolved"))
    again: dict[str, Any] = {"event__event_type": "incident.reopened", "event__occurred_at": "2026-11-02T11:00:00Z"}
    assert ends((*events(told("pagerduty/triggered", **again)), *closed)) == [None]
    late: dict[str, Any] = {"event__event_type": "incident.reopened", "event__occurred_at": "2026-11-02T10:30:00Z"}
    assert ends((*events(told("pagerduty/triggered", **late)), *closed)) == ["2026-11-02T10:45:00Z"]


def ends(told_events: Sequence[DeliveryEvent]) -> list[str | None]:
    """When each incident of the events was over."""
    found = incidents(canonical(told_events), {}, Policy())
    times = [incident.resolved_at for incident in found]
    return [None if moment is None else format_timestamp(moment) for moment in times]


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
