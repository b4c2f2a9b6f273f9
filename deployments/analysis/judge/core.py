"""`start` and `update`: the state of all metrics, fed interval by interval. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import add
from typing import NamedTuple

from deployments.analysis.judge.clean import Fault, Numbers, read_side, sort_out
from deployments.analysis.judge.kinds import FUNCTIONS, Moment, Test
from deployments.analysis.judge.model import Interval, JudgePolicy, Kind, Observation, Pairing, Side
from deployments.analysis.judge.policy import Rules, rules_of

_TRAIL = 400  # points of evidence that are kept; when there are more, every second one goes
_FAULTS_KEPT = 5
_SPACINGS = 5  # steps of time that are looked at before a longer one counts as a gap
_LONGER = 1.5
_ALIKE = 5  # intervals of equal numbers in both arms that can't be chance any more


class Track(NamedTuple):
    """One metric's memory.

    `history`, `canary` and `baseline`: sums of the numbers before and since the canary began. `same`: both arms have
    shown equal numbers in every interval. `quiet_t`, `longest`, `spacings`: the last moment, the longest step of time
    between moments, and how many there were. `harm_at`, `safety_at`, `pass_at`: when the evidence first sufficed.
    """

    test: Test
    begun: bool = False
    history: Numbers = ()
    learned: int = 0
    canary: Numbers = ()
    baseline: Numbers = ()
    intervals: int = 0
    compared: int = 0
    same: bool = True
    faults: tuple[Fault, ...] = ()
    fault_count: int = 0
    last_t: float | None = None
    longest: float = 0.0
    spacings: int = 0
    harm: float = 0.0
    harm_at: float | None = None
    safety: float = 0.0
    safety_at: float | None = None
    pass_at: float | None = None
    trail: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the judge remembers. Made by `start`, changed by `update`; the inside is the judge's own."""

    policy: JudgePolicy
    rules: Mapping[str, Rules]
    tracks: Mapping[str, Track]
    t: float | None = None
    faults: tuple[Fault, ...] = ()


def start(policy: JudgePolicy) -> State:
    """The state before any interval. Raises `ConfigError` for a policy that makes no sense."""
    rules = rules_of(policy)
    tracks = {name: Track(FUNCTIONS[rule.policy.kind].begin(rule)) for name, rule in rules.items()}
    return State(policy=policy, rules=rules, tracks=tracks)


def update(state: State, interval: Interval) -> State:
    """The state after one more interval. Never raises for bad data: that becomes a fault of the interval."""
    t = interval.t
    if not math.isfinite(t) or (state.t is not None and t <= state.t):
        text = f"the interval at t={t:g} comes after t={state.t if state.t is None else format(state.t, 'g')}"
        fault = Fault(f"{text}: intervals must come once each, in order (duplicate or out of order)", True)
        return State(
            policy=state.policy,
            rules=state.rules,
            tracks=state.tracks,
            t=state.t,
            faults=(*state.faults, fault)[:_FAULTS_KEPT],
        )
    given = sort_out(interval.observations)
    tracks = dict(state.tracks)
    for name, rules in state.rules.items():
        sides = given.get(name)
        if sides:
            share = interval.share
            if share is None and rules.policy.share_from is not None:
                share = _share_of(rules.policy.share_from, state.rules, given)
            tracks[name] = _follow(tracks[name], rules, sides, Moment(t, share), interval.length_s)
    return State(policy=state.policy, rules=state.rules, tracks=tracks, t=t, faults=state.faults)


def _follow(
    track: Track,
    rules: Rules,
    sides: Mapping[Side, Observation | None],
    moment: Moment,
    length_s: float | None,
) -> Track:
    kind = rules.policy.kind
    canary = read_side(kind, sides, Side.CANARY)
    baseline = read_side(kind, sides, Side.BASELINE)
    if not track.begun and canary is None:
        return _learn(track, rules, baseline, moment)
    track = _in_time(track, kind, moment.t, length_s)
    fault = canary if isinstance(canary, Fault) else baseline if isinstance(baseline, Fault) else None
    if fault is None and canary is None:
        fault = None if _against_history(track, rules) else Fault("the canary is missing", False)
        if fault is None:
            return track
    if fault is not None or isinstance(canary, Fault) or isinstance(baseline, Fault) or canary is None:
        return _faulty(track, fault, moment.t)
    test = FUNCTIONS[kind].step(track.test, rules, moment, canary, baseline)
    if isinstance(test, Fault):
        return _faulty(track, test, moment.t)
    return _weighed(track, rules, test, canary, baseline, moment.t)


