"""The targets that a `headgate dags` command acts on, one after the other, none hiding another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cicd.cli.context import App, emit, say
from cicd.dags.proposal import Bundle
from cicd.dags.wiring import (
    Destination,
    Permissions,
    choose_destinations,
    destination_from_flags,
    open_bundle,
)
from headgate.errors import ConfigError, HeadgateError
from headgate.exit_codes import ExitCode

Opened = Sequence[tuple[Destination, Bundle]]
Act = Callable[[Destination, Bundle], tuple[dict[str, Any], ExitCode]]
"""Does what is to be done at one target; gives its part of the result and its exit code."""

_WORST_FIRST = (
    ExitCode.UNEXPECTED,
    ExitCode.USAGE,
    ExitCode.FAIL,
    ExitCode.UNDECIDED,
    ExitCode.WOULD_CHANGE,
    ExitCode.PASS,
)


@contextmanager
def opened_targets(app: App, source: str | None, where: dict[str, Any], *, every: bool) -> Iterator[Opened]:
    """The targets that the options name. Raises `ConfigError` before any is contacted."""
    environments, target, project = where.pop("environments"), where.pop("target"), where.pop("project")
    everywhere = where.pop("everywhere", False)
    permissions = Permissions(**where)
    if everywhere and (environments or target is not None):
        raise ConfigError("--all means every target", next_step="Leave out --env and --target, or --all.")
    if target is not None:
        if len(environments) > 1:
            raise ConfigError("--target is one place, but several --env were given", next_step="Leave out one of them.")
        name = environments[0] if environments else None
        chosen: tuple[Destination, ...] = (
            destination_from_flags(target, project=project, source=source, environment=name),
        )
    else:
        chosen = _configured(app, source, environments, project, every=every or everywhere)
    with ExitStack() as stack:
        opened = []
        for item in chosen:
            bundle = open_bundle(item, permissions, clock=app.clock)
            stack.callback(bundle.target.close)
            opened.append((item, bundle))
        yield opened


def _configured(
    app: App, source: str | None, environments: Sequence[str], project: str | None, *, every: bool
) -> tuple[Destination, ...]:
    if project is not None:
        raise ConfigError("--project needs --target", next_step="With headgate.yaml set dags.project.")
    config = app.config.dags
    if config is None:
        raise ConfigError(
            "there is no `dags` section in the configuration",
            next_step="Add dags.targets to headgate.yaml, or give --target URL.",
        )
    if source is not None:
        config = config.model_copy(update={"source": source})
    return choose_destinations(config, environments, every=every)


def act_on_each(opened: Opened, act: Act, output: str, text: Callable[[dict[str, Any]], str]) -> int:
    """Act on every target in turn, print all results, and return the worst exit code.

    An error at one of several targets is its result, and the others follow; the error of the only one is raised.
    """
    parts: list[dict[str, Any]] = []
    codes: list[ExitCode] = []
    try:
        for destination, bundle in opened:
            try:
                part, code = act(destination, bundle)
            except HeadgateError as error:
                if len(opened) == 1:
                    raise
                say(f"headgate: error: {destination.name}: {error}")
                part, code = {**place(destination), "error": str(error)}, error.exit_code
            parts.append({**part, "exit_code": int(code)})
            codes.append(code)
    finally:
        if parts:
            emit(output, {"targets": parts}, lambda: "\n".join(_text(part, text) for part in parts))
    return worst(codes)


def worst(codes: Sequence[ExitCode]) -> ExitCode:
    """The code that says most: what will fail again, then a verdict, then what nobody knows, then differences."""
    return min(codes, key=_WORST_FIRST.index, default=ExitCode.PASS)


def place(destination: Destination) -> dict[str, Any]:
    """What names a target in a result."""
    return {"environment": destination.environment, "target": destination.url, "project": destination.project}


def repository(app: App, destination: Destination) -> Path:
    """Where the repository of a destination is: that of headgate.yaml, or the working directory."""
    return app.root if destination.configured else Path.cwd()


def _text(part: dict[str, Any], text: Callable[[dict[str, Any]], str]) -> str:
    if "error" not in part:
        return text(part)
    return f"{part['environment'] or ''} {part['target']} [{part['project']}]: failed: {part['error']}".lstrip()
