"""How the gates decided, and why they failed. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from observability.dashboard.model import Gate, Reason
from observability.dora import Period
from observability.events import DeliveryEvent, Kind

_REASONS_SHOWN = 5
_LENGTH = 240


def summarise_gates(
    events: Iterable[DeliveryEvent], period: Period, link: Callable[[DeliveryEvent], str | None]
) -> tuple[Gate, ...]:
    """Gates by name with their verdicts in `period`; a reason is `data.reason` of a verdict that did not pass."""
    verdicts: dict[str, list[DeliveryEvent]] = defaultdict(list)
    for event in events:
        if event.kind is Kind.GATE_FINISHED and event.occurred_at in period:
            verdicts[event.subject].append(event)
    return tuple(_gate(name, found, link) for name, found in sorted(verdicts.items()))


def _gate(name: str, found: list[DeliveryEvent], link: Callable[[DeliveryEvent], str | None]) -> Gate:
    outcomes = Counter(event.outcome for event in found)
    stopped = [event for event in found if event.outcome != "success"]
    latest = {_reason(event): event for event in sorted(stopped, key=lambda event: event.occurred_at)}
    counts = Counter(_reason(event) for event in stopped)
    return Gate(
        name=name,
        passed=outcomes["success"],
        failed=outcomes["failure"],
        undecided=len(found) - outcomes["success"] - outcomes["failure"],
        reasons=tuple(
            Reason(text=text, count=count, change=link(latest[text]), name=latest[text].change or "")
            for text, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_REASONS_SHOWN]
        ),
    )


def _reason(event: DeliveryEvent) -> str:
    for key in ("reason", "message"):
        said = event.data.get(key)
        if isinstance(said, str) and said.strip():
            text = said.strip()
            return text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"
    return "no reason was recorded"
