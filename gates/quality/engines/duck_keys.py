"""Uniqueness by hashes: 64-bit hashes that are all different prove keys to be different. Pure.

Equal ones prove nothing: their rows are counted, and their keys compared, where rows are looked for (`duck_rows`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

from sqlglot import exp

from gates.quality.engines.duck_facts import Facts
from gates.quality.engines.duck_plan import bits_part
from gates.quality.metrics import Count, Duplicated, Metric
from gates.quality.planner import Source
from gates.quality.sql import both, named


@dataclass(frozen=True, slots=True, kw_only=True)
class HashProof:
    """A query of the hashes of all keys of `metric`: if they are all different, so are the keys.

    `counts` are conditions on the same text, evaluated while it is read: further columns of the query.
    """

    metric: Duplicated
    query: exp.Select
    hash: exp.Expression
    counts: tuple[Count, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (self.metric, *self.counts)


def hash_proofs(metrics: Iterable[Metric], facts: Facts, source: Source) -> tuple[tuple[HashProof, ...], list[Metric]]:
    """Proofs for keys without a cheaper one, with the counts that they take along; and the metrics that are left."""
    left = list(metrics)
    proofs = []
    for metric in list(left):
        if not facts.hashed or not isinstance(metric, Duplicated) or bits_part(metric, facts, source) is not None:
            continue
        counts = tuple(other for other in left if _rides_along(other, metric))
        left = [other for other in left if other is not metric and other not in counts]
        proofs.append(hash_proof(metric, source, counts))
    return tuple(proofs), left


def _rides_along(count: Metric, metric: Duplicated) -> TypeGuard[Count]:
    """Texts are expensive to read twice."""
    if not isinstance(count, Count) or metric.where is not None or len(metric.keys) != 1:
        return False
    names = {
        node.name for part in (count.condition, count.where) if part is not None for node in part.find_all(exp.Column)
    }
    return names == {metric.keys[0].name} and isinstance(metric.keys[0], exp.Column)


def hash_proof(metric: Duplicated, source: Source, counts: tuple[Count, ...] = ()) -> HashProof:
    """The proof that the keys of `metric` are all different."""
    hashed = exp.Anonymous(this="hash", expressions=[key.copy() for key in metric.keys])
    flags = [
        named(exp.Coalesce(this=both(count.condition, count.where), expressions=[exp.false()]), f"c{index}")
        for index, count in enumerate(counts)
    ]
    query = exp.select(named(hashed, "h"), *flags).from_(source.table.copy())
    query = query if metric.where is None else query.where(metric.where.copy())
    return HashProof(metric=metric, query=query, hash=hashed, counts=counts)
