"""DuckDB works in C and does not notice Ctrl-C: it works in a thread of its own, and is interrupted from here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from gates.quality.engines.duck_connection import DuckConnection

GRACE_S = 5.0
"""How long an engine that was told to stop may take to do so."""

T = TypeVar("T")


def attended(connection: DuckConnection, work: Callable[[], T]) -> T:
    """What `work` returns or raises. When a signal raises here, the connection's query is interrupted first."""
    box: dict[str, Any] = {}
    # An event, and not `Thread.join`: Python 3.11 takes a thread for ended when a signal raises while it is joined.
    done = threading.Event()

    def run() -> None:
        try:
            box["value"] = work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            box["error"] = error
        finally:
            done.set()

    try:
        threading.Thread(target=run, daemon=True, name="headgate-compare").start()
        while not done.wait(0.2):
            pass
    except BaseException:
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until:
            connection.interrupt()  # again and again: one that falls between two queries is lost
            if done.wait(0.1):
                break
        raise
    if "error" in box:
        raise box["error"]
    value: T = box["value"]
    return value
