"""What every command is given: where the configuration is, and how results and remarks leave.

Kept light: this module is imported by every command line, so heavy parts are imported inside the methods.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from cicd.config.model import Config
    from headgate.clock import Clock

FORMATS = ("table", "json", "yaml")


class App:
    """Dependencies of the commands, created when first used. Tests pass their own clock."""

    def __init__(self, *, config_path: str | None = None, clock: Clock | None = None) -> None:
        self.config_path = config_path
        self._clock = clock

    @cached_property
    def clock(self) -> Clock:
        from headgate.clock import SystemClock

        return self._clock or SystemClock()

    @cached_property
    def loaded(self) -> tuple[Config, Path]:
        """The configuration and the root it counts paths from. Raises `ConfigError` with every problem at once."""
        from cicd.config.load import load

        return load(self.config_path)

    @property
    def config(self) -> Config:
        return self.loaded[0]

    @property
    def root(self) -> Path:
        if self._is_unconfigured:
            from cicd.config.places import repository_root

            return repository_root(Path.cwd())
        return self.loaded[1]

    @property
    def store_url(self) -> str:
        """The event store; a relative path counts from `root`."""
        if self._is_unconfigured:
            from cicd.config.places import STORE

            return STORE
        return self.config.observability.store

    @property
    def traces(self) -> Literal["none", "console", "otlp"]:
        """Where traces go: `none`, `console` or `otlp`."""
        return "none" if self._is_unconfigured else self.config.observability.traces

    @cached_property
    def _is_unconfigured(self) -> bool:
        """Whether there is no `headgate.yaml`: then the models of that file, which take long to load, are not needed."""
        from cicd.config.places import find

        return self.config_path is None and find(Path.cwd()) is None


def output_option(default: str = "table") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The `-o table|json|yaml` option, as the argument `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default=default,
        show_default=True,
        help="Form of the result on stdout.",
    )


def emit(output: str, data: Any, table: Callable[[], str]) -> None:
    """Print a result on stdout: `data` (JSON-able) as json or yaml, or the text that `table` makes."""
    from headgate.secrets import mask

    if output == "json":
        text = json.dumps(data, indent=2, ensure_ascii=False, sort_keys=False)
    elif output == "yaml":
        import yaml

        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip("\n")
    else:
        text = table()
    click.echo(_sayable(mask(text)))


def _sayable(text: str) -> str:
    """Half a surrogate pair, which no encoding has, as its escape: `\\ud800`, as JSON writes it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def say(text: str) -> None:
    """A remark or a line of progress, on stderr, masked."""
    from headgate.secrets import mask

    click.echo(_sayable(mask(text)), err=True)


def columns(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> str:
    """Rows as aligned text with a header; None is shown as `-`. No rows: the header alone."""
    cells = [[("-" if row.get(name) is None else str(row.get(name))) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) if cells else len(name) for i, name in enumerate(names)]
    head = "  ".join(name.upper().ljust(width) for name, width in zip(names, widths, strict=True)).rstrip()
    body = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([head, *body])


def is_terminal() -> bool:
    """Whether progress may be redrawn: stderr is a terminal and this is not a CI job."""
    return sys.stderr.isatty()
