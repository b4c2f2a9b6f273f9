"""The bets of one interval pay at most 1 on average under every null: summed exactly, over all outcomes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.analysis.judge.odds import FIXED, PRIOR
from deployments.analysis.judge.tables import against, binomial, conditional, nearest
from deployments.analysis.judge.wealth import Wealth, begin, grow, log_mean

ODDS = (*FIXED, 1.0)
RATES = st.floats(1e-6, 0.95)
GOAL = math.log(20.0)


def chances(events: int, rate: float) -> list[float]:
    return [math.comb(events, x) * rate**x * (1.0 - rate) ** (events - x) for x in range(events + 1)]


@settings(max_examples=150, deadline=None)
@given(
    m=st.integers(1, 9),
    n=st.integers(1, 12),
    tc=RATES,
    tb=RATES,
    factor=st.sampled_from([1.0, 1.2, 2.0, 4.0]),
    increase=st.sampled_from([0.0, 0.001, 0.05]),
    at=st.floats(0.01, 0.99),
)
def test_against_is_an_e_value_on_the_whole_line(
    m: int, n: int, tc: float, tb: float, factor: float, increase: float, at: float
) -> None:
    line = increase + factor * tb
    if line >= 0.99 or math.isclose(line, tc, rel_tol=1e-3):
        return
    p = nearest(m / (m + n), tc, tb, factor, increase)
    q = increase + factor * p
    assert 0.0 < p < 1.0
    assert 0.0 < q < 1.0
    for null in (p, at * min(1.0, (1.0 - increase) / factor)):
        canary = chances(m, min(increase + factor * null, 1.0))
        baseline = chances(n, null)
        mean = sum(
            x * y * math.exp(against(m, n, a, b, tc, tb, p, q))
            for a, x in enumerate(canary)
            for b, y in enumerate(baseline)
        )
        assert mean <= 1.0 + 1e-9


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 12),
    n=st.integers(1, 15),
    events=st.integers(1, 14),
    log_e=st.floats(-3.0, 2.99),
    odds=st.floats(0.05, 1.0),
)
def test_conditional_pays_at_most_one_even_when_it_is_boosted(
    m: int, n: int, events: int, log_e: float, odds: float
) -> None:
    """Given the bad events of both arms, at the null of equal rates (odds 1) and where the canary is better."""
    low, high = max(0, events - n), min(events, m)
    if low > high:
        return
    weights = [math.comb(m, a) * math.comb(n, events - a) * odds**a for a in range(low, high + 1)]
    wealth = Wealth(log_e, PRIOR)
    paid = [
        math.exp(conditional(wealth, PRIOR, ODDS, (m, n, a, events - a), GOAL).log_e - log_e)
        for a in range(low, high + 1)
    ]
    assert sum(map(float.__mul__, map(float, weights), paid)) / sum(weights) <= 1.0 + 1e-9


@settings(max_examples=60, deadline=None)
@given(events=st.integers(1, 30), share=st.floats(0.01, 0.9), log_e=st.floats(-3.0, 2.99))
def test_binomial_pays_at_most_one(events: int, share: float, log_e: float) -> None:
    wealth = Wealth(log_e, PRIOR)
    paid = [
        math.exp(binomial(wealth, PRIOR, ODDS, (a, events - a, share), GOAL).log_e - log_e) for a in range(events + 1)
    ]
    assert sum(map(float.__mul__, chances(events, share), paid)) <= 1.0 + 1e-9


def test_boost_pays_out_at_the_goal_and_nowhere_less_than_without() -> None:
    wealth = Wealth(GOAL - 1.0, PRIOR)
    for a in range(4):
        table = (15, 135, a, 3 - a)
        plain = conditional(wealth, PRIOR, ODDS, table, math.inf).log_e
        boosted = conditional(wealth, PRIOR, ODDS, table, GOAL).log_e
        assert boosted >= min(plain, GOAL)
        assert boosted <= GOAL
    assert conditional(wealth, PRIOR, ODDS, (15, 135, 3, 0), GOAL).log_e == GOAL


@pytest.mark.parametrize("table", [(1000, 4000, 60, 90), (400, 400, 230, 100), (5000, 50, 200, 1)])
def test_many_outcomes_in_logarithms_agree_with_the_sum_by_hand(table: tuple[int, int, int, int]) -> None:
    m, n, a, b = table
    events = a + b
    outcomes = range(max(0, events - n), min(events, m) + 1)
    logs = {x: math.log(math.comb(m, x)) + math.log(math.comb(n, events - x)) for x in outcomes}
    highest = max(logs.values())
    payoff = PRIOR[-1]
    for odd, part in zip(ODDS, PRIOR, strict=False):
        terms = [(value - highest) + x * math.log(odd) for x, value in logs.items()]
        top = max(terms)
        norm = top + math.log(math.fsum(math.exp(term - top) for term in terms))
        whole = math.log(math.fsum(math.exp(value - highest) for value in logs.values()))
        payoff += part * math.exp(a * math.log(odd) + whole - norm)
    found = conditional(begin(PRIOR), PRIOR, ODDS, table, GOAL).log_e
    assert found == pytest.approx(math.log(payoff), abs=1e-6)


def test_no_bad_events_move_no_money_in_the_conditional_bet() -> None:
    wealth = begin(PRIOR)
    assert conditional(wealth, PRIOR, ODDS, (10, 90, 0, 0), GOAL) == wealth


@given(st.lists(st.floats(-30.0, 30.0), min_size=6, max_size=6), st.floats(0.0, 1e6))
def test_money_is_spread_and_not_made(factors: list[float], events: float) -> None:
    grown = grow(begin(PRIOR), PRIOR, factors, events)
    assert math.fsum(grown.parts) == pytest.approx(1.0)
    assert min(grown.parts) >= 0.0
    wanted = PRIOR[-1] + math.fsum(part * math.exp(factor) for part, factor in zip(PRIOR, factors, strict=False))
    assert grown.log_e == pytest.approx(math.log(wanted), abs=1e-9)


def test_mean_of_nothing_is_no_evidence() -> None:
    assert log_mean([]) == 0.0
    assert log_mean([0.0, math.log(3.0)]) == pytest.approx(math.log(2.0))


@given(st.lists(st.lists(st.floats(-1e5, 1e5), min_size=6, max_size=6), max_size=6))
def test_enormous_gains_and_losses_can_be_told(intervals: list[list[float]]) -> None:
    wealth = begin(PRIOR)
    for factors in intervals:
        wealth = grow(wealth, PRIOR, factors, 0.0)
    assert math.isfinite(wealth.log_e)
