"""The table of hand-written cases, through the same door as a user's file."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from headgate.clock import parse_timestamp
from observability.dora import DoraReport, Period, ServiceReport, evaluate_dora
from observability.environments import is_production
from observability.event_files import read_events
from observability.events import DeliveryEvent
from tests.observability.dora_cases import changes, deployments, failures
from tests.observability.dora_cases.case import FIRST, Case, Record, at, dep

CASES = (*deployments.CASES, *changes.CASES, *failures.CASES)
PERIOD = Period(start=parse_timestamp(at("02T00")), end=parse_timestamp(at("16T00")))


def events_of(records: Sequence[Record]) -> list[DeliveryEvent]:
    lines = [json.dumps(record).encode() for record in records]
    return [event for line in read_events(lines, "case.jsonl") for event in line.events]


def report_of(records: Sequence[Record], period: Period = PERIOD) -> DoraReport:
    return evaluate_dora(events_of(records), period, wanted=lambda _, environment: is_production(environment))


def _shop(report: DoraReport) -> ServiceReport:
    (found,) = [found for found in report.services if found.service == "shop"]
    assert found.environment == "production"
    return found


def test_the_table_is_large_enough() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    report = report_of(case.records)
    found = _shop(report)
    lead, recovery = found.change_lead_time, found.failed_deployment_recovery_time
    spans = sorted(c.lead_time.total_seconds() / 3600 for c in found.changes if c.lead_time is not None)
    ends = sorted(
        (j.recovered_at - j.deployment.failed_at).total_seconds() / 3600
        for j in found.deployments
        if j.recovered_at is not None and j.deployment.failed_at is not None and j.deployment.id in recovery.items
    )
    assert {
        "n": found.deployment_frequency.n,
        "failed": found.change_fail_rate.numerator,
        "rework": found.deployment_rework_rate.numerator,
        "lead": spans,
        "recovery": ends,
        "out": dict(lead.excluded),
        "uncounted": dict(found.deployment_frequency.excluded),
        "unrecovered": dict(recovery.excluded),
        "unattributed": [incident.id for incident in report.unattributed],
    } == {
        "n": case.n,
        "failed": case.failed,
        "rework": case.rework,
        "lead": pytest.approx(sorted(case.lead)),
        "recovery": pytest.approx(sorted(case.recovery)),
        "out": dict(case.out) | ({"baseline": case.baseline} if case.baseline else {}),
        "uncounted": dict(case.uncounted),
        "unrecovered": dict(case.unrecovered),
        "unattributed": list(case.unattributed),
    }
    assert found.deployment_frequency.value == case.n / 14
    assert lead.n == len(case.lead)
    assert lead.median == pytest.approx(_median(case.lead))
    assert recovery.median == pytest.approx(_median(case.recovery))
    if case.links is not None:
        assert [change.linked_by for change in found.changes] == list(case.links)


def test_monorepo_by_paths() -> None:
    """Commits that touch none of a service's paths are not its changes; one whose paths nobody gave is."""
    ours, theirs = (
        {"sha": name, "time": at("03T08"), "paths": [f"services/{name}/a/b.py"]} for name in ("shop", "cart")
    )
    shared = {"sha": "lib", "time": at("03T06"), "paths": ["services/cart/a.py", "services/shop/x.py"]}
    records = [FIRST, dep("d2", "03T10", ours, theirs, shared, "c9@03T04"), dep("d3", "04T10", theirs)]
    paths = {"shop": ["services/shop/*"]}
    (found,) = evaluate_dora(events_of(records), PERIOD, paths=paths).services
    lead = found.change_lead_time
    assert (lead.n, lead.median, dict(lead.excluded)) == (3, 4 * 3600, {"baseline": 1, "other_paths": 2})
    assert (lead.applicable, lead.coverage) == (3, 1.0)
    assert found.deployment_frequency.n == 3


def _median(hours: Sequence[float]) -> float | None:
    ordered, middle = sorted(hours), len(hours) // 2
    if not ordered:
        return None
    return 3600 * (ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)
