"""Values at ranks: the same as from a sorted array, whatever the values are and however they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.quality.engines.duck_ranks import values_at

SIZE = 300_000
RANKS = [1, 15_000, 15_001, 150_000, 150_001, 285_000, SIZE]


def made(kind: str) -> Any:
    generator = np.random.default_rng(11)
    values: dict[str, Any] = {
        "even": lambda: generator.random(SIZE),
        "rounded": lambda: np.round(generator.exponential(5, SIZE), 1),
        "large integers": lambda: generator.integers(-(2**63), 2**63 - 1, SIZE),
        "small integers": lambda: generator.integers(0, 3, SIZE, dtype=np.int32),
        "one value": lambda: np.full(SIZE, 7.5),
        "mostly one value": lambda: np.where(generator.random(SIZE) < 0.9, 0.0, generator.normal(0, 1, SIZE)),
        "signed zeros": lambda: np.where(generator.random(SIZE) < 0.5, 0.0, -0.0),
        "growing": lambda: np.arange(SIZE),
        # every value that a sample of each n-th sees is one of the smallest
        "hidden": lambda: np.where(np.arange(SIZE) % (SIZE // (1 << 14)) == 0, -1.0, generator.random(SIZE)),
    }
    return values[kind]()


@pytest.mark.parametrize("kind", ["even", "rounded", "large integers", "small integers", "one value", "growing"])
@pytest.mark.parametrize("ranks", [RANKS, RANKS[2:4], [1], [SIZE], []])
def test_values_are_those_of_a_sorted_array(kind: str, ranks: list[int]) -> None:
    values = made(kind)
    expected = np.sort(values)
    assert dict(values_at(values.copy(), ranks)) == {rank: expected[rank - 1].item() for rank in ranks}


@pytest.mark.parametrize("kind", ["hidden", "mostly one value", "signed zeros"])
def test_samples_that_mislead_cost_time_only(kind: str) -> None:
    values = made(kind)
    expected = np.sort(values)
    assert dict(values_at(values.copy(), RANKS)) == {rank: expected[rank - 1].item() for rank in RANKS}


def test_many_ranks_are_found_too() -> None:
    ranks = list(range(1, SIZE, SIZE // 40))
    values = made("even")
    expected = np.sort(values)
    assert dict(values_at(values, ranks)) == {rank: expected[rank - 1].item() for rank in ranks}


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.data())
def test_few_values(numbers: list[int], data: st.DataObject) -> None:
    ranks = data.draw(st.lists(st.integers(1, len(numbers)), unique=True).map(sorted))
    expected = sorted(numbers)
    assert dict(values_at(np.array(numbers), ranks)) == {rank: expected[rank - 1] for rank in ranks}
