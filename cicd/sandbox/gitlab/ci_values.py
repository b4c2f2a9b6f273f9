"""A pipeline as written in `.gitlab-ci.yml`, and which of its rules hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cicd.sandbox.gitlab.rules import ExpressionError, evaluate_expression
from cicd.sandbox.globs import glob_pattern

DEFAULT_TIMEOUT_S = 3600.0


class CiFileError(ValueError):
    """The file is not a valid pipeline; the message is what GitLab would show as `yaml_errors`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of `rules`; None means not given."""

    condition: str | None = None
    changes: tuple[str, ...] | None = None
    exists: tuple[str, ...] | None = None
    when: str | None = None
    allow_failure: bool | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A job as written; `rules` None means that it has none. `retry_exit_codes` None: retry after any failure."""

    name: str
    stage: str
    script: tuple[str, ...]
    after_script: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] | None = None
    when: str = "on_success"
    allow_failure: bool = False
    allow_exit_codes: frozenset[int] = frozenset()
    retry_max: int = 0
    retry_exit_codes: frozenset[int] | None = None
    needs: tuple[str, ...] | None = None
    artifact_paths: tuple[str, ...] = ()
    report_paths: tuple[str, ...] = ()
    artifacts_when: str = "on_success"
    environment: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class CiFile:
    """A whole file. `workflow` None means that it has no workflow rules."""

    stages: tuple[str, ...]
    jobs: tuple[JobSpec, ...]
    variables: Mapping[str, str]
    workflow: tuple[Rule, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What rules are evaluated against: variables, changed files and all files of the commit."""

    variables: Mapping[str, str]
    changed: Sequence[str] = ()
    files: Sequence[str] = ()


def first_match(rules: Sequence[Rule], situation: Situation) -> Rule | None:
    """The first rule that holds, None when none does. Raises `CiFileError` for an invalid expression."""
    return next((rule for rule in rules if _holds(rule, situation)), None)


def _holds(rule: Rule, situation: Situation) -> bool:
    try:
        if rule.condition is not None and not evaluate_expression(rule.condition, situation.variables):
            return False
    except ExpressionError as error:
        raise CiFileError(f"rules:if {error}") from error
    if rule.changes is not None and not _any_glob(rule.changes, situation.changed):
        return False
    return rule.exists is None or _any_glob(rule.exists, situation.files)


def _any_glob(globs: Sequence[str], names: Sequence[str]) -> bool:
    patterns = [glob_pattern(glob) for glob in globs]
    return any(pattern.fullmatch(name) for pattern in patterns for name in names)
