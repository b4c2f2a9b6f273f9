"""HTML from views: the templates of this package, auto-escaped, undefined names are errors."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from datetime import UTC, tzinfo
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from headgate.clock import Clock, SystemClock
from headgate.errors import ConfigError
from observability.dashboard.model import ChangeView, Overview
from observability.dashboard.view import overview
from observability.figure import page_style

if TYPE_CHECKING:
    from observability.store import EventStore

WINDOWS = (7, 30, 90)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("observability.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def style() -> str:
    """The style sheet; it is part of every page, so that a saved page is whole."""
    return _environment().get_template("style.css").render() + page_style(
        soft="muted", rule="line", paper="card", harm="bad", safety="ok"
    )


@cache
def content_security_policy() -> str:
    """Nothing may be loaded or run; the one style sheet is allowed by its hash."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def overview_page(view: Overview, *, single_page: bool = False) -> str:
    template = _environment().get_template("overview.html")
    return template.render(view=view, style=style(), windows=WINDOWS, single_page=single_page)


def change_page(view: ChangeView, title: str) -> str:
    return _environment().get_template("change.html").render(change=view, style=style(), title=title)


def missing_page(name: str, title: str) -> str:
    return _environment().get_template("missing.html").render(name=name, style=style(), title=title)


def render_static(
    store: EventStore,
    path: Path,
    *,
    title: str = "Headgate",
    days: int = 30,
    clock: Clock | None = None,
    zone: tzinfo = UTC,
) -> Path:
    """Write the dashboard as one HTML file (the paths of the recent changes included) and return its path.

    The file appears whole or not at all. Raises `ConfigError` when it cannot be written.
    """
    now = (clock or SystemClock()).now()
    view = overview(tuple(store.read()), title=title, now=now, days=days, zone=zone, single_page=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(overview_page(view, single_page=True))
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise ConfigError(
            f"the dashboard cannot be written: {error.strerror or error}",
            where=str(path),
            next_step="Choose a folder that may be written.",
        ) from error
    return path
