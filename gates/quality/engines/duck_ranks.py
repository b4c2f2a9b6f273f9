"""Values at ranks of an unsorted array: what lies near them is sorted, the rest only counted.

A sample says between which two values each one lies. Where it misled, the array is partitioned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SAMPLED = 1 << 14
_WORTH_WHILE = 1 << 18
_PIECE = 1 << 16
"""Values that are looked at together: they stay in the cache of a processor."""
_WIDTH = 6.0
"""Standard deviations to both sides."""
_MOST, _NEAR = 6, 0.25
"""Of more pairs of bounds, or more values between them, partitioning the array is less work."""


def values_at(values: Any, ranks: Sequence[int]) -> Mapping[int, Any]:
    """The values at `ranks`, counted from 1, of a numpy array of numbers without NaN; it may be sorted in part."""
    found: dict[int, Any] = {}
    if ranks and len(values) >= _WORTH_WHILE:
        for ranked, low, high in _brackets(values, ranks):
            found |= _between(values, ranked, low, high)
    left = [rank for rank in ranks if rank not in found]
    if left:
        values.partition([rank - 1 for rank in left])
    return found | {rank: values[rank - 1].item() for rank in left}


def _brackets(values: Any, ranks: Iterable[int]) -> list[tuple[list[int], Any, Any]]:
    """Ranks with the two values between which they should be; those near each other together."""
    import numpy as np

    sample = np.sort(values[:: len(values) // _SAMPLED])
    last = len(sample) - 1
    found: list[tuple[list[int], int, int]] = []
    for rank in sorted(ranks):
        share = rank / len(values)
        reach = int(_WIDTH * (share * (1 - share) * len(sample)) ** 0.5 + _WIDTH)
        low, high = max(0, int(share * last) - reach), min(last, int(share * last) + reach)
        if found and low <= found[-1][2]:
            before = found.pop()
            found.append(([*before[0], rank], before[1], max(high, before[2])))
        else:
            found.append(([rank], low, high))
    smallest, largest = values.min(), values.max()
    bounded = [
        (ranked, sample[low] if low else smallest, sample[high] if high < last else largest)
        for ranked, low, high in found
    ]
    near = sum(_share(sample, low, high) for _, low, high in bounded)
    return bounded if len(bounded) <= _MOST and near <= _NEAR else []


def _share(sample: Any, low: Any, high: Any) -> float:
    """How much of the sample is between `low` and `high`, both included: much, where many values are equal."""
    return float(sample.searchsorted(high, "right") - sample.searchsorted(low)) / len(sample)


def _between(values: Any, ranks: Sequence[int], low: Any, high: Any) -> Mapping[int, Any]:
    """The values at those of `ranks` that are between `low` and `high`."""
    import numpy as np

    below, near = 0, []
    for start in range(0, len(values), _PIECE):
        piece = values[start : start + _PIECE]
        below += int(np.count_nonzero(piece < low))
        near.append(piece[(piece >= low) & (piece <= high)])
    inside = np.concatenate(near)
    places = {rank: rank - 1 - below for rank in ranks if 0 <= rank - 1 - below < len(inside)}
    if places:
        inside.partition(list(places.values()))
    return {rank: inside[place].item() for rank, place in places.items()}
