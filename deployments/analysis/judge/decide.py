"""`verdict`: from the state of the evidence to an outcome that explains itself. Pure."""

from __future__ import annotations

import math

from deployments.analysis.judge.clean import Fault
from deployments.analysis.judge.core import State, Track, lack_of
from deployments.analysis.judge.estimates import Ratio, arms_of, ratio_of, shown_edge
from deployments.analysis.judge.kinds import GaugeTest
from deployments.analysis.judge.model import Arm, Evidence, JudgeVerdict, Kind, Pairing, Point
from deployments.analysis.judge.policy import Rules
from gates.verdict import Outcome

_WORST_FIRST = (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.PASS)


def verdict(state: State) -> JudgeVerdict:
    """The outcome so far. May be asked after every interval.

    Harm that was proven once stays proven. PASS needs safety of every metric, and no fault beyond `max_faults`.
    """
    found = tuple(_evidence(state, name) for name in state.rules)
    outcome = min((one.outcome for one in found), key=_WORST_FIRST.index)
    decisive = [one for one in found if one.outcome is outcome]
    if outcome is Outcome.FAIL:
        decisive.sort(key=lambda one: one.decided_at_s or 0.0)
    if state.faults and outcome is not Outcome.FAIL:
        text = state.faults[0].text
        return JudgeVerdict(outcome=Outcome.ERROR, decided_at_s=None, message=text, cause=text, metrics=found)
    return JudgeVerdict(
        outcome=outcome,
        decided_at_s=_decided_at(outcome, decisive),
        message=_summary(outcome, decisive, len(found)),
        cause=next((one.cause for one in decisive if one.cause), None),
        metrics=found,
    )


def _decided_at(outcome: Outcome, decisive: list[Evidence]) -> float | None:
    times = [one.decided_at_s for one in decisive if one.decided_at_s is not None]
    if not times:
        return None
    return min(times) if outcome is Outcome.FAIL else max(times)


def _summary(outcome: Outcome, decisive: list[Evidence], metrics: int) -> str:
    first = decisive[0]
    if outcome is Outcome.PASS:
        return first.message if metrics == 1 else f"all {metrics} metrics are safe; {first.name}: {first.message}"
    more = f" (and {len(decisive) - 1} more)" if len(decisive) > 1 else ""
    return f"{first.name}: {first.message}{more}"


def _evidence(state: State, name: str) -> Evidence:
    rules, track = state.rules[name], state.tracks[name]
    canary, baseline = arms_of(track, rules)
    ratio = ratio_of(canary, baseline, track, rules, state.policy.alpha)
    lack = None if track.harm_at is not None else lack_of(track, rules)
    outcome, decided_at = _outcome(track, lack)
    edge = shown_edge(track)
    return Evidence(
        name=name,
        kind=rules.policy.kind,
        outcome=outcome,
        decided_at_s=decided_at,
        message=_message(outcome, lack, (canary, baseline), ratio, track, rules),
        cause=None if lack is None else lack.text,
        next=_next(outcome, lack, track, rules),
        canary=canary,
        baseline=baseline,
        history=_history(track, rules),
        intervals=track.intervals,
        faults=tuple(fault.text for fault in track.faults),
        ratio=ratio.value,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        log_harm=track.harm,
        harm_needed=rules.goal,
        harm_at_s=track.harm_at,
        log_safety=track.safety,
        safety_needed=rules.safe_at,
        safety_at_s=track.safety_at,
        trail=tuple(Point(t=t, log_harm=harm, log_safety=safety) for t, harm, safety in track.trail),
        detail={"fault_count": float(track.fault_count)} | ({} if edge is None else {"edge": float(edge)}),
    )


def _outcome(track: Track, lack: Fault | None) -> tuple[Outcome, float | None]:
    if track.harm_at is not None:
        return Outcome.FAIL, track.harm_at
    if lack is not None:
        return (Outcome.ERROR if lack.broken else Outcome.INCONCLUSIVE), None
    if track.pass_at is not None:
        return Outcome.PASS, track.pass_at
    return Outcome.INCONCLUSIVE, None


def _history(track: Track, rules: Rules) -> float:
    kind, sums = rules.policy.kind, track.history
    if not sums:
        return 0.0
    if kind is Kind.GAUGE:
        return float(track.learned)
    return sums[1] if kind is Kind.RATIO else sum(sums)


def _message(
    outcome: Outcome, lack: Fault | None, arms: tuple[Arm, Arm], ratio: Ratio, track: Track, rules: Rules
) -> str:
    if lack is not None:
        return lack.text
    seen = f"canary {_shown(arms[0], rules)}, baseline {_shown(arms[1], rules)}"
    times = "" if ratio.value is None else f", {ratio.value:.3g} times"
    if outcome is Outcome.FAIL:
        return f"worse than tolerated ({_line(rules, margin=False)}): {seen}{times}; E = {_e(track.harm)} >= {_e(rules.goal)}"
    if outcome is Outcome.PASS:
        proof = f"E = {_e(track.safety)} >= {_e(rules.safe_at)}"
        return f"not as bad as {_line(rules, margin=True)}: {seen}{times}; {proof}"
    return f"not decided: {seen}{times}; harm E = {_e(track.harm)} < {_e(rules.goal)}, safety E = {_e(track.safety)} < {_e(rules.safe_at)}"


def _shown(arm: Arm, rules: Rules) -> str:
    if rules.policy.kind is Kind.GAUGE:
        return "none" if arm.estimate is None else f"mean {arm.estimate:.4g} of {arm.total:g}"
    if arm.bad is None:
        return f"{arm.total:g}"
    return f"{arm.bad:g}/{arm.total:g}" + ("" if arm.estimate is None else f" = {100 * arm.estimate:.3g} %")


def _line(rules: Rules, *, margin: bool) -> str:
    line = rules.margin if margin else rules.tolerated
    text = "the baseline" if line.factor == 1.0 else f"{line.factor:.3g} times the baseline"
    sign = "-" if rules.policy.worse == "lower" else "+"
    return f"{text} {sign} {line.increase:.3g}" if line.increase else text


def _e(log_e: float) -> str:
    return f"{math.exp(log_e):.3g}" if log_e < 50.0 else f"1e{log_e / math.log(10.0):.0f}"


def _next(outcome: Outcome, lack: Fault | None, track: Track, rules: Rules) -> str:
    if outcome is Outcome.FAIL:
        return "nothing: harm that is proven stays proven; a new version needs a new analysis"
    if lack is not None:
        if track.fault_count > rules.max_faults:
            return "a new analysis on input without faults (or max_faults, if they are known to be harmless)"
        return "data: " + ("look at the queries" if lack.broken or not track.intervals else "wait for more")
    if outcome is Outcome.PASS:
        return "proof of harm, which would still make it FAIL"
    pairing = track.test.pairing if isinstance(track.test, GaugeTest) else None
    more = "more runs of the canary" if pairing is Pairing.HISTORY else "more traffic to the canary, or more time"
    return f"{more}: FAIL at harm E {_e(rules.goal)}, PASS at safety E {_e(rules.safe_at)}"
