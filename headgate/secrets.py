"""Secrets: read from the environment or files, masked wherever text leaves the process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from headgate.errors import ConfigError

MASK = "[masked]"
_MINIMUM_MASKED = 6  # shorter values ("ok", "admin") would mask ordinary words

# Forms in which credentials travel even when nobody registered them: URLs, headers, key=value pairs of URLs.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+@", re.IGNORECASE), rf"\g<head>{MASK}@"),
    (re.compile(r"(?P<head>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\g<head>{MASK}"),
    (
        re.compile(
            r"(?P<head>\b(?:private[-_]token|job[-_]token|access[-_]token|x-amz-signature|x-amz-credential|sig|token)=)[^&\s\"']{4,}",
            re.IGNORECASE,
        ),
        rf"\g<head>{MASK}",
    ),
    (re.compile(r"\bgl(?:pat|cbt|rt|dt|ptt)-[A-Za-z0-9_.-]{8,}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*"), MASK),
)

# Text in which none of these is found matches none of the patterns: a look that costs a tenth of trying them.
_CREDENTIALS_IN_URL = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
_SIGNS = (
    "bearer", "basic", "token=", "x-amz-signature=", "x-amz-credential=", "sig=",
    "glpat-", "glcbt-", "glrt-", "gldt-", "glptt-", "eyj",
)  # fmt: skip

_known: set[str] = set()


class Secret:
    """A value that must not be shown: `repr`, `str` and `format` are masked, `reveal()` gives the text.

    Creating one registers its text, so that `mask` removes it from any other text as well.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register(value)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not serialisable")


def register(value: str) -> None:
    """Remember a secret text so that `mask` removes it; texts under six characters are not masked by value."""
    if len(value) >= _MINIMUM_MASKED:
        _known.add(value)


def mask(text: str) -> str:
    """`text` without registered secrets and without credentials in well-known forms. Idempotent."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, MASK)
    folded = text.casefold()
    if _CREDENTIALS_IN_URL.search(text) or any(sign in folded for sign in _SIGNS):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text


def read_secret(name: str, environ: Mapping[str, str] | None = None) -> Secret | None:
    """The secret `name` from `$name`, or from the file named by `$name_FILE`; None when neither is set or it is empty.

    One trailing newline of a file is dropped. Raises `ConfigError` when the file cannot be read or both are set.
    """
    environ = os.environ if environ is None else environ
    direct, path = environ.get(name, ""), environ.get(f"{name}_FILE", "")
    if direct and path:
        raise ConfigError(f"both {name} and {name}_FILE are set", next_step="Unset one of them.")
    if path:
        try:
            direct = Path(path).read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the secret file cannot be read: {error}",
                where=f"{name}_FILE",
                next_step="Correct the path or its permissions.",
            ) from error
    return Secret(direct) if direct else None