def _weighed(track: Track, rules: Rules, test: Test, canary: Numbers, baseline: Numbers | None, t: float) -> Track:
    harm, safety = FUNCTIONS[rules.policy.kind].evidence(test)
    trail = (*track.trail, (t, harm, safety))
    harm_at, safety_at = track.harm_at, track.safety_at
    seen = _plus(track.canary, canary)
    beside = track.baseline if baseline is None else _plus(track.baseline, baseline)
    some = (
        baseline is None
        or rules.policy.kind is Kind.COUNT
        or (amount_of(canary, rules) > 0 and amount_of(baseline, rules) > 0)
    )
    track = Track(
        test,
        True,
        track.history,
        track.learned,
        seen,
        beside,
        track.intervals + some,
        track.compared + (baseline is not None),
        track.same and canary == baseline,
        track.faults,
        track.fault_count,
        t,
        track.longest,
        track.spacings,
        max(track.harm, harm),
        t if harm_at is None and harm >= rules.goal else harm_at,
        max(track.safety, safety),
        t if safety_at is None and safety >= rules.safe_at else safety_at,
        track.pass_at,
        trail if len(trail) <= _TRAIL else (*trail[:-1:2], trail[-1]),
    )
    if track.pass_at is None and track.safety_at is not None and lack_of(track, rules) is None:
        return track._replace(pass_at=t)
    return track


def lack_of(track: Track, rules: Rules) -> Fault | None:
    """What forbids a PASS whatever the evidence, None if nothing does. The words name the cause."""
    if not track.begun:
        return Fault("nothing was observed of the canary", False)
    if track.fault_count > rules.max_faults:
        more = f" ({track.fault_count} intervals like this)" if track.fault_count > 1 else ""
        return Fault(track.faults[0].text + more, track.faults[0].broken)
    if not track.intervals:
        return Fault("no traffic: one of the arms, or both, counted nothing at all", False)
    if track.same and track.compared and not rules.arms_distinct:
        times = f"all {track.compared} intervals" if track.compared > 1 else "the only interval"
        text = f"both arms show the same numbers in {times}: the queries may select the same series for both"
        return Fault(text, track.compared >= _ALIKE)
    if track.intervals < rules.min_intervals:
        return Fault(f"too few intervals: {track.intervals} < {rules.min_intervals}", False)
    arms = [(Side.CANARY, track.canary)] + ([(Side.BASELINE, track.baseline)] if track.compared else [])
    for side, sums in arms:
        amount = track.intervals if rules.policy.kind is Kind.GAUGE else amount_of(sums, rules)
        if amount < rules.min_total:
            return Fault(f"too few events of the {side}: {amount:g} < {rules.min_total}", False)
    return None


def _learn(track: Track, rules: Rules, baseline: Numbers | Fault | None, moment: Moment) -> Track:
    if isinstance(baseline, Fault):
        return _faulty(track, baseline, moment.t)
    if baseline is None:
        return track
    test = FUNCTIONS[rules.policy.kind].learn(track.test, baseline)
    if isinstance(test, Fault):
        return _faulty(track, test, moment.t)
    return track._replace(test=test, history=_plus(track.history, baseline), learned=track.learned + 1)


def _in_time(track: Track, kind: Kind, t: float, length_s: float | None) -> Track:
    """The track at `t`; a step of time much longer than usual is a fault (not for gauges, which come when they come)."""
    if track.last_t is None:
        return track._replace(begun=True, last_t=t)
    step = t - track.last_t
    usual = track.longest if length_s is None else length_s
    known = kind is not Kind.GAUGE and (track.spacings >= _SPACINGS or length_s is not None)
    if known and step > _LONGER * usual:
        track = track._replace(last_t=t)
        return _faulty(track, Fault(f"nothing was observed for {step:g} s", False), t)
    return track._replace(last_t=t, longest=max(track.longest, step), spacings=track.spacings + 1)


def _against_history(track: Track, rules: Rules) -> bool:
    return rules.policy.kind is Kind.GAUGE and getattr(track.test, "pairing", None) is Pairing.HISTORY


def _faulty(track: Track, fault: Fault | None, t: float) -> Track:
    if fault is None:
        return track
    told = Fault(f"at t={t:g}: {fault.text}", fault.broken)
    return track._replace(faults=(*track.faults, told)[:_FAULTS_KEPT], fault_count=track.fault_count + 1)


def _share_of(
    name: str, rules: Mapping[str, Rules], given: Mapping[str, Mapping[Side, Observation | None]]
) -> float | None:
    sides, rule = given.get(name, {}), rules[name]
    numbers = [read_side(rule.policy.kind, sides, side) for side in (Side.CANARY, Side.BASELINE)]
    amounts = [amount_of(one, rule) for one in numbers if isinstance(one, tuple)]
    return amounts[0] / sum(amounts) if len(amounts) == 2 and sum(amounts) > 0 else None


def amount_of(numbers: Numbers, rules: Rules) -> float:
    """How many events stand behind the numbers of one arm; a gauge's value is one."""
    kind = rules.policy.kind
    if kind is Kind.RATIO:
        return numbers[1] if numbers else 0.0
    if kind is Kind.HISTOGRAM:
        return sum(numbers)
    return numbers[0] if kind is Kind.COUNT and numbers else 1.0


def _plus(first: Numbers, second: Numbers) -> Numbers:
    return tuple(map(add, first, second)) if first else second
