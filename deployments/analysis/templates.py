"""AnalysisTemplate and ClusterAnalysisTemplate manifests of Argo Rollouts, as entries of `analysis` in headgate.yaml.

Schema: manifests/crds/analysis-template-crd.yaml of Argo Rollouts 1.8. Providers: `prometheus` and `web`. What cannot
be taken over is refused by name; what will behave differently is said in a remark. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from deployments.analysis.conditions.syntax import ConditionError, parse_condition
from headgate.errors import ConfigError

KINDS = frozenset({"AnalysisTemplate", "ClusterAnalysisTemplate"})
_ARGUMENT = re.compile(r"\{\{\s*args\.([\w.-]+)\s*\}\}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_WEB_KEYS = frozenset({"url", "method", "jsonPath", "timeoutSeconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A metric as an entry of `analysis`: its name, its keys, and what is different here."""

    name: str
    keys: Mapping[str, object]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A metric that cannot be taken over, and why."""

    name: str
    why: str


class _RefusedError(Exception):
    pass


@dataclass(slots=True, kw_only=True)
class _Metric:
    """A metric on its way; `arguments` are filled into its texts, `elsewhere` says where others would come from."""

    spec: Mapping[str, object]
    arguments: Mapping[str, str]
    elsewhere: Mapping[str, str]
    remarks: list[str] = field(default_factory=list)

    def text(self, value: object, what: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise _RefusedError(f"{what} is missing")
        missing = sorted({name for name in _ARGUMENT.findall(value) if name not in self.arguments})
        if missing:
            named = ", ".join(f"{name}{self.elsewhere.get(name, '')}" for name in missing)
            raise _RefusedError(f"{what} needs {named}: give --arg {missing[0]}=VALUE")
        return _ARGUMENT.sub(lambda found: self.arguments[found[1]], value).strip()

    def whole(self, key: str, default: int) -> int:
        value = self.spec.get(key, default)
        text = self.text(value, key) if isinstance(value, str) else str(value)
        if not re.fullmatch(r"-?\d{1,9}", text) or isinstance(value, bool):
            raise _RefusedError(f"{key} is {value!r}, not a whole number")
        return int(text)

    def seconds(self, key: str) -> float | None:
        value = self.spec.get(key)
        return None if value is None else parse_duration(self.text(value, key))


def import_templates(documents: Iterable[object], arguments: Mapping[str, str]) -> tuple[Imported | Refused, ...]:
    """Every metric of the templates among `documents`. `arguments` win over the templates' own values.

    Raises `ConfigError` when there is no template among them, or two metrics share a name.
    """
    templates = [doc for doc in documents if isinstance(doc, dict) and doc.get("kind") in KINDS]
    if not templates:
        raise ConfigError(
            "there is no AnalysisTemplate",
            next_step="Give a manifest of kind AnalysisTemplate or ClusterAnalysisTemplate.",
        )
    found = tuple(metric for template in templates for metric in _template(template, arguments))
    names = [metric.name for metric in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"metrics share a name: {', '.join(twice)}", next_step="Import the templates one by one.")
    return found


def parse_duration(text: str) -> float:
    """Seconds of a duration as Go writes it: `1h30m`, `500ms`. Raises `_RefusedError` for another form."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise _RefusedError(f"{text!r} is not a duration such as 30s or 5m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _template(template: Mapping[str, object], given: Mapping[str, str]) -> Iterator[Imported | Refused]:
    spec = _mapping(template.get("spec"))
    name = str(_mapping(template.get("metadata")).get("name") or "template")
    arguments, elsewhere = _arguments(spec, given)
    dry = [str(entry.get("metricName")) for entry in _mappings(spec.get("dryRun"))]
    metrics = _mappings(spec.get("metrics"))
    for other in _mappings(spec.get("templates")):
        yield Refused(name=name, why=f"it includes the template {other.get('templateName')}: import that one as well")
    if not metrics and not spec.get("templates"):
        yield Refused(name=name, why="it has no metrics")
    for number, metric in enumerate(metrics, start=1):
        called = str(metric.get("name") or f"{name}-{number}")
        if any(_matches(pattern, called) for pattern in dry):
            yield Refused(name=_slug(called), why="it is a dry run, which decides nothing")
            continue
        try:
            yield _metric(_slug(called), _Metric(spec=metric, arguments=arguments, elsewhere=elsewhere))
        except _RefusedError as error:
            yield Refused(name=_slug(called), why=str(error))


