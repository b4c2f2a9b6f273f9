"""`.gitlab-ci.yml`, read into jobs. Pure.

The subset: stages, workflow:rules, variables, default, hidden jobs with extends, !reference, and of a job: stage,
script, before_script, after_script, variables, rules (if, changes, exists, when, allow_failure, variables), when,
allow_failure, needs, dependencies, artifacts, environment, retry, timeout. Keys that only say where or how fast a job
runs are accepted and ignored; every other key is an error, as a job that means something else than it says is worse
than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from cicd.sandbox.gitlab.ci_values import DEFAULT_TIMEOUT_S, CiFile, CiFileError, JobSpec, Rule

_GLOBAL = frozenset(
    {"stages", "variables", "default", "workflow", "image", "services", "cache", "before_script", "after_script"}
)
_IGNORED = frozenset(
    {
        "image",
        "services",
        "cache",
        "tags",
        "interruptible",
        "resource_group",
        "coverage",
        "dependencies",
        "id_tokens",
        "release",
    }
)
_KNOWN = frozenset(
    {
        "stage", "script", "before_script", "after_script", "variables", "rules", "when", "allow_failure", "needs",
        "artifacts", "environment", "retry", "timeout", "extends",
    }
)  # fmt: skip
_WHEN = ("on_success", "on_failure", "always", "manual", "never")
_STAGES = (".pre", "build", "test", "deploy", ".post")
_UNITS_S = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600}


def parse_ci_file(text: str) -> CiFile:
    """Raises `CiFileError` with one sentence for the first thing that is wrong."""
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with one more tag
    except yaml.YAMLError as error:
        raise CiFileError(f"Invalid configuration format: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict) or not data:
        raise CiFileError("Invalid configuration format: the file holds no jobs")
    if "include" in data:
        raise CiFileError("include is not supported by this runner; write the jobs into the file itself")
    data = _resolve(data, data)
    defaults = _defaults(data)
    stages = _stages(data)
    jobs = [
        _job(str(name), _extended(data, str(name)), defaults, stages)
        for name in data
        if name not in _GLOBAL and not str(name).startswith(".")
    ]
    if not jobs:
        raise CiFileError("jobs config should contain at least one visible job")
    _check_needs(jobs)
    workflow = _mapping(data.get("workflow") or {}, "workflow").get("rules")
    return CiFile(
        stages=stages,
        jobs=tuple(jobs),
        variables=_variables(data.get("variables"), "variables"),
        workflow=None if workflow is None else tuple(_rules(workflow, "workflow")),
    )


class _Reference(list[Any]):
    """`!reference [job, key]`."""


class _Loader(yaml.SafeLoader):
    pass


def _reference(loader: yaml.SafeLoader, node: yaml.Node) -> _Reference:
    if not isinstance(node, yaml.SequenceNode):
        raise CiFileError("!reference takes a list")
    return _Reference(loader.construct_sequence(node))


_Loader.add_constructor("!reference", _reference)


def _resolve(value: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    if depth > 20:
        raise CiFileError("!reference is nested too deeply")
    if isinstance(value, _Reference):
        target: Any = root
        for key in value:
            if not isinstance(target, Mapping) or key not in target:
                raise CiFileError(f"!reference {list(value)} could not be found")
            target = target[key]
        return _resolve(target, root, depth + 1)
    if isinstance(value, dict):
        return {key: _resolve(item, root, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, root, depth) for item in value]
    return value


def _defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(_mapping(data.get("default") or {}, "default"))
    for key in ("before_script", "after_script"):
        if key in data:
            found.setdefault(key, data[key])
    return found


def _stages(data: Mapping[str, Any]) -> tuple[str, ...]:
    listed = data.get("stages")
    if listed is None:
        return _STAGES
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise CiFileError("stages config should be an array of strings")
    return tuple(dict.fromkeys((".pre", *listed, ".post")))


def _extended(data: Mapping[str, Any], name: str, chain: tuple[str, ...] = ()) -> dict[str, Any]:
    if name in chain:
        raise CiFileError(f"{name}: circular dependency detected in `extends`")
    if name not in data:
        raise CiFileError(f"{chain[-1]}: unknown keys in `extends` ({name})")
    own = _mapping(data[name], f"jobs:{name}")
    parents = own.get("extends") or []
    merged: dict[str, Any] = {}
    for parent in [parents] if isinstance(parents, str) else parents:
        merged = _merge(merged, _extended(data, str(parent), (*chain, name)))
    return _merge(merged, own)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        held = result.get(key)
        result[key] = _merge(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return result


def _job(name: str, own: Mapping[str, Any], defaults: Mapping[str, Any], stages: Sequence[str]) -> JobSpec:
    where = f"jobs:{name}"
    data = {**defaults, **own}
    unknown = sorted(set(map(str, data)) - _KNOWN - _IGNORED)
    if unknown:
        raise CiFileError(f"{where} config contains keys this runner does not know: {', '.join(unknown)}")
    stage = str(data.get("stage", "test"))
    if stage not in stages:
        raise CiFileError(f"{name} job: chosen stage {stage} does not exist; available stages are {', '.join(stages)}")
    if "script" not in data:
        raise CiFileError(f"{where} script can't be blank")
    allow = data.get("allow_failure", data.get("when") == "manual" and "rules" not in data)
    retry_max, retry_codes = _retry(data.get("retry"), where)
    artifacts = _mapping(data.get("artifacts") or {}, f"{where}:artifacts")
    rules = data.get("rules")
    return JobSpec(
        name=name,
        stage=stage,
        script=(*_lines(data.get("before_script"), where), *_lines(data["script"], where)),
        after_script=tuple(_lines(data.get("after_script"), where)),
        variables=_variables(data.get("variables"), f"{where}:variables"),
        rules=None if rules is None else tuple(_rules(rules, where)),
        when=_choice(data.get("when", "on_success"), where),
        allow_failure=allow is True,
        allow_exit_codes=_codes(allow.get("exit_codes")) if isinstance(allow, Mapping) else frozenset(),
        retry_max=retry_max,
        retry_exit_codes=retry_codes,
        needs=_needs(data.get("needs")),
        artifact_paths=tuple(_strings(artifacts.get("paths"))),
        report_paths=tuple(_report_paths(artifacts.get("reports"))),
        artifacts_when=str(artifacts.get("when", "on_success")),
        environment=_environment(data.get("environment")),
        timeout_s=_duration(data.get("timeout")),
    )


def _rules(value: Any, where: str) -> Iterator[Rule]:
    if not isinstance(value, list):
        raise CiFileError(f"{where} rules should be an array of hashes")
    for entry in value:
        if isinstance(entry, list):  # from !reference
            yield from _rules(entry, where)
            continue
        data = _mapping(entry, f"{where}:rules")
        unknown = sorted(set(data) - {"if", "changes", "exists", "when", "allow_failure", "variables"})
        if unknown:
            raise CiFileError(f"{where} rules contain keys this runner does not know: {', '.join(unknown)}")
        allow = data.get("allow_failure")
        yield Rule(
            condition=None if data.get("if") is None else str(data["if"]),
            changes=_globs(data.get("changes")),
            exists=_globs(data.get("exists")),
            when=None if data.get("when") is None else _choice(data["when"], where),
            allow_failure=allow if isinstance(allow, bool) else None,
            variables=_variables(data.get("variables"), where),
        )


def _globs(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, Mapping):
        value = value.get("paths")
    return None if value is None else tuple(_strings(value))


def _choice(value: Any, where: str) -> str:
    if value not in _WHEN:
        raise CiFileError(f"{where} when should be one of: {', '.join(_WHEN)}")
    return str(value)


def _retry(value: Any, where: str) -> tuple[int, frozenset[int] | None]:
    data = {"max": value} if isinstance(value, int) else _mapping(value or {}, f"{where}:retry")
    most = data.get("max", 2 if value else 0)
    if not isinstance(most, int) or not 0 <= most <= 2:
        raise CiFileError(f"{where} retry max must be 0, 1 or 2")
    codes = _codes(data.get("exit_codes"))
    return most, codes or None


def _codes(value: Any) -> frozenset[int]:
    return frozenset({value} if isinstance(value, int) else set(value or ()))


def _needs(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    entries = value if isinstance(value, list) else [value]
    return tuple(str(entry.get("job", "")) if isinstance(entry, Mapping) else str(entry) for entry in entries)


def _check_needs(jobs: Sequence[JobSpec]) -> None:
    names = {job.name for job in jobs}
    for job in jobs:
        for needed in job.needs or ():
            if needed not in names:
                raise CiFileError(f"{job.name} job: undefined need: {needed}")


def _report_paths(value: Any) -> Iterator[str]:
    for report in _mapping(value or {}, "reports").values():
        if isinstance(report, Mapping):  # coverage_report: {coverage_format, path}
            yield str(report.get("path", ""))
        else:
            yield from _strings(report)


def _environment(value: Any) -> str | None:
    return str(value.get("name")) if isinstance(value, Mapping) else None if value is None else str(value)


def _duration(value: Any) -> float:
    parts = re.findall(r"(\d+)\s*([a-z]+)", str(value or "").lower())
    total = sum(int(number) * _UNITS_S.get(unit, _UNITS_S.get(unit.rstrip("s"), 0)) for number, unit in parts)
    return float(total) or DEFAULT_TIMEOUT_S


def _lines(value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise CiFileError(f"{where} script config should be a string or a nested array of strings up to 10 levels deep")
    return [line for entry in value for line in _lines(entry, where)]


def _variables(value: Any, where: str) -> dict[str, str]:
    found = {}
    for key, item in _mapping(value or {}, where).items():
        item = item.get("value", "") if isinstance(item, Mapping) else item
        found[str(key)] = "" if item is None else str(item).lower() if isinstance(item, bool) else str(item)
    return found


def _strings(value: Any) -> list[str]:
    return [] if value is None else [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CiFileError(f"{where} config should be a hash")
    return value
