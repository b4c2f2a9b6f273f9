"""Uniqueness by hashes: 64-bit hashes that are all different prove keys to be different. Pure.

Equal ones prove nothing, and only their rows are looked at again, by the keys themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeGuard

from sqlglot import exp

from gates.quality.engines.duck_plan import Facts, bits_part
from gates.quality.metrics import Count, Duplicated, Metric, Rows
from gates.quality.planner import Source, Step
from gates.quality.sql import both, literal, named


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


def equal_hashes(proof: HashProof, table: str, source: Source) -> Step:
    """The duplicates among rows whose hash is in `table` (a column `h`): counted by their keys."""
    inner = exp.select(named(exp.Count(this=exp.Star()), "n")).from_(source.table.copy())
    among = exp.In(this=proof.hash.copy(), query=exp.select("h").from_(table).subquery())
    condition = both(proof.metric.where, among)
    inner = inner.where(condition).group_by(*(key.copy() for key in proof.metric.keys))
    inner = inner.having(exp.GT(this=exp.Count(this=exp.Star()), expression=literal(1)))
    query = exp.select(exp.Sum(this=exp.column("n"))).from_(inner.subquery("t"))
    return Step(query=query, metrics=(proof.metric,), read=lambda _, rows: {proof.metric: int(rows[0][0] or 0)})


def among_equal(metric: Rows, table: str) -> Rows:
    """`metric`, looked for only among rows whose hash is in `table`."""
    found = metric.of
    if not isinstance(found, Duplicated):
        raise TypeError(metric)
    hashed = exp.Anonymous(this="hash", expressions=[key.copy() for key in found.keys])
    among = exp.In(this=hashed, query=exp.select("h").from_(table).subquery())
    return replace(metric, of=replace(found, where=both(found.where, metric.where, among)), where=None)
