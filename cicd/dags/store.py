"""The port to a bucket."""

from __future__ import annotations

from typing import Protocol

from cicd.dags.model import StoredObject


class DagStore(Protocol):
    """A bucket with generations. Every write and every delete carries a precondition.

    Paths are whole object names in the bucket, `/`-separated. All methods raise `NotFoundError` when the bucket does
    not exist and a `TransportError` when it cannot be asked. Implementations are safe to use from several threads.
    """

    def list(self, prefix: str) -> tuple[StoredObject, ...]:
        """All objects whose name starts with `prefix`, with content hashes and generations, ordered by name."""
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
