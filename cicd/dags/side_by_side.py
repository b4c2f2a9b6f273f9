"""A little work for each of many things, on two threads where it is mostly reading and hashing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")
_WORTH = 200  # things


def side_by_side(work: Callable[[Sequence[_Item]], None], items: Sequence[_Item]) -> None:
    """Call `work` with all of `items`, in two parts at once when there are many. Raises what it raises."""
    if len(items) < _WORTH:
        work(items)
        return
    failures: list[BaseException] = []

    def beside() -> None:
        try:
            work(items[1::2])
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
            failures.append(error)

    thread = threading.Thread(target=beside, name="dags-beside", daemon=True)
    thread.start()
    try:
        work(items[::2])
    finally:
        thread.join()
    if failures:
        raise failures[0]
