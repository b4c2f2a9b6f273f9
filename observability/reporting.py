"""The report of a log: read from its projection, or computed from all events where the projection does not apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headgate.errors import HeadgateError
from observability.dora import DEFAULT_POLICY, DoraReport, Period, evaluate_dora
from observability.failures import Policy

if TYPE_CHECKING:
    from observability.store import EventStore


def report_of(
    store: EventStore,
    period: Period,
    *,
    wanted: Callable[[str, str | None], bool] | None = None,
    policy: Policy = DEFAULT_POLICY,
    paths: Mapping[str, Sequence[str]] | None = None,
) -> DoraReport:
    """`dora.evaluate_dora` of everything in the log, whichever way is faster; the result is the same.

    The projection knows the default policy and no path patterns. A log that this process may not write cannot have its
    projection brought up to date; then it is computed.
    """
    database = getattr(store, "database", None)
    if database is not None and policy == DEFAULT_POLICY and not paths:
        from observability.projection import Projection

        try:
            return Projection(database).report(period, wanted)
        except HeadgateError:
            pass  # what is wrong with the log itself is said by the reading below
    return evaluate_dora(store.read(), period, policy=policy, wanted=wanted, paths=paths)
