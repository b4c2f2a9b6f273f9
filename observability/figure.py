"""Evidence as a figure: curves over time and the lines that they have to reach. SVG, a line of text, and JSON. Pure.

The SVG is readable without colour, in light and in dark: lines differ by their strokes and are labelled at their ends,
and the same is said in words in `title` and `desc`, for those who listen. Nothing in it runs or is loaded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape as escape_html
from typing import Any

DATA_KEY = "figures"
"""Where an event's data have their figures, as JSON."""
WIDTH = 860
_PANEL, _TOP, _PLOT, _LEFT, _RIGHT = 216, 52, 124, 64, 132
_LOWEST = -2.0
_MOST_FIGURES, _MOST_POINTS, _MOST_TEXT = 24, 400, 400
_UNWRITABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML has no way to write
_KINDS = ("harm", "safety")  # how the first and the second curve are drawn
_THEME = """\
.headgate-evidence{--ink:#1c1e21;--soft:#5d6470;--rule:#d5d9df;--paper:#ffffff;--harm:#b3261e;--safety:#1a6b3c;\
color-scheme:light dark}
@media (prefers-color-scheme:dark){.headgate-evidence{--ink:#e8eaed;--soft:#a3abb8;--rule:#3a404a;--paper:#16181c;\
--harm:#ff8a80;--safety:#7fd6a0}}
"""
_RULES = """\
.headgate-evidence{font:13px system-ui,sans-serif;max-width:100%;height:auto}
.headgate-evidence .paper{fill:var(--paper)}.headgate-evidence text{fill:var(--ink)}
.headgate-evidence .soft{fill:var(--soft);font-size:11px}.headgate-evidence .head{font-weight:600}
.headgate-evidence path{fill:none;stroke-width:2}.headgate-evidence .rule{stroke:var(--rule);stroke-width:1}
.headgate-evidence .harm{stroke:var(--harm)}.headgate-evidence .safety{stroke:var(--safety);stroke-dasharray:7 3}
.headgate-evidence .need{stroke-width:1;stroke-dasharray:2 3}.headgate-evidence .each{stroke:var(--ink)}
.headgate-evidence .mark{stroke-dasharray:none}"""


def page_style(*, soft: str, rule: str, paper: str, harm: str, safety: str) -> str:
    """Rules for embedded pictures on a page whose theme has `--ink` and variables of these names."""
    names = {"soft": soft, "rule": rule, "paper": paper, "harm": harm, "safety": safety}
    return re.sub(r"var\(--(\w+)\)", lambda found: f"var(--{names.get(found[1], found[1])})", _RULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A course: (seconds, value) in order. `label` stands at its end; `reached_at`: when it decided, None if it did not."""

    name: str
    points: tuple[tuple[float, float], ...]
    label: str = ""
    reached_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A value that decides, and what is written beside it. `curve`: the number of its curve, None for all."""

    value: float
    text: str
    curve: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One metric. `log`: values are decimal logarithms. `described` says all of it in words. At most two curves."""

    title: str
    verdict: str
    message: str
    described: str = ""
    log: bool = False
    curves: tuple[Curve, ...] = ()
    limits: tuple[Limit, ...] = ()


def svg(figures: Sequence[Figure], head: str, *, embedded: bool = False) -> str:
    """All figures below each other under one heading; `embedded`: for a page that has `page_style`."""
    top = 34 if head else 0
    height = top + max(1, len(figures)) * _PANEL
    panels = [_panel(figure, top + at * _PANEL) for at, figure in enumerate(figures)]
    said = head or "; ".join(f"{figure.title}: {figure.verdict}" for figure in figures)
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" class="headgate-evidence" viewBox="0 0 {WIDTH} {height}"'
                f' width="{WIDTH}" height="{height}" role="img" aria-label="{escape(said)}">'
            ),
            f"<title>{escape(said)}</title>",
            f"<desc>{escape(' '.join(figure.described for figure in figures))}</desc>",
            "" if embedded else f"<style>{_THEME}{_RULES}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            f'<text class="head" x="16" y="24">{escape(_cut(head, 110))}</text>' if head else "",
            *panels,
            "</svg>\n",
        ]
    )


def spark(figure: Figure, number: int, *, width: int = 32) -> str:
    """One curve as a line of blocks; a full block has reached what it needs. Empty without a course or a limit."""
    if number >= len(figure.curves):
        return ""
    points = [point for point in figure.curves[number].points if not math.isnan(point[1])]
    limit = next((limit.value for limit in figure.limits if limit.curve in (None, number)), None)
    lowest = -1.0 if figure.log else 0.0
    if not points or limit is None or limit <= lowest:
        return ""
    first, last = points[0][0], points[-1][0]
    columns: list[float | None] = [None] * min(width, len(points))
    for t, value in points:
        at = int((t - first) / (last - first) * len(columns)) if last > first else 0
        at = min(at, len(columns) - 1)
        columns[at] = value if columns[at] is None else max(columns[at] or value, value)
    blocks, before = "", points[0][1]
    for column in columns:
        before = before if column is None else column
        share = (before - lowest) / (limit - lowest)
        blocks += "█" if share >= 1.0 else "▁▂▃▄▅▆▇"[min(max(int(share * 7), 0), 6)]
    return blocks


def dump_figures(figures: Sequence[Figure], *, points: int = 60) -> str:
    """Compact JSON, each curve thinned to about `points` points (the last is kept)."""
    return json.dumps([_plain(figure, points) for figure in figures], ensure_ascii=False, separators=(",", ":"))


def parse_figures(text: object) -> tuple[Figure, ...]:
    """Figures from JSON; what is not understood is left out, as it may come from anywhere."""
    try:
        found = json.loads(text) if isinstance(text, str) else ()
    except (ValueError, RecursionError):
        return ()
    items = found[:_MOST_FIGURES] if isinstance(found, list) else []
    return tuple(_figure(item) for item in items if isinstance(item, dict))


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where a moment and a value are drawn."""

    first: float
    last: float
    lowest: float
    highest: float
    top: float

    def x(self, t: float) -> float:
        span = self.last - self.first
        share = (min(max(t, self.first), self.last) - self.first) / span if span > 0 else 1.0
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * share, 1)

    def y(self, value: float) -> float:
        share = (min(max(value, self.lowest), self.highest) - self.lowest) / (self.highest - self.lowest)
        return round(self.top + _PLOT * (1 - share), 1)