def _arguments(spec: Mapping[str, object], given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Values by name, and for the names without one where Argo Rollouts would have it from."""
    values: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for arg in _mappings(spec.get("args")):
        name, source = str(arg.get("name")), _mapping(arg.get("valueFrom"))
        if arg.get("value") is not None:
            values[name] = str(arg["value"])
        elif source.get("podTemplateHashValue") == "Latest":
            values[name] = "{{hash}}"
        elif source:
            elsewhere[name] = f" (from its {', '.join(sorted(source))}, which is not read)"
    return values | dict(given), {name: text for name, text in elsewhere.items() if name not in given}


def _matches(pattern: str, name: str) -> bool:
    """Whether a rule of dryRun means this metric: a regular expression that is found anywhere in the name."""
    try:
        return pattern == "*" or re.search(pattern, name) is not None
    except re.error:
        return pattern == name


def _metric(name: str, metric: _Metric) -> Imported:
    spec = metric.spec
    keys = _provider(_mapping(spec.get("provider")), metric)
    keys |= _conditions(metric)
    interval_s = metric.seconds("interval")
    count = metric.whole("count", 0)
    if interval_s is not None:
        keys["interval_s"] = interval_s
    if not count and interval_s is not None:
        count = 5
        metric.remarks.append("it has no count and would run until the step ends: 5 successes are asked for instead")
    keys["count"] = count or 1
    delay_s = metric.seconds("initialDelay")
    if delay_s:
        keys["initial_delay_s"] = delay_s
    for key, theirs, default in (
        ("failure_limit", "failureLimit", 0),
        ("inconclusive_limit", "inconclusiveLimit", 0),
        ("consecutive_error_limit", "consecutiveErrorLimit", 4),
    ):
        keys[key] = metric.whole(theirs, default)
        if keys[key] == -1:
            raise _RefusedError(f"{theirs} -1 switches the limit off: then it could never fail")
    if metric.whole("consecutiveSuccessLimit", 0):
        metric.remarks.append("consecutiveSuccessLimit is left out: count successes are asked for")
    if keys["failure_limit"]:
        metric.remarks.append(
            f"count means {keys['count']} successes besides up to {keys['failure_limit']} failures over all steps; in Argo"
            " Rollouts failures count towards it, and an inline analysis counts them anew at each step"
        )
    return Imported(name=name, keys=keys, remarks=tuple(metric.remarks))


def _provider(provider: Mapping[str, object], metric: _Metric) -> dict[str, object]:
    kinds = sorted(provider)
    if kinds == ["prometheus"]:
        return _prometheus(_mapping(provider["prometheus"]), metric)
    if kinds == ["web"]:
        return _web(_mapping(provider["web"]), metric)
    raise _RefusedError(f"its provider is {', '.join(kinds) or 'missing'}: prometheus and web can be imported")


def _prometheus(spec: Mapping[str, object], metric: _Metric) -> dict[str, object]:
    for key in ("authentication", "headers", "rangeQuery"):
        if spec.get(key):
            raise _RefusedError(f"prometheus.{key} cannot be taken over")
    if spec.get("insecure"):
        metric.remarks.append("insecure is left out: certificates are checked")
    if spec.get("timeout"):
        metric.remarks.append("timeout is left out: queries have 5 s")
    url = metric.text(spec.get("address"), "prometheus.address (the controller's own default is not known here)")
    return {"source": "prometheus", "url": url, "query": metric.text(spec.get("query"), "prometheus.query")}


def _web(spec: Mapping[str, object], metric: _Metric) -> dict[str, object]:
    odd = sorted(key for key in spec if key not in _WEB_KEYS and spec[key])
    if odd:
        raise _RefusedError(f"web.{odd[0]} cannot be taken over")
    if str(spec.get("method") or "GET").upper() != "GET":
        raise _RefusedError(f"web.method is {spec['method']}: only GET changes nothing")
    if spec.get("timeoutSeconds"):
        metric.remarks.append("timeoutSeconds is left out: requests have 5 s")
    path = spec.get("jsonPath") or "{$}"
    return {
        "source": "json",
        "url": metric.text(spec.get("url"), "web.url"),
        "query": metric.text(path, "web.jsonPath").strip("{}").strip(),
    }


def _conditions(metric: _Metric) -> dict[str, object]:
    keys: dict[str, object] = {}
    for key, theirs in (("success_condition", "successCondition"), ("failure_condition", "failureCondition")):
        if not metric.spec.get(theirs):
            continue
        condition = metric.text(metric.spec[theirs], theirs)
        try:
            parse_condition(condition)
        except ConditionError as error:
            raise _RefusedError(f"{theirs} {condition!r}: {error}") from error
        keys[key] = condition
    if not keys:
        raise _RefusedError("it has neither successCondition nor failureCondition and would pass whatever it measures")
    return keys


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:63] or "metric"
