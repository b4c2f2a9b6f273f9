"""Uniqueness by hashes: sorted as plain numbers outside DuckDB, which takes half the time of a hash table of the keys.

Different hashes prove different keys. Equal ones prove nothing: their rows are counted by the keys themselves. Under a
memory limit the hashes are taken in several passes, each with its own share of the values.
"""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sqlglot import exp

from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_keys import HashProof
from gates.quality.sql import Dialect, literal

_BYTES = 40
"""For each row: the hash twice (in DuckDB's answer and as an array), and what comparing takes."""


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
    """A proof under way: the hashes are read when it is made, and sorted while DuckDB does something else.

    `counts` are the values of the proof's counts.
    """

    def __init__(self, proof: HashProof, connection: DuckConnection, texts: tuple[str, ...]) -> None:
        self.proof = proof
        self.counts = [0] * len(proof.counts)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-hashes")
        try:
            self._found = [self._started(connection, text, alone=len(texts) > 1) for text in texts]
        except BaseException:
            self._pool.shutdown()
            raise

    def _started(self, connection: DuckConnection, text: str, *, alone: bool) -> Future[Any]:
        import numpy as np

        hashes, *flags = connection.arrays(text)
        for place, flag in enumerate(flags):
            self.counts[place] += int(np.count_nonzero(flag))
        future = self._pool.submit(equal_values, [hashes])
        del hashes
        if alone:  # the next pass needs the memory
            future.result()
        return future

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
    if len(values) >= _SCATTERED and all_different(values):
        return values[:0]
    values.sort()
    return np.unique(values[1:][values[1:] == values[:-1]])


_SCATTERED = 1 << 20
_STEP = 1 << 20


def all_different(values: Any) -> bool:
    """Whether 64-bit hashes are all different; False also where this cannot be seen so.

    Each value is written to the place its first bits name, over whatever is there. Values found where they were
    written are as many as the places taken only if they are different; those lost, far fewer, are sorted. Half the
    work of sorting all.
    """
    import numpy as np

    bits = min(28, int(math.log2(len(values))) + 2)
    shift = np.uint64(64 - bits)
    marks = np.zeros(1 << bits, np.uint32)
    steps = [values[start : start + _STEP] for start in range(0, len(values), _STEP)]
    for step in steps:
        marks[(step >> shift).view(np.int64)] = step.astype(np.uint32) | np.uint32(1)
    lost = [step[marks[(step >> shift).view(np.int64)] != (step.astype(np.uint32) | np.uint32(1))] for step in steps]
    rest = np.concatenate(lost)
    if len(values) - len(rest) != np.count_nonzero(marks):
        return False
    rest.sort()
    return not bool((rest[1:] == rest[:-1]).any())
