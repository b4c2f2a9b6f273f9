"""Cycles in a directed graph, found without recursion so that a long chain is no trouble. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Node = TypeVar("Node")


def find_cycle(graph: Mapping[Node, Sequence[Node]]) -> tuple[Node, ...]:
    """One cycle as `(a, b, a)`, or () when there is none. Deterministic for the order of `graph`."""
    done: set[Node] = set()
    for start in graph:
        if start in done:
            continue
        path: list[Node] = [start]
        on_path = {start: 0}
        pending = [iter(graph[start])]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
                node = path.pop()
                del on_path[node]
                done.add(node)
            elif following in on_path:
                return (*path[on_path[following] :], following)
            elif following not in done:
                on_path[following] = len(path)
                path.append(following)
                pending.append(iter(graph.get(following, ())))
    return ()
