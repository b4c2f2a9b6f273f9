"""The report of a log: read from its projection, or computed from all events where the projection does not apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.errors import HeadgateError
from observability.dora import DEFAULT_POLICY, DoraReport, Period, ServiceReport, evaluate_dora
from observability.failures import Policy

if TYPE_CHECKING:
    from observability.projection import Projection
    from observability.store import EventStore


def report_of(
    store: EventStore,
    period: Period,
    *,
    wanted: Callable[[str, str | None], bool] | None = None,
    policy: Policy = DEFAULT_POLICY,
    paths: Mapping[str, Sequence[str]] | None = None,
    keep: Callable[[ServiceReport], ServiceReport] | None = None,
) -> DoraReport:
    """`dora.evaluate_dora` of everything in the log, whichever way is faster; the result is the same.

    The projection knows the default policy and no path patterns. A log that this process may not write cannot have its
    projection brought up to date; then it is computed. `keep` is given each service in turn and says what of it is kept
    in memory.
    """
    kept = _projection(store) if policy == DEFAULT_POLICY and not paths else None
    if kept is not None:
        return kept.report(period, wanted, keep)
    report = evaluate_dora(store.read(), period, policy=policy, wanted=wanted, paths=paths)
    return report if keep is None else replace(report, services=tuple(map(keep, report.services)))


def _projection(store: EventStore) -> Projection | None:
    """The projection, up to date; None where there is none and none can be made."""
    database = getattr(store, "database", None)
    if database is None:
        return None
    from observability.projection import Projection

    found = Projection(database)
    try:
        found.refresh()
    except HeadgateError:
        return None  # what is wrong with the log itself is said when it is read
    return found
