"""The port to a bucket."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cicd.dags.model import StoredObject


@dataclass(frozen=True, slots=True)
class Step:
    """One object to be written, or deleted when `md5` is None: see `DagStore`.

    `md5` is the hash of what `read` returns; it is called when the step's turn has come.
    """

    path: str
    if_generation: int
    md5: str | None = None
    read: Callable[[], bytes] = bytes


class DagStore(Protocol):
    """A bucket with generations. Every write and every delete carries a precondition.

    Paths are whole object names in the bucket, `/`-separated. All methods raise `NotFoundError` when the bucket does
    not exist and a `TransportError` when it cannot be asked. Implementations are safe to use from several threads.
    """

    def list(self, prefix: str, *, expected: Collection[str] = ()) -> tuple[StoredObject, ...]:
        """All objects whose name starts with `prefix`, with content hashes and generations, ordered by name.

        `expected` are names that are probably there. They change nothing but how quickly a long listing is read.
        """
        ...

    def read(self, path: str) -> tuple[bytes, int] | None:
        """Content and generation of an object; None when there is none."""
        ...

    def write(self, path: str, data: bytes, *, if_generation: int) -> StoredObject:
        """Replace the object of that generation; 0 creates it. The new content is visible whole or not at all.

        Raises `ConflictError` when the object is of another generation, or exists and 0 was given.
        """
        ...

    def delete(self, path: str, *, if_generation: int) -> None:
        """Remove the object of that generation; one that is already gone is no error.

        Raises `ConflictError` when it is of another generation.
        """
        ...


@runtime_checkable
class ManyStore(Protocol):
    """A bucket that carries many steps out at once by itself."""

    def carry_out(
        self,
        steps: Iterable[Step],
        *,
        permit: Callable[[], None],
        done: Callable[[str, StoredObject | None], None],
    ) -> None:
        """Write and delete, in any order.

        `permit` is called before each request and may raise; `done` is called after each step, never twice at the same
        time, with the name and what was written. The first failure stops it: what has begun ends, nothing else starts,
        and the failure is raised.
        """
        ...