def _panel(figure: Figure, top: float) -> str:
    axes = _axes(figure, top + _TOP)
    drawn = [curve for curve in figure.curves if curve.points]
    parts = [
        f'<text class="head" x="16" y="{top + 18}">{escape(_cut(f"{figure.title}: {figure.verdict}", 90))}</text>',
        f'<text class="soft" x="16" y="{top + 36}">{escape(_cut(figure.message, 140))}</text>',
        *_grid(figure, axes),
        *(_line(_KINDS[at], curve, axes) for at, curve in enumerate(figure.curves[:2])),
        *(_labels(figure, axes) if drawn else ()),
    ]
    return f"<g>{''.join(parts)}</g>"


def _axes(figure: Figure, top: float) -> _Axes:
    points = [point for curve in figure.curves for point in curve.points]
    times = [t for t, _ in points] or [0.0]
    values = [value for _, value in points if math.isfinite(value)]
    needed = [limit.value for limit in figure.limits if math.isfinite(limit.value)] or [1.0]
    if figure.log:
        highest = min(max(*needed, *values, 1.0) + 0.5, max(needed) + 3)
        return _Axes(min(times), max(times), _LOWEST, highest, top)
    lowest, highest = min(0.0, *needed, *values), max(0.0, *needed, *values)
    return _Axes(min(times), max(times), lowest, highest + (0.15 * (highest - lowest) or 1.0), top)


def _grid(figure: Figure, axes: _Axes) -> Iterator[str]:
    right = WIDTH - _RIGHT
    for value, text in _ticks(figure, axes):
        y = axes.y(value)
        yield f'<path class="rule" d="M{_LEFT} {y}H{right}"/>'
        yield f'<text class="soft" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{text}</text>'
    for at, limit in enumerate(figure.limits):
        y = axes.y(limit.value)
        kind = "each" if limit.curve is None else _KINDS[limit.curve]
        yield f'<path class="{kind} need" d="M{_LEFT} {y}H{right}"/>'
        text = escape(_cut(limit.text, 60))
        yield f'<text class="soft" x="{right - 4 - 150 * at}" y="{y - 4}" text-anchor="end">{text}</text>'
    for t in dict.fromkeys((axes.first, axes.last)):
        anchor = "start" if t == axes.first else "end"
        yield f'<text class="soft" x="{axes.x(t)}" y="{axes.top + _PLOT + 18}" text-anchor="{anchor}">{t:g} s</text>'


