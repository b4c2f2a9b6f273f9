"""Evidence as JSON: what was seen, by which policy, and the verdict on it; enough to come to it again bit for bit.

Numbers are written so that reading gives the same number again; NaN and the infinities, which JSON has not, are the
texts "NaN", "Infinity" and "-Infinity". A seal (SHA-256 over all the rest) tells a file that was changed from a verdict
that another version came to; it is no signature.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deployments.analysis.conditioned import ConditionPolicy
from deployments.analysis.counts import Counts, NoData
from deployments.analysis.explain import verdict_text
from deployments.analysis.judge import VERSION, Evidence, Interval, JudgePolicy, JudgeVerdict
from deployments.analysis.recording import Limits, Look, Recording, judge
from deployments.analysis.seen import Judged, Measured, Result, Seen, Taken, course_lines, measured_verdict
from deployments.analysis.threshold import QueryError, ThresholdPolicy
from gates.verdict import Verdict
from headgate.errors import ConfigError
from headgate.secrets import mask

FORMAT = "headgate-evidence/1"
_FAMILY = "headgate-evidence/"
_RULES = {ThresholdPolicy: "limit", ConditionPolicy: "conditions"}


def verdict_document(found: JudgeVerdict) -> dict[str, Any]:
    """The verdict of tests as `headgate analysis run` prints it."""
    return {
        "verdict": found.outcome.value,
        "decided_at_s": found.decided_at_s,
        "message": found.message,
        "cause": found.cause,
        "metrics": {evidence.name: _evidence(evidence) for evidence in found.metrics},
    }


def result_document(seen: Seen) -> dict[str, Any]:
    """The verdict of any rule."""
    return verdict_document(seen.verdict) if isinstance(seen, Judged) else _measured_result(seen.verdict)


def seen_text(seen: Seen) -> str:
    """The verdict of any rule for people."""
    if isinstance(seen, Judged):
        return verdict_text(seen.verdict)
    lines = [f"{seen.outcome.value}  {seen.policy.name}: {seen.message}"]
    lines += [f"  {line}" for line in course_lines(seen.policy.name, seen)]
    lines += [f"  {leaf.name}: {leaf.outcome.value}  {leaf.message}" for leaf in seen.verdict.children]
    return "\n".join(lines)


def evidence_document(seen: Seen, release: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Everything: the policy, what was seen, the verdict, the judge's version, and whose release it was; sealed.

    Secrets are masked in all texts.
    """
    document: dict[str, Any] = {"format": FORMAT, "judge": VERSION}
    document |= _judged(seen.recording) if isinstance(seen, Judged) else _measured(seen)
    document |= {"result": result_document(seen)} | ({"release": dict(release)} if release else {})
    document = _masked(document)
    return document | {"sha256": _seal(document)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A verdict that was computed anew; `trouble`: why it is not the one that was written down, None if it is.

    `seen` None: it cannot be computed by this version.
    """

    seen: Seen | None
    trouble: str | None
    name: str = "evidence"
    release: Mapping[str, object] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The verdict as it is printed."""
        if self.seen is None:
            unknown = {"verdict": "ERROR", "decided_at_s": None, "message": self.trouble, "cause": self.trouble}
            return unknown | {"metrics": {}}
        return result_document(self.seen)

    @property
    def text(self) -> str:
        """The verdict for people."""
        return seen_text(self.seen) if self.seen else f"ERROR  {self.trouble}"


def replay(document: object, *, where: str) -> Replayed:
    """The verdict computed anew, and whether it is the one that was written down, bit for bit.

    Raises `ConfigError` for a file that is no evidence.
    """
    if not isinstance(document, dict) or not str(document.get("format")).startswith(_FAMILY):
        raise ConfigError(f"this is not evidence ({FORMAT})", where=where, next_step="Give an evidence.json.")
    judge_version = document.get("judge")
    newer = document["format"] != FORMAT or (isinstance(judge_version, int) and judge_version > VERSION)
    if newer:
        made_by = f"{document['format']}, judge {judge_version}; this one reads {FORMAT}, judge {VERSION}"
        trouble = f"it was made by another version of Headgate ({made_by}): replay it with that version"
        return Replayed(seen=None, trouble=trouble)
    seen = _parse(document, where)
    release = document.get("release")
    name = seen.policy.name if isinstance(seen, Measured) else "evidence"
    found = Replayed(seen=seen, trouble=None, name=name, release=release if isinstance(release, dict) else None)
    if document.get("sha256") != _seal(document):
        return replace(found, trouble="the file was changed after it was written: its seal does not fit")
    if result_document(seen) != document.get("result"):
        version = f"it was made by judge {judge_version}, this is judge {VERSION}"
        return replace(found, trouble=f"another version of Headgate came to it ({version})")
    return found


_POLICY = TypeAdapter(JudgePolicy)
_INTERVALS: TypeAdapter[tuple[Interval, ...]] = TypeAdapter(tuple[Interval, ...])
_SPOILT: TypeAdapter[tuple[tuple[str, str], ...]] = TypeAdapter(tuple[tuple[str, str], ...])
_NAMES: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[str, ...])
_LOOKS: TypeAdapter[tuple[Look, ...]] = TypeAdapter(tuple[Look, ...])
_LIMITS: TypeAdapter[Limits | None] = TypeAdapter(Limits | None)
_MEASURED: dict[str, TypeAdapter[ThresholdPolicy | ConditionPolicy]] = {
    "limit": TypeAdapter(ThresholdPolicy),
    "conditions": TypeAdapter(ConditionPolicy),
}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _parse(document: Mapping[str, Any], where: str) -> Seen:
    try:
        if document.get("rule") == "test":
            recording = Recording(
                policy=_POLICY.validate_python(_numbers(document.get("policy"))),
                intervals=_INTERVALS.validate_python(_numbers(document.get("intervals"))),
                spoilt=_SPOILT.validate_python(document.get("spoilt", ())),
                assumed=_NAMES.validate_python(document.get("assumed", ())),
                looks=_LOOKS.validate_python(document.get("looks", ())),
                limits=_LIMITS.validate_python(document.get("limits")),
            )
            return Judged(recording=recording, verdict=judge(recording))
        if document.get("rule") not in _MEASURED:
            raise ValueError(f"its rule is {document.get('rule')!r}, not one of test, {', '.join(_MEASURED)}")
        policy = _MEASURED[str(document["rule"])].validate_python(document.get("policy"))
        role = str(document.get("role"))
        taken = tuple(_taken(item) for item in document["measurements"])
        return Measured(policy=policy, role=role, taken=taken, verdict=measured_verdict(policy, role, taken))
    except ValidationError as error:
        raise ConfigError(f"this evidence cannot be read: {error.errors()[0]['msg']}", where=where) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"this evidence cannot be read: {_words(error)}", where=where, next_step="Give another file."
        ) from error


