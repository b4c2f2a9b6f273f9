"""Finding cycles."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gates.dags.cycles import find_cycle

graphs = st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=4), max_size=7)


@given(graphs)
def test_a_cycle_is_a_closed_walk_along_edges(graph: dict[int, list[int]]) -> None:
    cycle = find_cycle(graph)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(after in graph[before] for before, after in pairwise(cycle))
        assert len(set(cycle)) == len(cycle) - 1


@given(graphs)
def test_a_cycle_is_found_if_and_only_if_there_is_one(graph: dict[int, list[int]]) -> None:
    left = {node: set(targets) for node, targets in graph.items()}
    while leaves := [node for node, targets in left.items() if not targets & left.keys()]:
        for node in leaves:
            del left[node]
    assert bool(find_cycle(graph)) == bool(left)


def test_a_long_chain_is_no_trouble() -> None:
    chain = {at: [at + 1] for at in range(50_000)}
    assert find_cycle(chain) == ()
    assert len(find_cycle(chain | {50_000: [0]})) == 50_002
