"""Whether two answers about one expectation say the same: success, counts, percentages, values, rows."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?$")
SHOWN = 20
NOT_COMPARED = frozenset({"unexpected_index_query"})
"""The query as text is the engine's own affair."""


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any], *, ordered: bool = True) -> list[str]:
    """What is not the same, in words; empty where nothing differs. Texts of exceptions are not compared.

    Without an order, rows are no positions: lists of values are compared as multisets, and only where they are whole.
    """
    if _not_judged(theirs) or _not_judged(ours):
        if _not_judged(theirs) and _not_judged(ours):
            return []
        return [f"judged by one only: GX {_said(theirs)}, ours {_said(ours)}"]
    found = [] if theirs["success"] == ours["success"] else [f"success: GX {theirs['success']}, ours {ours['success']}"]
    expected, seen = theirs["result"], ours["result"]
    for key in sorted((expected.keys() | seen.keys()) - NOT_COMPARED):
        if key == "partial_unexpected_counts" and (_cut(expected.get(key)) or _left_out(expected, seen)):
            continue
        left, right = _settled(key, expected), _settled(key, seen)
        if not ordered:
            if "index" in key:
                continue
            left, right = _unordered(key, left, expected), _unordered(key, right, expected)
        if not _same(left, right):
            found.append(f"{key}: GX {left!r}, ours {right!r}")
    return found


def _not_judged(answer: Mapping[str, Any]) -> bool:
    return "refused" in answer or bool(answer.get("raised"))


def _said(answer: Mapping[str, Any]) -> str:
    if _not_judged(answer):
        return f"raised {(answer.get('refused') or answer['raised'])[:200]!r}"
    return f"{answer['success']} {str(answer['result'])[:200]}"


def _settled(key: str, result: Mapping[str, Any]) -> Any:
    """The value of `key` without what is chance: the order of sets and of equally frequent values.

    pandas counts every missing value as a value of its own; together they are one.
    """
    value = _plain(result.get(key))
    if not isinstance(value, list):
        return value
    if key == "partial_unexpected_counts" and all(isinstance(item, dict) and "value" in item for item in value):
        counts: dict[str, int] = {}
        for item in value:
            text = repr(_comparable(item["value"]))
            counts[text] = counts.get(text, 0) + item["count"]
        return sorted(([text, count] for text, count in counts.items()), key=lambda pair: (-pair[1], pair[0]))
    if key == "partial_missing_list" or (key == "partial_unexpected_list" and "element_count" not in result):
        return sorted(value, key=lambda item: repr(_comparable(item)))
    return value


def _cut(counts: Any) -> bool:
    """Whether pandas, for which no two missing values are one, had more values to count than it shows."""
    return isinstance(counts, list) and len(counts) >= SHOWN and "None" in repr(_plain(counts))


def _left_out(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether Great Expectations could not sort its counts, because nulls are among them, and leaves them out."""
    key = "partial_unexpected_counts"
    return key not in theirs and "None" in repr(_plain(ours.get(key)))


def _comparable(value: Any) -> Any:
    """The same text for the same number, whether it is whole or a float."""
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    return float(value) + 0.0 if isinstance(value, int | float) and not isinstance(value, bool) else value


def _plain(value: Any) -> Any:
    """Numbers as numbers, moments as moments, whatever they are written as."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dt.date):
        return _moment(value)
    if value == "NaT":
        return None
    if isinstance(value, str) and _DATE.match(value):
        try:
            return _moment(dt.datetime.fromisoformat(value))
        except ValueError:
            return value
    return value


def _moment(value: dt.date) -> dt.datetime:
    moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _unordered(key: str, value: Any, whole: Mapping[str, Any]) -> Any:
    if key == "details" and isinstance(value, dict) and isinstance(rows := value.get("unexpected_rows"), list):
        return {**value, "unexpected_rows": sorted(rows, key=repr)}
    if not isinstance(value, list) or key == "observed_value":
        return value
    if key == "partial_unexpected_counts":
        whole_list = sum(count for _, count in value) == whole.get("unexpected_count")
        return value if whole_list else "a part of them"
    if key.startswith("partial") and len(value) < (whole.get("unexpected_count") or 0):
        return len(value)
    return sorted(value, key=lambda item: repr(_comparable(item)))


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        if isinstance(left, int) and isinstance(right, int):
            return left == right
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    return bool(left == right)
