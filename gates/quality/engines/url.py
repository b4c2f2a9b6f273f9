"""Read a database's URL and a table's name as users write them. Pure; the password goes into a `Secret` at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from headgate.errors import ConfigError
from headgate.secrets import MASK, Secret, register

PASSWORD = "HEADGATE_DATABASE_PASSWORD"  # noqa: S105 - the name of the variable
_SECRET_OPTIONS = ("password", "token", "private_key", "passphrase", "sslpassword")
_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrl:
    """`scheme://user:password@host:port/path?options`, unescaped; "" and None where a part is not there."""

    scheme: str
    user: str
    password: Secret | None
    host: str
    port: int | None
    path: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The URL for messages: without password and options."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{user}{self.host}{port}/{self.path}"

    def secret(self, name: str) -> Secret | None:
        """An option that must not be shown."""
        return Secret(self.options[name]) if name in self.options else None


def parse_url(text: str, password: Secret | None = None) -> DatabaseUrl:
    """The URL in `text`; `password` is used where it names none. Raises `ConfigError` that does not repeat a password.

    Every password in it is registered, in its escaped form too, so that no message of a driver can show it.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigError(
            "the URL cannot be read: its port is no number, or its brackets do not match",
            where="--data",
            next_step="Write SCHEME://USER@HOST:PORT/DATABASE, with %-escapes for special characters.",
        ) from _without_url(error)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in _SECRET_OPTIONS:
        if name in options:
            register(options[name])
    if parts.password:
        register(parts.password)
        password = Secret(unquote(parts.password))
    return DatabaseUrl(
        scheme=parts.scheme.lower().partition("+")[0],
        user=unquote(parts.username or ""),
        password=password,
        host=unquote(_host(parts.netloc)),
        port=port,
        path=unquote(parts.path.removeprefix("/")),
        options=options,
    )


def _host(netloc: str) -> str:
    """As written: urlsplit's own `hostname` folds case, which names of projects and accounts do not like."""
    host = netloc.rpartition("@")[2]
    if host.startswith("["):
        return host.partition("]")[0][1:]
    return host.partition(":")[0]


def _without_url(error: ValueError) -> ValueError:
    """The error may quote what was after the colon: half a password, where `@` in it was not escaped."""
    return ValueError(f"{type(error).__name__} ({MASK})")


def parse_table(name: str | None, *, parts: int = 2, example: str = "schema.table") -> tuple[str, ...]:
    """`schema.table` as its parts; a part with dots or quotes in it is written in double quotes (`"a.b"."say ""hi""\"`).

    A name that does not read as dotted parts is one name as it stands: whatever it holds, it is only ever quoted.
    Raises `ConfigError` without a name, and for more than `parts` parts.
    """
    if not name:
        raise ConfigError("no table is named", where="--table", next_step=f"Name one: --table {example}.")
    if "\0" in name:
        raise ConfigError("the table's name has a NUL character", where="--table", next_step="Correct the name.")
    found, at = [], 0
    while match := _PART.match(name, at):
        found.append(match[1].replace('""', '"') if match[1] else match[2])
        at = match.end()
        if at == len(name):
            break
        if name[at] != ".":
            return (name,)
        at += 1
    if at != len(name) or name.endswith("."):
        return (name,)
    if len(found) > parts:
        raise ConfigError(
            f"{name!r} has {len(found)} parts, the engine knows {parts}",
            where="--table",
            next_step=f"Write {example}; a dot inside a name goes into double quotes.",
        )
    return tuple(found)
