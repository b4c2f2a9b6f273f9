"""The delivery events of a release. Ids follow from the release, so that a repeated run tells nothing twice. Pure."""

from __future__ import annotations

from datetime import datetime

from deployments.gitops.repository import Release
from deployments.release.model import Reason
from gates.verdict import Measurement, Verdict
from headgate.clock import format_timestamp
from observability.events import DeliveryEvent, Kind, Scalar, event_id


def upgraded(release: Release, *, source: str, now: datetime, verdict: Verdict | None, by: str) -> DeliveryEvent:
    """The new version has all the traffic."""
    data: dict[str, Scalar] = _data(release) | ({"evidence": verdict.message} if verdict else {}) | {"decided_by": by}
    return _event(Kind.SERVICE_UPGRADED, release, source, now, "success", data)


def rolled_back(release: Release, *, source: str, now: datetime, reason: Reason, reverted_by: str) -> DeliveryEvent:
    """The release was turned back; `data` says why, with the measurement that decided.

    The failure began with the release commit: from then on the new version could answer users. Unlike the moment of
    the decision it is in Git, so a run that continues after a crash says the same.
    """
    data: dict[str, Scalar] = _data(release) | {
        "failed_at": format_timestamp(release.at),
        "reason": reason.text,
        "verdict": reason.outcome.value,
        "revert_commit": reverted_by,
    }
    measurement = _deciding(reason.verdict) if reason.verdict else None
    if reason.verdict is not None:
        data["evidence"] = reason.verdict.message
    if measurement is not None:
        data |= {
            "observed": measurement.observed,
            "threshold": measurement.threshold,
            "sample": measurement.sample,
            "window_s": measurement.window_s,
        }
    return _event(Kind.SERVICE_ROLLEDBACK, release, source, now, "failure", data)


def _deciding(verdict: Verdict) -> Measurement | None:
    """The measurement behind the outcome: the node's own, else that of the first child with the same outcome."""
    if verdict.measurement is not None:
        return verdict.measurement
    return next((_deciding(child) for child in verdict.children if child.outcome is verdict.outcome), None)


def _data(release: Release) -> dict[str, Scalar]:
    return {"version": release.note.version, "previous": release.note.previous, "gitops_commit": release.commit}


def _event(
    kind: Kind, release: Release, source: str, now: datetime, outcome: str, data: dict[str, Scalar]
) -> DeliveryEvent:
    note = release.note
    return DeliveryEvent(
        kind=kind,
        source=source,
        id=event_id(kind.value, note.release_id),
        occurred_at=now,
        subject=note.release_id,
        service=note.service,
        environment=note.environment,
        commit=note.source_commit,
        committed_at=note.committed_at,
        outcome=outcome,
        release=note.release_id,
        data=data,
    )
