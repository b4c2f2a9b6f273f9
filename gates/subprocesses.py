"""What every gate agrees on when it starts a command of the repository that is being released."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence

# The commands run code of the change under review: it must not be able to read the credentials of the gate that
# judges it. The rest would make a pytest inside a pytest believe that it is a worker of the outer one.
_WITHHELD = re.compile(r"HEADGATE_\w*(TOKEN|PASSWORD|SECRET|USER)\w*|PYTEST_XDIST_\w+|PYTEST_CURRENT_TEST")


def interpreter_resolved(command: Sequence[str]) -> tuple[str, ...]:
    """`command` with a leading `python` or `python3` replaced by the running interpreter.

    So that the tests find the packages installed beside Headgate, activated environment or not.
    """
    head, *rest = command
    return (sys.executable if head in {"python", "python3"} else head, *rest)


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of such a command: the caller's, without Headgate's credentials."""
    source = os.environ if environ is None else environ
    return {name: value for name, value in source.items() if not _WITHHELD.fullmatch(name)}


def tail(text: str, *, lines: int = 15, width: int = 300) -> tuple[str, ...]:
    """The last non-empty lines of an output, each cut to `width`, for the details of a verdict."""
    kept = [line.rstrip()[:width] for line in text.splitlines() if line.strip()]
    return tuple(kept[-lines:])
