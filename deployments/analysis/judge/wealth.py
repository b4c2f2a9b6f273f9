"""Wealth from betting against a null hypothesis: E-processes as mixtures of bets. Pure.

An E-value is what one unit of money has become after bets that, were the null true, would not pay on average. It is
1/alpha or more with a chance of at most alpha, however often one looks (Ville's inequality). Several bets are made
side by side; which part of the money each gets may depend on the past only. A part stays in cash, and a little is
shared out anew after every event, so that a canary that turns bad late is still seen soon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_FIRST = 100.0  # events after which sharing out slows down
_LEAST = 1e-250
_PACE = 0.25  # after n events about this part of 1/n is shared out: it costs a quarter of the logarithm of n in all


class Wealth(NamedTuple):
    """`log_e`: natural logarithm of the wealth. `parts`: how it is spread over the bets, cash last; they sum to 1.

    `events`: how many events were bet on so far.
    """

    log_e: float
    parts: tuple[float, ...]
    events: float = 0.0


def begin(prior: tuple[float, ...]) -> Wealth:
    """One unit of money spread as `prior` says; the last part is cash."""
    return Wealth(0.0, prior)


def grow(wealth: Wealth, prior: tuple[float, ...], factors: Sequence[float], events: float) -> Wealth:
    """The wealth after each bet has paid exp(`factors`) for its part; `events` (>= 0) paces the sharing out."""
    exp, shift = math.exp, 0.0
    if max(factors) > 600.0:
        shift = max(factors)
        factors = [factor - shift for factor in factors]
    grown = [part * exp(factor) for part, factor in zip(wealth.parts, factors, strict=False)]
    grown.append(wealth.parts[-1] * exp(-shift))
    return settle(wealth, wealth.log_e + shift + math.log(sum(grown)), grown, prior, events)


def settle(wealth: Wealth, log_e: float, grown: Sequence[float], prior: tuple[float, ...], events: float) -> Wealth:
    """Wealth of `log_e` spread in proportion to `grown`, for bets that were settled elsewhere.

    The part that is shared out anew after an event falls with the events before: it costs a slow, steady gain little.
    """
    before, total = wealth.events, sum(grown)
    if events:
        kept = ((before + _FIRST) / (before + events + _FIRST)) ** _PACE
        fresh, scale = 1.0 - kept, kept / total
        parts = [part * scale + fresh * first for part, first in zip(grown, prior, strict=True)]
    else:
        scale = 1.0 / total
        parts = [part * scale for part in grown]
    if min(parts) < _LEAST:  # or a great gain after a great loss, or the other way round, could not be told in numbers
        parts = [max(part, _LEAST) for part in parts]
    return Wealth(log_e, tuple(parts), before + events)


def log_mean(values: Sequence[float]) -> float:
    """The logarithm of the mean of exp(values): the average of E-values is an E-value. Of nothing: 0."""
    if not values:
        return 0.0
    highest = max(values)
    return highest + math.log(math.fsum(math.exp(value - highest) for value in values) / len(values))
