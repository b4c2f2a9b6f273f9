"""Work in two parts at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cicd.dags.side_by_side import side_by_side


@pytest.mark.parametrize("number", [0, 1, 199, 200, 201, 1000])
def test_everything_once(number: int) -> None:
    seen: list[int] = []
    side_by_side(seen.extend, range(number))
    assert sorted(seen) == list(range(number))


@pytest.mark.parametrize("bad", [0, 1, 998, 999])
def test_what_either_part_raises_is_raised(bad: int) -> None:
    def work(items: Sequence[int]) -> None:
        if bad in items:
            raise ValueError(bad)

    with pytest.raises(ValueError, match=str(bad)):
        side_by_side(work, range(1000))