def _ticks(figure: Figure, axes: _Axes) -> Iterator[tuple[float, str]]:
    if figure.log:
        for power in range(int(_LOWEST), math.floor(axes.highest) + 1):
            yield power, f"{10**power:g}" if power < 5 else f"1e{power}"
        return
    rough = (axes.highest - axes.lowest) / 4
    step = 10 ** math.floor(math.log10(rough))
    step *= next(times for times in (1, 2, 5, 10) if step * times >= rough)
    for number in range(math.ceil(axes.lowest / step), math.floor(axes.highest / step) + 1):
        yield number * step, f"{number * step:.4g}"


def _line(kind: str, curve: Curve, axes: _Axes) -> str:
    drawn = [(axes.x(t), axes.y(value)) for t, value in curve.points if not math.isnan(value)]
    if not drawn:
        return ""
    path = "L".join(f"{x} {y}" for x, y in drawn)
    mark = ""
    if curve.reached_at is not None:
        x = axes.x(curve.reached_at)
        y = next((y for at, y in drawn if at >= x), drawn[-1][1])
        shape = f"M{x - 5} {y - 5}l10 10m0 -10l-10 10" if kind == "harm" else f"M{x - 6} {y}l4 5l8 -10"
        mark = f'<path class="{kind} mark" d="{shape}"/>'
    return f'<path class="{kind}" d="M{path}"/>{mark}'


def _labels(figure: Figure, axes: _Axes) -> Iterator[str]:
    """What stands at the ends of the lines, moved apart where they meet."""
    ends = sorted((axes.y(curve.points[-1][1]), curve.label) for curve in figure.curves[:2] if curve.points)
    if len(ends) == 2 and ends[1][0] - ends[0][0] < 14:
        middle = (ends[0][0] + ends[1][0]) / 2
        ends = [(middle - 7, ends[0][1]), (middle + 7, ends[1][1])]
    for y, label in ends:
        yield f'<text x="{WIDTH - _RIGHT + 8}" y="{y + 4}">{escape(_cut(label, 24))}</text>'


def _plain(figure: Figure, points: int) -> dict[str, Any]:
    return {
        "title": figure.title,
        "verdict": figure.verdict,
        "message": figure.message,
        "described": figure.described,
        "log": figure.log,
        "curves": [
            {
                "name": curve.name,
                "label": curve.label,
                "at": curve.reached_at,
                "points": [[_short(t), _short(value)] for t, value in _thinned(curve.points, points)],
            }
            for curve in figure.curves
        ],
        "limits": [{"value": _short(one.value), "text": one.text, "curve": one.curve} for one in figure.limits],
    }


def _thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    known = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
    every = max(1, math.ceil(len(known) / most))
    return known[::-1][::every][::-1]


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _figure(item: Mapping[str, Any]) -> Figure:
    curves = [one for one in _list(item.get("curves")) if isinstance(one, dict)][:2]
    limits = [one for one in _list(item.get("limits")) if isinstance(one, dict)][:2]
    return Figure(
        title=_text(item.get("title")),
        verdict=_text(item.get("verdict")),
        message=_text(item.get("message")),
        described=_text(item.get("described")),
        log=item.get("log") is True,
        curves=tuple(
            Curve(
                name=_text(one.get("name")),
                label=_text(one.get("label")),
                reached_at=_number(one.get("at")),
                points=tuple(sorted(_points(_list(one.get("points"))[:_MOST_POINTS]))),
            )
            for one in curves
        ),
        limits=tuple(
            Limit(value=value, text=_text(one.get("text")), curve=_curve(one.get("curve")))
            for one in limits
            if (value := _number(one.get("value"))) is not None
        ),
    )


def _points(found: Sequence[object]) -> Iterator[tuple[float, float]]:
    for point in found:
        if isinstance(point, list) and len(point) == 2:
            t, value = _number(point[0]), _number(point[1])
            if t is not None and value is not None:
                yield t, value


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value[:_MOST_TEXT] if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return float(value)


def _curve(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value in (0, 1) else None


def escape(text: str) -> str:
    """The text as XML has it; characters that XML cannot have are shown as missing."""
    return escape_html(_UNWRITABLE.sub("\ufffd", text))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
