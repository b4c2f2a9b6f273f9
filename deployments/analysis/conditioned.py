"""A metric judged by conditions on what a query gives, with Argo Rollouts' words and one difference: it fails closed.

An empty result and NaN are never a success, whatever the condition says of them; `count` successes are needed, not
`count` measurements; a query that fails is an error, not a pass that is made up for later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployments.analysis.conditions.evaluate import holds
from deployments.analysis.conditions.syntax import ConditionError, parse_condition
from gates.verdict import Measurement, Outcome, Verdict
from headgate.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionPolicy:
    """How one metric is judged; see `AnalysisConfig` for the meaning of each field. At least one condition is given."""

    name: str
    success: str | None = None
    failure: str | None = None
    interval_s: float = 60.0
    initial_delay_s: float = 0.0
    count: int = 5
    failure_limit: int = 0
    inconclusive_limit: int = 3
    consecutive_error_limit: int = 4


def check_conditions(policy: ConditionPolicy) -> None:
    """Raises `ConfigError` for a condition that cannot be read, or when there is none."""
    where = f"analysis.{policy.name}"
    if not policy.success and not policy.failure:
        raise ConfigError(
            "there is no condition", where=where, next_step="Give success_condition or failure_condition."
        )
    for key, condition in (("success_condition", policy.success), ("failure_condition", policy.failure)):
        try:
            if condition:
                parse_condition(condition)
        except ConditionError as error:
            raise ConfigError(f"{key}: {error}", where=where, next_step="Correct the condition.") from error


def measure(result: object, policy: ConditionPolicy, *, role: str, number: int) -> Verdict:
    """One measurement as a leaf. Raises nothing: a condition without an answer is an ERROR."""
    name = f"{policy.name} {number}"
    measurement = Measurement(
        observed=_observed(result), threshold=policy.success or f"not ({policy.failure})", comparison="in", source=role
    )
    try:
        failed = bool(policy.failure) and holds(parse_condition(policy.failure or ""), result)
        passed = holds(parse_condition(policy.success), result) if policy.success else not failed
    except ConditionError as error:
        if _is_nothing(result):
            text = f"no data: the query gave {_show(result)} ({role})"
            return Verdict(name=name, outcome=Outcome.INCONCLUSIVE, message=text, measurement=measurement)
        return Verdict(name=name, outcome=Outcome.ERROR, message=f"{error} ({role})", measurement=measurement)
    shown = f"{policy.name}: result {_show(result)}"
    if failed:
        outcome, text = Outcome.FAIL, f"{shown} meets {policy.failure}"
    elif passed and _is_nothing(result):
        outcome, text = Outcome.INCONCLUSIVE, f"no data: the query gave {_show(result)}, and that is never a success"
    elif passed:
        outcome, text = Outcome.PASS, f"{shown} meets {policy.success or f'not ({policy.failure})'}"
    elif policy.failure:
        outcome, text = Outcome.INCONCLUSIVE, f"{shown} meets neither {policy.success} nor {policy.failure}"
    else:
        outcome, text = Outcome.FAIL, f"{shown} does not meet {policy.success}"
    return Verdict(name=name, outcome=outcome, message=f"{text} ({role})", measurement=measurement)


def _is_nothing(result: object) -> bool:
    """No value at all, or NaN among the values."""
    if result is None or result in ([], {}, ""):
        return True
    values = result if isinstance(result, list) else [result]
    return any(value is None or (isinstance(value, float) and math.isnan(value)) for value in values)


def _observed(result: object) -> float | str | None:
    value = result[0] if isinstance(result, list) and len(result) == 1 else result
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None if _is_nothing(result) else _show(result)


def _show(result: object) -> str:
    text = repr(result)
    return text if len(text) <= 80 else f"{text[:77]}..."
