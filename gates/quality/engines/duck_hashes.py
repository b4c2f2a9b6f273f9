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
        hashes, *flags = connection.arrays(text)
        import numpy as np  # was loaded while DuckDB was busy

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
_PIECE = 1 << 16
_PART = 17
"""Parts of about so many bits: what is marked of them stays in the caches of a processor."""


def all_different(values: Any) -> bool:
    """Whether 64-bit hashes are all different; False also where this cannot be seen so. They change places.

    They are parted by their first bits. Within a part each is written to the place that its last bits name, over whatever
    is there. Values found where they were written are as many as the places taken only if they are different; those lost,
    far fewer, are sorted. A third of the work of sorting all.
    """
    import numpy as np

    bits = min(8, max(1, len(values).bit_length() - _PART))
    pieces = [_sorted_piece(values[start : start + _PIECE], bits) for start in range(0, len(values), _PIECE)]
    marks = np.empty(8 << (len(values) >> bits).bit_length(), np.uint32)
    found = []
    for number in range(1 << bits):
        part = np.concatenate([piece[ends[number] : ends[number + 1]] for piece, ends in pieces])
        lost = _lost(part, marks)
        if lost is None:
            return False
        found.append(lost)
    rest = np.concatenate(found)
    rest.sort()
    return not bool((rest[1:] == rest[:-1]).any())


def _sorted_piece(piece: Any, bits: int) -> tuple[Any, list[int]]:
    """The values, sorted by their first `bits` in place, and where those of each part begin and end."""
    import numpy as np

    first = (piece >> np.uint64(64 - bits)).astype(np.uint8)
    piece[:] = piece[first.argsort(kind="stable")]
    return piece, [0, *np.bincount(first, minlength=1 << bits).cumsum().tolist()]


def _lost(values: Any, marks: Any) -> Any:
    """Those of `values` that others were written over; None where among the rest there may be equal ones."""
    import numpy as np

    places = (values & np.uint64(len(marks) - 1)).view(np.int64)
    own = values.view(np.uint32)[1::2] | np.uint32(1)
    marks.fill(0)
    marks[places] = own
    lost = values[marks[places] != own]
    return lost if len(values) - len(lost) == np.count_nonzero(marks) else None
