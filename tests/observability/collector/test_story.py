"""One story told by different tools: whoever tells of commits, deployments and incidents, the numbers are the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from observability.collector.model import Hints
from observability.dora import DoraReport, Period, evaluate_dora
from observability.events import DeliveryEvent
from tests.observability.collector.samples import events, told

HERE = Hints(service="shop/recommender", environment="production")
OF_FORGES = Hints(service="shop/recommender")
PERIOD = Period(start=datetime(2026, 11, 1, tzinfo=UTC), end=datetime(2026, 11, 8, tzinfo=UTC))
BEFORE = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
FORGES = {
    "gitlab": ("gitlab/push_main", "gitlab/merge_request_merge", "gitlab/pipeline_success"),
    "github": ("github/push_main", "github/pull_request_merged", "github/workflow_run_completed"),
    "bitbucket": ("bitbucket/repo_push", "bitbucket/pullrequest_fulfilled"),
}
LEAD_TIMES_MIN = {"gitlab": {100, 70}, "github": {100}, "bitbucket": {100}}
TRAILERS = f"Update\n\nSource-Commit: {BEFORE}\n"
# Each deploys what was there before on the day before, and the change at 09:40.
DEPLOYERS: dict[str, tuple[str, Hints, dict[str, Any]]] = {
    "gitlab": (
        "gitlab/deployment_success",
        HERE,
        {
            "status_changed_at": "2026-11-01 09:00:00 UTC",
            "deployment_id": 1,
            "deployable_id": 4000,
            "commit_url": f"https://gitlab.example.com/shop/recommender/-/commit/{BEFORE}",
        },
    ),
    "github": (
        "github/deployment_status_success",
        HERE,
        {
            "deployment_status__created_at": "2026-11-01T09:00:00Z",
            "deployment_status__id": 1,
            "deployment__id": 1,
            "deployment__sha": BEFORE,
        },
    ),
    "bitbucket": (
        "bitbucket/commit_status_updated",
        Hints(service="shop/recommender", environment="production", status="deploy-production"),
        {
            "commit_status__updated_on": "2026-11-01T09:00:00+00:00",
            "commit_status__links__commit__href": f"https://api.bitbucket.org/2.0/repositories/x/commit/{BEFORE}",
        },
    ),
    "jenkins": (
        "jenkins/completed",
        HERE,
        {"build__timestamp": 1793523600000, "build__number": 17, "build__scm__commit": BEFORE},
    ),
    "argocd": (
        "argocd/deployed",
        HERE,
        {
            "operation__startedAt": "2026-11-01T08:59:00Z",
            "operation__finishedAt": "2026-11-01T09:00:00Z",
            "health": {"status": "Healthy"},
            "commit_message": TRAILERS,
        },
    ),
}
PAGERS = {
    "gitlab": ("gitlab/incident_open", "gitlab/incident_close"),
    "pagerduty": ("pagerduty/triggered", "pagerduty/acknowledged", "pagerduty/resolved"),
    "alertmanager": ("alertmanager/firing", "alertmanager/resolved"),
}


def story(forge: str, deployer: str, pager: str) -> list[DeliveryEvent]:
    found: list[DeliveryEvent] = []
    for name in FORGES[forge]:
        found += events(told(name, OF_FORGES))
    name, hints, before = DEPLOYERS[deployer]
    found += events(told(name, hints, **before)) + events(told(name, hints))
    for name in PAGERS[pager]:
        found += events(told(name, HERE))
    return found


def report(found: list[DeliveryEvent]) -> DoraReport:
    return evaluate_dora(found, PERIOD)


@pytest.mark.parametrize(("forge", "deployer", "pager"), [*product(FORGES, DEPLOYERS, PAGERS)])
def test_the_numbers_do_not_depend_on_who_tells(forge: str, deployer: str, pager: str) -> None:
    found = story(forge, deployer, pager)
    (service,) = report(found).services
    assert (service.service, service.environment) == ("shop/recommender", "production")
    lead = service.change_lead_time
    expected = sorted(LEAD_TIMES_MIN[forge])
    assert (lead.n, round((lead.median or 0) / 60)) == (len(expected), sum(expected) // len(expected))
    assert service.deployment_frequency.numerator == 2
    assert (service.change_fail_rate.numerator, service.change_fail_rate.denominator) == (1, 2)
    recovery = service.failed_deployment_recovery_time
    assert timedelta(seconds=recovery.median or 0) == pytest.approx(timedelta(minutes=65), abs=timedelta(seconds=2))
    # In the other order and twice: the same to the last digit.
    assert report([*reversed(found), *found]) == report(found)
