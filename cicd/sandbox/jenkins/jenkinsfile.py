"""A subset of the declarative Jenkinsfile, read into values. Pure.

Known: agent, options (timeout, disableConcurrentBuilds, timestamps, skipDefaultCheckout, buildDiscarder), parameters
(string, text, password, booleanParam, choice), environment (strings and credentials), stages with steps (sh, echo,
checkout scm, archiveArtifacts, junit), post. Everything else is an error that names the line: a build that leaves out
what it does not understand would be green for the wrong reason.

https://www.jenkins.io/doc/book/pipeline/syntax/#declarative-pipeline
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cicd.sandbox.jenkins.groovy import Cursor, JenkinsfileError, Value

POST_CONDITIONS = ("always", "success", "failure", "unstable", "aborted", "unsuccessful", "cleanup")
_PARAMETERS = {
    "string": "StringParameterDefinition",
    "text": "TextParameterDefinition",
    "password": "PasswordParameterDefinition",
    "booleanParam": "BooleanParameterDefinition",
    "choice": "ChoiceParameterDefinition",
}
_UNITS_S = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600, "DAYS": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A declared build parameter; `kind` is Jenkins' class name without its package."""

    name: str
    kind: str
    default: str = ""
    description: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`name` is sh, echo, checkout, archiveArtifacts or junit; `text` its script, message or glob."""

    name: str
    text: str
    allow_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    name: str
    steps: tuple[Step, ...]
    environment: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value of `environment`: literal text, or the id of a credential."""

    text: str
    credential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFile:
    """A whole Jenkinsfile; `timeout_s` None means none is set."""

    stages: tuple[Stage, ...]
    parameters: tuple[Parameter, ...] = ()
    environment: Mapping[str, Setting] = field(default_factory=dict)
    post: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    timeout_s: float | None = None
    concurrent: bool = True


def parse_jenkinsfile(text: str) -> PipelineFile:
    """Raises `JenkinsfileError` with the line of the first thing that is wrong or not known."""
    cursor = Cursor(text)
    cursor.keyword("pipeline")
    reader = _Reader(cursor)
    cursor.block(reader.section)
    cursor.end()
    if not reader.has_agent:
        raise JenkinsfileError('Missing required section "agent"', 1)
    if not reader.stages:
        raise JenkinsfileError('Missing required section "stages"', 1)
    return PipelineFile(
        stages=tuple(reader.stages),
        parameters=tuple(reader.parameters),
        environment=reader.environment,
        post=reader.post,
        timeout_s=reader.timeout_s,
        concurrent=reader.concurrent,
    )


