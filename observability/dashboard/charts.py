"""Charts as SVG, drawn on the server. Pure. Colours are classes of the style sheet, so they follow light and dark;
no meaning is carried by colour alone (shapes differ, and every chart has its numbers beside it as text)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from markupsafe import Markup, escape

from observability.dora import Period
from observability.failures import Judged
from observability.history import Status

WIDTH = 1040
_LEFT, _RIGHT = 12, 12
_LANE, _AXIS, _HEIGHT = 40, 74, 96
_STEPS = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)) + tuple(
    timedelta(days=d) for d in (1, 2, 7, 14, 28, 91, 182, 364, 728)
)
_TICKS = 9


@dataclass(frozen=True, slots=True)
class _Scale:
    period: Period

    def x(self, moment: datetime) -> float:
        inner = WIDTH - _LEFT - _RIGHT
        share = (moment - self.period.start) / (self.period.end - self.period.start)
        return round(_LEFT + inner * min(max(share, 0.0), 1.0), 1)


def timeline(judged: Sequence[Judged], period: Period, zone: tzinfo, title: str) -> Markup:
    """Deployments on a time axis: a dot went live, a cross failed, a ring was withdrawn; a bar spans each failure
    from its beginning to its recovery, dashed while there is none."""
    scale = _Scale(period)
    marks = [*(_outage(j, scale, period) for j in judged if j.failures), *(_mark(j, scale, zone) for j in judged)]
    return Markup(
        '<svg class="timeline" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">{axis}{marks}</svg>'
    ).format(width=WIDTH, height=_HEIGHT, title=title, axis=_axis(scale, period, zone), marks=Markup("").join(marks))


def describe(judged: Judged, zone: tzinfo) -> str:
    """One line about a deployment, the same in tooltips and tables."""
    deployment = judged.deployment
    parts = [deployment.version or deployment.id, deployment.at.astimezone(zone).strftime("%Y-%m-%d %H:%M")]
    if judged.failures:
        parts.append(f"failed ({', '.join(judged.failures)})")
        parts.append(f"{judged.recovery}".replace("_", " ") if judged.recovery else "")
    else:
        parts.append(deployment.status.value)
    return " · ".join(part for part in parts if part)


def _mark(judged: Judged, scale: _Scale, zone: tzinfo) -> Markup:
    x, text = scale.x(judged.deployment.at), describe(judged, zone)
    if judged.failures:
        shape = Markup('<path class="mark fail" d="M{a} {b}l12 12m0 -12l-12 12"/>').format(a=x - 6, b=_LANE - 6)
    elif judged.deployment.status is Status.LIVE:
        shape = Markup('<circle class="mark live" cx="{x}" cy="{y}" r="6"/>').format(x=x, y=_LANE)
    else:
        shape = Markup('<circle class="mark none" cx="{x}" cy="{y}" r="5"/>').format(x=x, y=_LANE)
    rework = Markup('<path class="rework" d="M{a} {b}l5 -8l5 8z"/>').format(a=x - 5, b=_LANE - 12)
    return Markup("<g>{shape}{rework}<title>{text}</title></g>").format(
        shape=shape, rework=rework if judged.rework else "", text=text
    )


def _outage(judged: Judged, scale: _Scale, period: Period) -> Markup:
    began = judged.deployment.failed_at or judged.deployment.at
    ended = judged.recovered_at
    start, end = scale.x(began), scale.x(ended or period.end)
    kind = "outage" if ended else "outage open"
    return Markup('<line class="{kind}" x1="{start}" x2="{end}" y1="{y}" y2="{y}"/>').format(
        kind=kind, start=start, end=max(end, start + 2), y=_LANE
    )


def _axis(scale: _Scale, period: Period, zone: tzinfo) -> Markup:
    line = Markup('<line class="axis" x1="{a}" x2="{b}" y1="{y}" y2="{y}"/>').format(a=_LEFT, b=WIDTH - _RIGHT, y=_AXIS)
    step = next((s for s in _STEPS if (period.end - period.start) / s <= _TICKS), _STEPS[-1])
    form = "%d %b" if step >= timedelta(days=1) else "%H:%M"
    ticks = [
        Markup('<line class="grid" x1="{x}" x2="{x}" y1="12" y2="{y}"/><text x="{x}" y="{t}">{text}</text>').format(
            x=scale.x(moment), y=_AXIS, t=_HEIGHT - 6, text=moment.astimezone(zone).strftime(form)
        )
        for moment in _ticks(period, step, zone)
    ]
    return line + Markup("").join(ticks)


def _ticks(period: Period, step: timedelta, zone: tzinfo) -> list[datetime]:
    """Round local moments inside the period, leaving room for the text of the first and the last."""
    midnight = period.start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    margin = (period.end - period.start) * 0.02
    first = math.ceil((period.start + margin - midnight) / step)
    found, number = [], first
    while (moment := midnight + step * number) <= period.end - margin:
        found.append(moment)
        number += 1
    return found


def strip(seconds: Sequence[float], median: float | None, title: str) -> Markup:
    """Every item of a metric as a tick on a logarithmic axis, the median marked; empty without items."""
    if not seconds or median is None:
        return Markup("")
    low, high = math.log10(max(min(seconds), 1.0)), math.log10(max(*seconds, 1.0, min(seconds) * 1.01))
    width = max(high - low, 0.3)

    def x(value: float) -> float:
        return round(4 + 172 * (math.log10(max(value, 1.0)) - low) / width, 1)

    ticks = [Markup('<line x1="{x}" x2="{x}" y1="5" y2="17"/>').format(x=x(value)) for value in seconds[:500]]
    dot = Markup('<circle cx="{x}" cy="11" r="4"/>').format(x=x(median))
    return Markup('<svg class="strip" viewBox="0 0 180 22" role="img" aria-label="{title}">{ticks}{dot}</svg>').format(
        title=escape(title), ticks=Markup("").join(ticks), dot=dot
    )


def meter(share: float | None, title: str) -> Markup:
    """A fraction as a bar; empty for None."""
    if share is None:
        return Markup("")
    return Markup(
        '<svg class="meter" viewBox="0 0 180 22" role="img" aria-label="{title}">'
        '<rect class="whole" x="4" y="7" width="172" height="8" rx="4"/>'
        '<rect class="part" x="4" y="7" width="{width}" height="8" rx="4"/></svg>'
    ).format(title=escape(title), width=round(172 * min(max(share, 0.0), 1.0), 1))


def bars(moments: Sequence[datetime], period: Period, title: str, count: int = 15) -> Markup:
    """How many fell into each of `count` equal parts of the period; empty without any."""
    if not moments:
        return Markup("")
    length = (period.end - period.start) / count
    sizes = [0] * count
    for moment in moments:
        sizes[min(int((moment - period.start) / length), count - 1)] += 1
    tallest = max(sizes)
    drawn = [
        Markup('<rect x="{x}" y="{y}" width="9" height="{h}" rx="1.5"/>').format(
            x=4 + number * 11.6,
            y=round(20 - 18 * size / tallest, 1) if size else 19,
            h=max(round(18 * size / tallest, 1), 1),
        )
        for number, size in enumerate(sizes)
    ]
    return Markup('<svg class="bars" viewBox="0 0 180 22" role="img" aria-label="{title}">{drawn}</svg>').format(
        title=escape(title), drawn=Markup("").join(drawn)
    )