def _words(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _judged(recording: Recording) -> dict[str, Any]:
    return {
        "rule": "test",
        "policy": _plain(recording.policy),
        "intervals": [_plain(interval) for interval in recording.intervals],
        "spoilt": [list(one) for one in recording.spoilt],
        "assumed": list(recording.assumed),
        "looks": [_plain(look) for look in recording.looks],
        "limits": _plain(recording.limits),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    document: dict[str, Any] = _plain(evidence)
    document = {"verdict": document.pop("outcome")} | document
    document.pop("name")
    document["trail"] = [
        [_plain(point.t), _plain(point.log_harm), _plain(point.log_safety)] for point in evidence.trail
    ]
    return document


def _measured(seen: Measured) -> dict[str, Any]:
    taken = [{"step": one.step, "t": one.t, "window_s": one.window_s} | _what(one) for one in seen.taken]
    return {"rule": _RULES[type(seen.policy)], "policy": _plain(seen.policy), "role": seen.role, "measurements": taken}


def _what(taken: Taken) -> dict[str, object]:
    match taken.what:
        case Counts(bad=bad, total=total):
            return {"bad": bad, "total": total}
        case NoData(why=why):
            return {"no_data": why}
        case QueryError(why=why):
            return {"error": why}
        case Result(value=value):
            # As JSON text: a result may be NaN, or the text "NaN", and must be read as the one it was.
            return {"result": json.dumps(value)}


def _taken(item: Mapping[str, Any]) -> Taken:
    what: Counts | NoData | QueryError | Result
    if "result" in item:
        what = Result(value=json.loads(item["result"]))
    elif "error" in item:
        what = QueryError(why=str(item["error"]))
    elif "no_data" in item:
        what = NoData(why=str(item["no_data"]))
    else:
        what = Counts(bad=int(item["bad"]), total=int(item["total"]))
    return Taken(step=str(item["step"]), t=float(item["t"]), window_s=item["window_s"], what=what)


def _measured_result(found: Verdict) -> dict[str, Any]:
    return {
        "verdict": found.outcome.value,
        "message": found.message,
        "measurements": [
            {"name": leaf.name, "verdict": leaf.outcome.value, "message": leaf.message} for leaf in found.children
        ],
    }


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return mask(value) if isinstance(value, str) else value


def _seal(document: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Dataclasses as mappings, enums as their text, numbers as they are."""
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
