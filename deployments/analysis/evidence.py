"""Evidence as JSON: what was seen, by which policy, and the verdict on it; enough to come to it again bit for bit.

Numbers are written so that reading gives the same number again; NaN and the infinities, which JSON has not, are the
texts "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deployments.analysis.judge import Evidence, Interval, JudgePolicy, JudgeVerdict
from deployments.analysis.recording import Recording, judge
from headgate.errors import ConfigError

FORMAT = "headgate-evidence/1"


def verdict_document(found: JudgeVerdict) -> dict[str, Any]:
    """The verdict as `headgate analysis run` prints it."""
    return {
        "verdict": found.outcome.value,
        "decided_at_s": found.decided_at_s,
        "message": found.message,
        "cause": found.cause,
        "metrics": {evidence.name: _evidence(evidence) for evidence in found.metrics},
    }


def evidence_document(recording: Recording, found: JudgeVerdict) -> dict[str, Any]:
    """Everything: the policy, the intervals and the verdict."""
    return {
        "format": FORMAT,
        "policy": _plain(recording.policy),
        "intervals": [_plain(interval) for interval in recording.intervals],
        "spoilt": list(recording.spoilt),
        "assumed": list(recording.assumed),
        "result": verdict_document(found),
    }


def parse_evidence(document: object, *, where: str) -> tuple[Recording, object]:
    """What was judged, and the verdict that was written down. Raises `ConfigError` for a file that is no evidence."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ConfigError(f"this is not evidence ({FORMAT})", where=where, next_step="Give an evidence.json.")
    try:
        recording = Recording(
            policy=_POLICY.validate_python(_numbers(document.get("policy"))),
            intervals=_INTERVALS.validate_python(_numbers(document.get("intervals"))),
            spoilt=_NAMES.validate_python(document.get("spoilt", ())),
            assumed=_NAMES.validate_python(document.get("assumed", ())),
        )
    except ValidationError as error:
        raise ConfigError(f"this evidence cannot be read: {error.errors()[0]['msg']}", where=where) from error
    return recording, document.get("result")


def replay(document: object, *, where: str) -> tuple[JudgeVerdict, bool]:
    """The verdict computed anew, and whether it is the one that was written down, bit for bit."""
    recording, result = parse_evidence(document, where=where)
    found = judge(recording)
    return found, verdict_document(found) == result


_POLICY = TypeAdapter(JudgePolicy)
_INTERVALS: TypeAdapter[tuple[Interval, ...]] = TypeAdapter(tuple[Interval, ...])
_NAMES: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[str, ...])
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    document: dict[str, Any] = _plain(evidence)
    document = {"verdict": document.pop("outcome")} | document
    document.pop("name")
    document["trail"] = [
        [_plain(point.t), _plain(point.log_harm), _plain(point.log_safety)] for point in evidence.trail
    ]
    return document


def _plain(value: Any) -> Any:
    """Dataclasses as mappings without what is not given, enums as their text, numbers as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value) if isinstance(value, str) else value


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item if key in _TEXTS else _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_numbers(item) for item in value)
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


_TEXTS = frozenset({"metric", "name", "fault", "share_from"})
