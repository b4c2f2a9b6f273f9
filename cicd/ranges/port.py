"""Who can say which commits lie between two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from observability.commits import Commit


class Comparer(Protocol):
    """A repository that can compare two of its commits."""

    @property
    def name(self) -> str:
        """Who compared: `git`, `gitlab`."""

    def between(self, since: str, until: str) -> Sequence[Commit]:
        """The commits that `until` reaches and `since` does not, merges left out.

        Raises `NotFoundError` when the repository has not got one of them, other `HeadgateError` for other trouble.
        """
