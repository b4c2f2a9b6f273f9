"""Waiting in tests: with a deadline, and with what was there last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

T = TypeVar("T")
STEP_S = 0.05


def eventually(
    ask: Callable[[], T | None], what: str, timeout_s: float = 30.0, *, last: Callable[[], object] | None = None
) -> T:
    """The first answer that counts as true. Raises `AssertionError` with `last()` at the deadline.

    A server that cannot be reached for a moment is asked again.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            answer = ask()
        except httpx.TransportError:
            answer = None
        if answer:
            return answer
        if time.monotonic() > deadline:
            seen = "" if last is None else f"; last seen: {last()}"
            raise AssertionError(f"not within {timeout_s:g} s: {what}{seen}")
        time.sleep(STEP_S)
