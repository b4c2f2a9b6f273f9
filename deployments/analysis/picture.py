"""The evidence as a picture: SVG, drawn here, readable without colour, in light and in dark. Pure.

One panel a metric: the E-values of harm and of safety over time, and the lines that they have to reach. Lines differ by
their strokes and are labelled at their ends; the same is said in words in `title` and `desc`, for those who listen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from deployments.analysis.judge import Evidence, JudgeVerdict
from deployments.analysis.wording import arm_text, e_value

WIDTH = 860
_PANEL, _TOP, _PLOT, _LEFT, _RIGHT = 216, 52, 124, 64, 132
_LN10 = math.log(10)
_LOWEST = -2.0
_STYLE = """\
.headgate-evidence{--ink:#1c1e21;--soft:#5d6470;--rule:#d5d9df;--paper:#ffffff;--harm:#b3261e;--safety:#1a6b3c;\
font:13px system-ui,sans-serif;color-scheme:light dark}
@media (prefers-color-scheme:dark){.headgate-evidence{--ink:#e8eaed;--soft:#a3abb8;--rule:#3a404a;--paper:#16181c;\
--harm:#ff8a80;--safety:#7fd6a0}}
.headgate-evidence .paper{fill:var(--paper)}.headgate-evidence text{fill:var(--ink)}
.headgate-evidence .soft{fill:var(--soft);font-size:11px}.headgate-evidence .head{font-weight:600}
.headgate-evidence .rule{stroke:var(--rule);fill:none}.headgate-evidence path{fill:none;stroke-width:2}
.headgate-evidence .harm{stroke:var(--harm)}.headgate-evidence .safety{stroke:var(--safety);stroke-dasharray:7 3}
.headgate-evidence .need{stroke-width:1;stroke-dasharray:2 3}.headgate-evidence .each{stroke:var(--ink)}
.headgate-evidence .mark{fill:var(--paper);stroke-width:2;stroke-dasharray:none}"""


def picture(found: JudgeVerdict, *, title: str = "") -> str:
    """The whole verdict. A verdict without metrics is a picture of its message."""
    when = "" if found.decided_at_s is None else f" at {found.decided_at_s:g} s"
    head = f"{title + ': ' if title else ''}{found.outcome.value}{when}"
    height = 34 + max(1, len(found.metrics)) * _PANEL
    panels = [_panel(evidence, 34 + at * _PANEL) for at, evidence in enumerate(found.metrics)]
    if not panels:
        panels = [f'<text class="soft" x="16" y="58">{escape(found.message)}</text>']
    described = " ".join(_described(evidence) for evidence in found.metrics) or found.message
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" class="headgate-evidence" viewBox="0 0 {WIDTH} {height}"'
                f' width="{WIDTH}" height="{height}" role="img" aria-label="{escape(head)}">'
            ),
            f"<title>{escape(head)}</title>",
            f"<desc>{escape(described)}</desc>",
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            f'<text class="head" x="16" y="24">{escape(_cut(head, 110))}</text>',
            *panels,
            "</svg>\n",
        ]
    )


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where a moment and an E-value (decimal logarithm) are drawn."""

    first: float
    last: float
    highest: float
    top: float

    def x(self, t: float) -> float:
        span = self.last - self.first
        share = (t - self.first) / span if span > 0 else 1.0
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * share, 1)

    def y(self, log10: float) -> float:
        share = (min(max(log10, _LOWEST), self.highest) - _LOWEST) / (self.highest - _LOWEST)
        return round(self.top + _PLOT * (1 - share), 1)


def _panel(evidence: Evidence, top: float) -> str:
    needed = (evidence.harm_needed / _LN10, evidence.safety_needed / _LN10)
    reached = [max(point.log_harm, point.log_safety) / _LN10 for point in evidence.trail]
    highest = min(max(*needed, *(value for value in reached if math.isfinite(value)), 1.0) + 0.5, max(needed) + 3)
    times = [point.t for point in evidence.trail] or [0.0]
    axes = _Axes(first=times[0], last=times[-1], highest=highest, top=top + _TOP)
    parts = [
        f'<text class="head" x="16" y="{top + 18}">{escape(_cut(f"{evidence.name}: {evidence.outcome.value}", 40))}</text>',
        f'<text class="soft" x="16" y="{top + 36}">{escape(_cut(evidence.message, 140))}</text>',
        *_grid(axes, evidence),
        _line("harm", [(point.t, point.log_harm) for point in evidence.trail], axes, evidence.harm_at_s),
        _line("safety", [(point.t, point.log_safety) for point in evidence.trail], axes, evidence.safety_at_s),
        *_labels(evidence, axes),
    ]
    return f"<g>{''.join(parts)}</g>"


def _grid(axes: _Axes, evidence: Evidence) -> Iterator[str]:
    right = WIDTH - _RIGHT
    for power in range(int(_LOWEST), math.floor(axes.highest) + 1):
        y = axes.y(power)
        yield f'<path class="rule" d="M{_LEFT} {y}H{right}" style="stroke-width:1"/>'
        yield f'<text class="soft" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{_power(power)}</text>'
    for kind, log_e in _needs(evidence):
        y = axes.y(log_e / _LN10)
        yield f'<path class="{kind} need" d="M{_LEFT} {y}H{right}"/>'
    needed = {f"{kind} decides at {e_value(log_e)}": log_e for kind, log_e in _needs(evidence)}
    for at, (text, log_e) in enumerate(needed.items()):
        yield f'<text class="soft" x="{right - 4 - 150 * at}" y="{axes.y(log_e / _LN10) - 4}" text-anchor="end">{text}</text>'
    for t in dict.fromkeys((axes.first, axes.last)):
        anchor = "start" if t == axes.first else "end"
        yield (f'<text class="soft" x="{axes.x(t)}" y="{axes.top + _PLOT + 18}" text-anchor="{anchor}">{t:g} s</text>')


def _needs(evidence: Evidence) -> tuple[tuple[str, float], ...]:
    """What each process has to reach; one entry where both need the same."""
    if evidence.harm_needed == evidence.safety_needed:
        return (("each", evidence.harm_needed),)
    return (("harm", evidence.harm_needed), ("safety", evidence.safety_needed))


def _line(kind: str, points: Sequence[tuple[float, float]], axes: _Axes, reached_at: float | None) -> str:
    drawn = [(axes.x(t), axes.y(log_e / _LN10)) for t, log_e in points if not math.isnan(log_e)]
    if not drawn:
        return ""
    path = "L".join(f"{x} {y}" for x, y in drawn)
    mark = ""
    if reached_at is not None:
        x = axes.x(min(max(reached_at, axes.first), axes.last))
        y = next((y for at, y in drawn if at >= x), drawn[-1][1])
        shape = f"M{x - 5} {y - 5}l10 10m0 -10l-10 10" if kind == "harm" else f"M{x - 6} {y}l4 5l8 -10"
        mark = f'<path class="{kind} mark" d="{shape}" style="fill:none"/>'
    return f'<path class="{kind}" d="M{path}"/>{mark}'


def _labels(evidence: Evidence, axes: _Axes) -> Iterator[str]:
    """What stands at the ends of the lines, moved apart where they meet."""
    if not evidence.trail:
        yield f'<text class="soft" x="{_LEFT + 8}" y="{axes.top + 20}">{escape(evidence.cause or "nothing seen")}</text>'
        return
    last = evidence.trail[-1]
    ends = [
        (axes.y(last.log_harm / _LN10), "harm", last.log_harm),
        (axes.y(last.log_safety / _LN10), "safety", last.log_safety),
    ]
    ends.sort()
    if ends[1][0] - ends[0][0] < 14:
        middle = (ends[0][0] + ends[1][0]) / 2
        ends = [(middle - 7, *ends[0][1:]), (middle + 7, *ends[1][1:])]
    for y, kind, log_e in ends:
        yield f'<text x="{WIDTH - _RIGHT + 8}" y="{y + 4}">{kind} E {e_value(log_e)}</text>'


def _described(evidence: Evidence) -> str:
    return (
        f"{evidence.name}: {evidence.outcome.value}. {evidence.message.rstrip('.')}. Canary {arm_text(evidence.canary, evidence.kind)};"
        f" baseline {arm_text(evidence.baseline, evidence.kind)}. Evidence of harm {e_value(evidence.log_harm)} of"
        f" {e_value(evidence.harm_needed)}, of safety {e_value(evidence.log_safety)} of {e_value(evidence.safety_needed)}."
    )


def _power(power: int) -> str:
    return f"{10**power:g}" if power < 5 else f"1e{power}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
