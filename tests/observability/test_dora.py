"""The five metrics on hand-written histories: each case is a trap with the numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from headgate.clock import parse_timestamp
from observability.dora import Period, ServiceReport, evaluate_dora, percentile
from observability.events import DeliveryEvent, Kind
from observability.failures import Policy, Recovery, Signal
from observability.history import Status
from tests.testing.delivery import at, deployed, event, incident, rolled_back

WEEK = Period(start=at("0 00:00"), end=at("7 00:00"))
HOUR = 3600.0


@dataclass(frozen=True)
class Case:
    """Expected: deployments counted, failed, rework, and lead and recovery times in seconds."""

    name: str
    events: Sequence[DeliveryEvent]
    n: int
    failed: int = 0
    rework: int = 0
    lead: Sequence[float] = ()
    recovery: Sequence[float] = ()
    lead_excluded: dict[str, int] = field(default_factory=dict)
    recovery_excluded: dict[str, int] = field(default_factory=dict)


FIRST = deployed("1 09:00", "c1", committed="0 09:00", release="r1")

CASES = (
    Case("the first deployment is a baseline without lead time", [FIRST], n=1, lead_excluded={"baseline": 1}),
    Case(
        "the second has one",
        [FIRST, deployed("2 09:00", "c2", committed="1 21:00", release="r2")],
        n=2,
        lead=[12 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "attempts of one release are one deployment, live when the last one succeeded",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2", outcome="failure"),
            deployed("2 10:00", "c2", committed="2 08:00", release="r2", outcome="error"),
            deployed("2 11:00", "c2", committed="2 08:00", release="r2"),
        ],
        n=2,
        lead=[3 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "canceled is neither a deployment nor a failure",
        [FIRST, deployed("2 09:00", "c2", committed="2 08:00", release="r2", outcome="canceled")],
        n=1,
        lead_excluded={"baseline": 1},
    ),
    Case(
        "an aborted canary that was turned back failed and recovered when traffic was restored",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2", outcome="failure"),
            rolled_back("2 09:05", release="r2", commit="c2"),
        ],
        n=2,
        failed=1,
        recovery=[300.0],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a rollback alone tells of a failed deployment, and its start from failed_at",
        [FIRST, rolled_back("2 09:05", release="r2", commit="c2", data={"failed_at": "2026-11-04T09:03:00Z"})],
        n=2,
        failed=1,
        recovery=[120.0],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a rollback alone without a start has no recovery time, which is not 0",
        [FIRST, rolled_back("2 09:05", release="r2", commit="c2")],
        n=2,
        failed=1,
        recovery_excluded={"failure_time_unknown": 1},
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a live release rolled back later failed when it went live; its lead time stands",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
            rolled_back("2 09:30", release="r2", commit="c2", outcome="failure"),
        ],
        n=2,
        failed=1,
        lead=[HOUR],
        recovery=[1800.0],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a rollback that names the live commit under a release of its own blames the live deployment",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
            rolled_back("2 10:00", release="undo-2", commit="c2"),
        ],
        n=2,
        failed=1,
        lead=[HOUR],
        recovery=[HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a rollback that is a release of its own blames the release it replaced",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
            rolled_back("2 10:00", release="r3", commit="c1", data={"previous_release": "r2", "restores": "r1"}),
        ],
        n=2,
        failed=1,
        lead=[HOUR],
        recovery=[HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a rollback that names nothing blames what is live",
        [FIRST, deployed("2 09:00", "c2", committed="2 08:00", release="r2"), rolled_back("2 09:10")],
        n=2,
        failed=1,
        lead=[HOUR],
        recovery=[600.0],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a rollback that did not settle is no recovery; the next sound deployment is, and it is rework",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
            rolled_back("2 09:10", release="r2", outcome="error"),
            deployed("2 11:00", "c3", committed="2 10:00", release="r3"),
        ],
        n=3,
        failed=1,
        rework=1,
        lead=[HOUR, HOUR],
        recovery=[2 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "an attempt that was rolled back before the release went live is only an attempt",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2", outcome="failure"),
            rolled_back("2 09:05", release="r2"),
            deployed("2 10:00", "c2", committed="2 08:00", release="r2"),
        ],
        n=2,
        lead=[2 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "with several failed attempts recovery counts from the last",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2", outcome="failure"),
            rolled_back("2 09:05", release="r2"),
            deployed("2 10:00", "c2", committed="2 08:00", release="r2", outcome="failure"),
            rolled_back("2 10:10", release="r2"),
        ],
        n=2,
        failed=1,
        recovery=[600.0],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a rollback that claims to be before the failure is null with a reason",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2", outcome="failure"),
            rolled_back("2 08:30", release="r2"),
        ],
        n=2,
        failed=1,
        recovery_excluded={"negative_span": 1},
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a rollback withdrawn by a person is no failure",
        [FIRST, rolled_back("2 09:05", release="r2", commit="c2", outcome="canceled")],
        n=1,
        lead_excluded={"baseline": 1},
    ),
    Case(
        "the same commit again is a deployment, but neither a change nor a rollback",
        [FIRST, deployed("2 09:00", "c1", committed="0 09:00", release="r2")],
        n=2,
        lead_excluded={"already_deployed": 1, "baseline": 1},
    ),
    Case(
        "V1, V2, V1 marks V2, and the return is rework without a lead time",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
            deployed("2 10:30", "c1", committed="0 09:00", release="r3"),
        ],
        n=3,
        failed=1,
        rework=1,
        lead=[HOUR],
        recovery=[1.5 * HOUR],
        lead_excluded={"already_deployed": 1, "baseline": 1},
    ),
    Case(
        "V1 again after V2 was rolled back replaces nothing and is no rework",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
            rolled_back("2 09:10", release="r2"),
            deployed("2 10:00", "c1", release="r3"),
        ],
        n=3,
        failed=1,
        lead=[HOUR],
        recovery=[600.0],
        lead_excluded={"already_deployed": 1, "baseline": 1},
    ),
    Case(
        "two incidents on one deployment are one failure, recovered with the last of them",
        [
            FIRST,
            incident("1 10:00", "INC-1"),
            incident("1 10:30", "INC-2"),
            incident("1 11:00", "INC-2", resolved=True),
            incident("1 12:00", "INC-1", resolved=True),
        ],
        n=1,
        failed=1,
        recovery=[3 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "an open incident is not recovered, whatever is deployed meanwhile",
        [FIRST, incident("1 10:00", "INC-1"), deployed("3 09:00", "c2", committed="3 08:00", release="r2")],
        n=2,
        failed=1,
        lead=[HOUR],
        lead_excluded={"baseline": 1},
        recovery_excluded={"incident_open": 1},
    ),
    Case(
        "an incident before any deployment is nobody's fault",
        [incident("0 10:00", "INC-1"), FIRST],
        n=1,
        lead_excluded={"baseline": 1},
    ),
    Case(
        "an incident two days after is not blamed by time alone",
        [FIRST, incident("3 09:00", "INC-1")],
        n=1,
        lead_excluded={"baseline": 1},
    ),
    Case(
        "an explicit link holds across any time and beats the latest deployment",
        [
            FIRST,
            deployed("3 09:00", "c2", committed="3 08:00", release="r2"),
            incident("3 10:00", "INC-1", release="r1"),
            incident("3 11:00", "INC-1", resolved=True),
        ],
        n=2,
        failed=1,
        lead=[HOUR],
        recovery=[50 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "an incident that names a commit blames the deployment of it",
        [
            FIRST,
            deployed("3 09:00", "c2", committed="3 08:00", release="r2"),
            incident("3 10:00", "INC-1", commit="c1"),
        ],
        n=2,
        failed=1,
        lead=[HOUR],
        lead_excluded={"baseline": 1},
        recovery_excluded={"incident_open": 1},
    ),
    Case(
        "a hotfix marked unplanned makes the deployment before it a failure",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
            deployed("2 09:45", "c3", committed="2 09:30", release="r3", data={"unplanned": True}),
        ],
        n=3,
        failed=1,
        rework=1,
        lead=[900.0, HOUR],
        recovery=[2700.0],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "a commit from the future is null with a reason, never 0",
        [FIRST, deployed("2 09:00", "c2", committed="2 10:00", release="r2")],
        n=2,
        lead_excluded={"baseline": 1, "negative_span": 1},
    ),
    Case(
        "a deployment without commit time, and one without commit, are excluded by name",
        [FIRST, deployed("2 09:00", "c2", release="r2"), deployed("3 09:00", release="r3")],
        n=3,
        lead_excluded={"baseline": 1, "commit_time_unknown": 1, "commit_unknown": 1},
    ),
    Case(
        "the commit time may come from the merge",
        [
            FIRST,
            event(Kind.CHANGE_MERGED, "2 08:30", service=None, commit="c2", committed="2 07:00"),
            deployed("2 09:00", "c2", release="r2"),
        ],
        n=2,
        lead=[2 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "merges of the service since the last deployment go live together",
        [
            event(Kind.CHANGE_MERGED, "0 08:00", commit="c0", committed="0 07:00"),
            FIRST,
            event(Kind.CHANGE_MERGED, "2 07:00", commit="c2", committed="2 06:00"),
            event(Kind.CHANGE_MERGED, "2 08:00", commit="c3", committed="2 07:00"),
            deployed("2 09:00", "c3", release="r2"),
        ],
        n=2,
        lead=[2 * HOUR, 3 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "staging does not count for production",
        [FIRST, deployed("2 09:00", "c2", committed="2 08:00", release="r2", environment="staging")],
        n=1,
        lead_excluded={"baseline": 1},
    ),
    Case(
        "what happened before the period decides what is new in it",
        [
            deployed("-9 09:00", "c1", release="r0"),
            deployed("1 09:00", "c2", committed="1 08:00", release="r1"),
            deployed("2 09:00", "c1", committed="-10 08:00", release="r2"),
        ],
        n=2,
        failed=1,
        rework=1,
        lead=[HOUR],
        recovery=[24 * HOUR],
        lead_excluded={"already_deployed": 1},
    ),
    Case(
        "a failure of the period may recover after it",
        [
            deployed("-1 09:00", "c1", release="r0"),
            deployed("6 23:00", "c2", committed="6 22:00", release="r1"),
            rolled_back("7 01:00", release="r1"),
            deployed("8 09:00", "c3", committed="8 08:00", release="r2"),
        ],
        n=1,
        failed=1,
        lead=[HOUR],
        recovery=[2 * HOUR],
    ),
    Case(
        "the first moment of a period belongs to it, its end does not",
        [
            deployed("-1 09:00", "c1", release="r0"),
            deployed("0 00:00", "c2", committed="-1 23:00", release="r1"),
            deployed("7 00:00", "c3", committed="6 23:00", release="r2"),
        ],
        n=1,
        lead=[HOUR],
    ),
    Case(
        "a failure is not recovered by a deployment that fails as well",
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2", outcome="failure"),
            deployed("2 10:00", "c3", committed="2 09:00", release="r3", outcome="failure"),
            deployed("2 12:00", "c4", committed="2 11:00", release="r4"),
        ],
        n=4,
        failed=2,
        lead=[HOUR],
        recovery=[2 * HOUR, 3 * HOUR],
        lead_excluded={"baseline": 1},
    ),
    Case(
        "an error is undetermined: not counted, and told",
        [FIRST, deployed("2 09:00", "c2", committed="2 08:00", release="r2", outcome="error")],
        n=1,
        lead_excluded={"baseline": 1},
    ),
)


def production(report_events: Sequence[DeliveryEvent], policy: Policy | None = None) -> ServiceReport:
    report = evaluate_dora(report_events, WEEK, environment="prod", policy=policy or Policy())
    (only,) = report.services
    return only


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_hand_worked(case: Case) -> None:
    found = production(case.events)
    assert (found.deployment_frequency.n, found.change_fail_rate.n) == (case.n, case.n)
    assert found.deployment_frequency.value == case.n / 7
    assert found.change_fail_rate.value == case.failed / case.n
    assert found.deployment_rework_rate.value == case.rework / case.n
    lead, recovery = found.change_lead_time, found.failed_deployment_recovery_time
    spans = [change.lead_time for change in found.changes]
    assert sorted(s.total_seconds() for s in spans if s is not None) == list(case.lead)
    assert dict(lead.excluded) == case.lead_excluded
    assert (lead.n, lead.median) == (len(case.lead), _median(case.lead))
    assert dict(recovery.excluded) == case.recovery_excluded
    assert (recovery.n, recovery.median) == (len(case.recovery), _median(case.recovery))


def _median(values: Sequence[float]) -> float | None:
    middle = len(values) // 2
    if not values:
        return None
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def test_no_data_is_not_zero() -> None:
    assert evaluate_dora([], WEEK).services == ()
    quiet = production([deployed("-3 09:00", "c1", release="r0")])
    assert quiet.deployment_frequency.value == 0  # known to the log, and nothing happened: this 0 is data
    assert quiet.change_fail_rate.value is None
    assert quiet.deployment_rework_rate.value is None
    assert quiet.change_lead_time.median is None
    assert quiet.change_lead_time.coverage is None
    assert quiet.failed_deployment_recovery_time.p90 is None


def test_a_service_that_starts_after_the_period_is_not_in_it() -> None:
    assert evaluate_dora([deployed("8 09:00", "c1", release="r0")], WEEK).services == ()


def test_offsets_are_converted() -> None:
    """02:30+02:00 is 00:30 UTC: inside the week, and half an hour after its commit."""
    moved = DeliveryEvent(
        kind=Kind.SERVICE_DEPLOYED,
        source="/test",
        id="offset",
        occurred_at=datetime.fromisoformat("2026-11-02T02:30:00+02:00"),
        subject="r1",
        service="shop",
        environment="prod",
        commit="c2",
        committed_at=parse_timestamp("2026-11-02T00:00:00Z"),
    )
    found = production([deployed("-1 09:00", "c1", release="r0"), moved])
    assert found.change_lead_time.median == 1800.0


def test_coverage_says_what_share_is_known() -> None:
    found = production(
        [
            FIRST,
            deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
            deployed("3 09:00", "c3", release="r3"),
            deployed("4 09:00", "c4", release="r4", outcome="error"),
            deployed("5 09:00", "c5", release="r5", outcome="canceled"),
        ]
    )
    assert (found.change_lead_time.n, found.change_lead_time.applicable) == (1, 2)
    assert found.change_lead_time.coverage == 0.5
    assert found.change_fail_rate.coverage == 0.75
    assert found.change_fail_rate.excluded == (("canceled", 1), ("undetermined", 1))
    assert found.deployment_frequency.coverage == pytest.approx((7 - 1.375) / 7)
    assert [j.deployment.status for j in found.deployments].count(Status.UNDETERMINED) == 1


def test_numbers_name_the_deployments_behind_them() -> None:
    found = production([FIRST, deployed("2 09:00", "c2", release="r2"), rolled_back("2 10:00", release="r2")])
    assert found.change_fail_rate.items == ("r2",)
    assert found.deployment_frequency.items == ("r1", "r2")
    judged = found.deployments[1]
    assert (judged.failures, judged.recovery) == ((Signal.ROLLBACK,), Recovery.ROLLBACK)


@pytest.mark.parametrize(
    ("signal", "events"),
    [
        (Signal.ABORTED, [FIRST, deployed("2 09:00", "c2", release="r2", outcome="failure")]),
        (Signal.ROLLBACK, [FIRST, rolled_back("2 09:00", release="r1")]),
        (Signal.REVERT, [FIRST, deployed("2 09:00", "c2", release="r2"), deployed("3 09:00", "c1", release="r3")]),
        (Signal.HOTFIX, [FIRST, deployed("2 09:00", "c2", release="r2", data={"unplanned": True})]),
        (Signal.INCIDENT, [FIRST, incident("1 10:00", "INC-1")]),
    ],
)
def test_each_signal_can_be_switched_off(signal: Signal, events: list[DeliveryEvent]) -> None:
    assert [j.failures for j in production(events).deployments if j.failures] == [(signal,)]
    without = Policy(signals=frozenset(Signal) - {signal})
    assert production(events, without).change_fail_rate.numerator == 0


def test_incidents_nobody_can_be_blamed_for_are_shown() -> None:
    events = [
        FIRST,
        incident("5 09:00", "late"),
        incident("1 10:00", "no-service", service=None),
        incident("1 10:00", "unknown-release", release="r9"),
        incident("9 10:00", "outside"),
    ]
    report = evaluate_dora(events, WEEK)
    assert {found.id for found in report.unattributed} == {"late", "no-service", "unknown-release"}
    assert report.services[0].change_fail_rate.value == 0


def test_a_wider_window_attributes_later_incidents() -> None:
    events = [FIRST, incident("5 09:00", "late")]
    wide = Policy(incident_window=timedelta(days=5))
    assert production(events, wide).change_fail_rate.value == 1


def test_one_release_in_two_environments_is_judged_apart() -> None:
    events = [
        deployed("1 09:00", "c1", release="r1"),
        deployed("1 09:00", "c1", release="r1", environment="staging"),
        incident("1 10:00", "INC-1", environment="staging"),
    ]
    rates = {found.environment: found.change_fail_rate.value for found in evaluate_dora(events, WEEK).services}
    assert rates == {"prod": 0, "staging": 1}


def test_resolutions_without_detection_are_nothing() -> None:
    assert production([FIRST, incident("1 10:00", "INC-1", resolved=True)]).change_fail_rate.value == 0


@pytest.mark.parametrize(
    ("seconds", "percent", "expected"),
    [
        ([], 50, None),
        ([7], 90, 7.0),
        ([1, 2], 50, 1.5),
        ([1, 2, 3], 50, 2.0),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 90, 9.1),
        ([0, 100], 90, 90.0),
    ],
)
def test_percentiles_are_exact(seconds: list[int], percent: int, expected: float | None) -> None:
    assert percentile([timedelta(seconds=s) for s in seconds], percent) == expected


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2026, 1, 1), datetime(2026, 1, 2)),  # noqa: DTZ001 - naive on purpose
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        (datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_impossible_periods_are_refused(start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="period"):
        Period(start=start, end=end)
