"""What a release tells the event log: the measurement that decided, and when the failure began."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deployments.gitops.repository import Release
from deployments.gitops.trailers import ReleaseNote
from deployments.release.events import rolled_back, upgraded
from deployments.release.model import Reason
from gates.verdict import Measurement, Outcome, Verdict

BEGAN, ENDED = datetime(2026, 11, 21, 10, 0, tzinfo=UTC), datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
RELEASE = Release(
    note=ReleaseNote(
        release_id="rel-1",
        service="reco",
        environment="prod",
        version="1.2.0",
        previous="1.1.0",
        baseline="abc",
        source_repo=None,
        source_commit="c" * 40,
        committed_at=BEGAN,
    ),
    commit="d" * 40,
    at=BEGAN,
)


def leaf(name: str, outcome: Outcome, observed: float, sample: int) -> Verdict:
    measurement = Measurement(observed=observed, threshold=0.02, sample=sample, window_s=1.0)
    return Verdict(name=name, outcome=outcome, message=name, measurement=measurement)


def test_the_deciding_measurement_is_told_not_the_first() -> None:
    worst = leaf("second", Outcome.FAIL, 0.1, 130)
    metric = Verdict(name="error-ratio", outcome=Outcome.FAIL, children=(leaf("first", Outcome.PASS, 0.0, 30), worst))
    fine = Verdict(name="latency", outcome=Outcome.PASS, children=(leaf("x", Outcome.PASS, 0.0, 5),))
    tree = Verdict(name="analysis", outcome=Outcome.FAIL, message="second", children=(fine, metric))
    reason = Reason(text="second", outcome=Outcome.FAIL, verdict=tree)
    event = rolled_back(RELEASE, source="s", now=ENDED, reason=reason, reverted_by="e" * 40)
    assert (event.data["observed"], event.data["sample"]) == (0.1, 130)


@pytest.mark.parametrize("verdict", [None, Verdict(name="analysis", outcome=Outcome.INCONCLUSIVE)])
def test_without_a_measurement_none_is_told(verdict: Verdict | None) -> None:
    reason = Reason(text="deadline", outcome=Outcome.FAIL, verdict=verdict)
    event = rolled_back(RELEASE, source="s", now=ENDED, reason=reason, reverted_by="e" * 40)
    assert "observed" not in event.data
    assert event.data["reason"] == "deadline"


def test_the_failure_began_with_the_release_commit() -> None:
    reason = Reason(text="x", outcome=Outcome.FAIL)
    event = rolled_back(RELEASE, source="s", now=ENDED, reason=reason, reverted_by="e" * 40)
    assert event.data["failed_at"] == "2026-11-21T10:00:00Z"
    assert event.occurred_at == ENDED


def test_a_repeated_run_tells_the_same_event() -> None:
    first = upgraded(RELEASE, source="s", now=BEGAN, verdict=None, by="analysis")
    again = upgraded(RELEASE, source="s", now=ENDED, verdict=None, by="analysis")
    assert (first.source, first.id) == (again.source, again.id)