class _Reader:
    """Collects the sections of one pipeline."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.has_agent = False
        self.stages: list[Stage] = []
        self.parameters: list[Parameter] = []
        self.environment: dict[str, Setting] = {}
        self.post: dict[str, tuple[Step, ...]] = {}
        self.timeout_s: float | None = None
        self.concurrent = True
        self._sections: dict[str, Callable[[], None]] = {
            "agent": self._agent,
            "options": lambda: cursor.block(self._option),
            "parameters": lambda: cursor.block(self._parameter),
            "environment": lambda: cursor.block(lambda: self._setting(self.environment)),
            "stages": lambda: cursor.block(self._stage),
            "post": lambda: cursor.block(self._post),
        }

    def section(self) -> None:
        name = self._cursor.word()
        if name not in self._sections:
            raise self._cursor.error(f"section {name!r} is not supported by this controller")
        self._sections[name]()

    def _agent(self) -> None:
        self.has_agent = True
        if self._cursor.at("{"):
            self._cursor.block(self._agent_setting)
        elif (kind := self._cursor.word()) not in ("any", "none"):
            raise self._cursor.error(f"agent {kind!r} is not supported; write `agent any`")

    def _agent_setting(self) -> None:
        if (kind := self._cursor.word()) != "label":
            raise self._cursor.error(f"agent {{ {kind} }} is not supported; write `agent any`")
        self._cursor.arguments()

    def _option(self) -> None:
        name = self._cursor.word()
        if name == "buildDiscarder":
            self._cursor.skip_parentheses()
            return
        arguments = self._cursor.arguments()
        if name == "disableConcurrentBuilds":
            self.concurrent = False
        elif name == "timeout":
            unit = str(arguments.get("unit", "MINUTES"))
            amount = arguments.get("time", arguments.get("", 0))
            if unit not in _UNITS_S or not isinstance(amount, int) or amount <= 0:
                raise self._cursor.error(
                    "timeout needs time: <positive number> and unit: SECONDS, MINUTES, HOURS or DAYS"
                )
            self.timeout_s = float(amount * _UNITS_S[unit])
        elif name not in ("timestamps", "skipDefaultCheckout"):
            raise self._cursor.error(f"option {name!r} is not supported by this controller")

    def _parameter(self) -> None:
        kind = self._cursor.word()
        if kind not in _PARAMETERS:
            raise self._cursor.error(f"parameter type {kind!r} is not supported; one of {', '.join(_PARAMETERS)}")
        given = self._cursor.arguments()
        choices = given.get("choices", ())
        values = tuple(choices) if isinstance(choices, tuple) else ()
        default = str(given.get("defaultValue", values[0] if values else ""))
        name = given.get("name")
        if not isinstance(name, str) or not name:
            raise self._cursor.error(f"parameter {kind} needs a name")
        self.parameters.append(
            Parameter(
                name=name,
                kind=_PARAMETERS[kind],
                default=default.lower() if kind == "booleanParam" else default,
                description=str(given.get("description", "")),
                choices=values,
            )
        )

    def _setting(self, target: dict[str, Setting]) -> None:
        name = self._cursor.word()
        self._cursor.symbol("=")
        if self._cursor.at_word("credentials"):
            self._cursor.word()
            target[name] = Setting(text=str(self._cursor.arguments().get("", "")), credential=True)
        else:
            value = self._cursor.value()
            target[name] = Setting(text=str(value))

    def _stage(self) -> None:
        self._cursor.keyword("stage")
        name = str(self._cursor.arguments().get("", ""))
        steps: list[Step] = []
        environment: dict[str, Setting] = {}

        def part() -> None:
            kind = self._cursor.word()
            if kind == "steps":
                self._cursor.block(lambda: steps.append(self._step()))
            elif kind == "environment":
                self._cursor.block(lambda: self._setting(environment))
            else:
                raise self._cursor.error(f"{kind!r} in a stage is not supported by this controller")

        self._cursor.block(part)
        if not steps:
            raise self._cursor.error(f"stage {name!r} has no steps")
        self.stages.append(Stage(name=name, steps=tuple(steps), environment=environment))

    def _post(self) -> None:
        condition = self._cursor.word()
        if condition not in POST_CONDITIONS:
            raise self._cursor.error(
                f"post condition {condition!r} is not supported; one of {', '.join(POST_CONDITIONS)}"
            )
        steps: list[Step] = []
        self._cursor.block(lambda: steps.append(self._step()))
        self.post[condition] = tuple(steps)

    def _step(self) -> Step:
        name = self._cursor.word()
        if name == "checkout":
            self._cursor.keyword("scm")
            return Step(name=name, text="")
        keys = {
            "sh": ("script", ""),
            "echo": ("message", ""),
            "archiveArtifacts": ("artifacts", ""),
            "junit": ("testResults", ""),
        }
        if name not in keys:
            raise self._cursor.error(f"step {name!r} is not supported by this controller")
        given = self._cursor.arguments()
        unknown = sorted(set(given) - {*keys[name], "allowEmptyArchive", "allowEmptyResults", "fingerprint", "label"})
        if unknown:
            raise self._cursor.error(f"{name} with {', '.join(unknown)} is not supported by this controller")
        text: Value = next((given[key] for key in keys[name] if key in given), None)
        if not isinstance(text, str):
            raise self._cursor.error(f"{name} needs a text")
        allow = given.get("allowEmptyArchive", given.get("allowEmptyResults", False))
        return Step(name=name, text=text, allow_empty=allow is True)
