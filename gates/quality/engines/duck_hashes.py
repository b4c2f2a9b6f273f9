"""Uniqueness by hashes: sorted as plain numbers outside DuckDB, which takes half the time of a hash table of the keys.

Different hashes prove different keys. Equal ones prove nothing: their rows are counted by the keys themselves. Under a
memory limit the hashes are taken in several passes, each with its own share of the values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sqlglot import exp

from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_plan import HashProof
from gates.quality.sql import Dialect, literal

_BYTES = 24
"""For each row: the hash twice (in DuckDB's answer and as an array), and what comparing neighbours takes."""


def queries(proof: HashProof, rows: int, memory: int, dialect: Dialect) -> tuple[str, ...]:
    """The passes: all hashes at once, or those of one remainder after the other."""
    passes = max(1, math.ceil(rows * _BYTES / max(1, memory)))
    if passes == 1:
        return (dialect.render(proof.query),)
    return tuple(dialect.render(_share(proof, number, passes)) for number in range(passes))


def _share(proof: HashProof, number: int, passes: int) -> exp.Select:
    remainder = exp.Mod(this=proof.hash.copy(), expression=literal(passes))
    return proof.query.where(exp.EQ(this=remainder, expression=literal(number)))


class Running:
    """A proof under way: the hashes are read when it is made, and sorted while DuckDB does something else."""

    def __init__(self, proof: HashProof, connection: DuckConnection, texts: tuple[str, ...]) -> None:
        self.proof = proof
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-hashes")
        try:
            self._found = [future for text in texts for future in self._started(connection, text, len(texts) > 1)]
        except BaseException:
            self._pool.shutdown()
            raise

    def _started(self, connection: DuckConnection, text: str, alone: bool) -> Iterator[Future[Any]]:
        future = self._pool.submit(equal_values, [connection.array(text)])
        if alone:  # the next pass needs the memory
            future.result()
        yield future

    def equal(self) -> Any:
        """The hashes that occur more than once, as an array. May raise `MemoryError`."""
        import numpy as np

        try:
            return np.concatenate([future.result() for future in self._found])
        finally:
            self._pool.shutdown()


def equal_values(holder: list[Any]) -> Any:
    """The values that occur more than once in the array in `holder`, which is sorted in place and let go."""
    import numpy as np

    values = holder.pop()
    values.sort()
    return np.unique(values[1:][values[1:] == values[:-1]])
