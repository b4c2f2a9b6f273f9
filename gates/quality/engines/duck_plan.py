"""Cheaper ways to the same values in DuckDB, chosen from what is known of the data: pure.

- what a `where` leaves out is known to be nothing: it is dropped, and more metrics become equal;
- conditions on a text column with few values are evaluated once for each value, not for each row;
- whole numbers between known bounds: one bit for each possible value counts the different ones in the same pass;
- a column that grows from row to row has no value twice, and neither has a combination with it;
- 64-bit hashes that are all different prove keys to be different; only equal ones are looked at again;
- all quantiles of a column come from one sorted list.

A way that proves nothing leaves its metric unsettled; the plain query then answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from sqlglot import exp

from gates.quality.footers import Footers
from gates.quality.metrics import (
    Aggregate,
    Count,
    Distinct,
    Duplicated,
    Kind,
    Metric,
    Orphans,
    OtherCount,
    OutOfOrder,
    Quantiles,
    Query,
    Rows,
    Sample,
    Schema,
)
from gates.quality.planner import UNSETTLED, Part, Source, Step, one_pass, part_of, plan_one, read_parts
from gates.quality.sql import (
    Dialect,
    both,
    column,
    interpolate,
    is_nan,
    literal,
    named,
    not_null,
    quantile_positions,
    within,
)
from gates.quality.truth import simplify

SMALL = 100_000
"""Below this many rows plain queries take milliseconds each."""
MAX_BITS = 1 << 28
"""Largest bit set: 32 MB for each thread."""
HASHED = 2_000_000
"""From this many rows on sorting hashes is faster than a hash table of the keys."""
_FITS_BITS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known before any row is read. `memory` is what sorting outside DuckDB may take, in bytes."""

    schema: Schema
    footers: Footers
    memory: int = 1 << 29

    @property
    def rows(self) -> int:
        return self.footers.total

    def present(self, key: exp.Expression) -> bool:
        """Whether `key` is a column without nulls."""
        return isinstance(key, exp.Column) and self.footers.nulls(key.name) == 0

    def kind(self, name: str) -> Kind | None:
        found = self.schema.get(name)
        return None if found is None else found.kind

    def bits(self, key: exp.Expression) -> tuple[int, int] | None:
        """Bounds of an integer column between which a bit for each value is worth its place."""
        found = self.schema.get(key.name) if isinstance(key, exp.Column) else None
        if found is None or found.native not in _FITS_BITS:
            return None
        bounds = self.footers.bounds(found.name)
        if bounds is None or bounds[1] - bounds[0] >= min(MAX_BITS, 64 * self.rows + (1 << 16)):
            return None
        return bounds

    def grows(self, key: exp.Expression) -> bool:
        """Whether `key` is a column without nulls that may be sorted."""
        return isinstance(key, exp.Column) and self.present(key) and self.footers.ascending(key.name)


def simplified(metric: Metric, facts: Facts) -> Metric:
    """`metric` without the conditions that are known to hold for every row, or for none."""
    if isinstance(metric, Query | Rows | OtherCount):
        return metric
    changes: dict[str, Any] = {}
    for name in _EXPRESSIONS:
        value = getattr(metric, name, None)
        if isinstance(value, exp.Expression):
            changes[name] = simplify(value, facts.footers, facts.schema)
    if isinstance(metric, Distinct | Duplicated | Orphans):
        changes["keys"] = tuple(simplify(key, facts.footers, facts.schema) for key in metric.keys)
    for name in ("condition", "where"):
        if changes.get(name) == exp.true():
            changes[name] = None
    return replace(metric, **changes)


def floats(metrics: Iterable[Metric], facts: Facts) -> tuple[str, ...]:
    """The float columns that conditions and arguments of `metrics` look at."""
    found = [
        node.name
        for metric in metrics
        if isinstance(metric, Count | Aggregate | Quantiles | Distinct | Duplicated)
        for part in (*getattr(metric, "keys", ()), *(getattr(metric, name, None) for name in _EXPRESSIONS))
        if isinstance(part, exp.Expression)
        for node in part.find_all(exp.Column)
    ]
    return tuple(dict.fromkeys(name for name in found if facts.kind(name) is Kind.FLOAT))


_EXPRESSIONS = ("condition", "argument", "where")


def float_bounds(names: Iterable[str], source: Source, dialect: Dialect) -> str:
    """The query for the smallest and largest value of float columns, and whether there is a NaN."""
    values = [
        value
        for name in names
        for value in (
            exp.Min(this=column(name)),
            exp.Max(this=column(name)),
            exp.LogicalOr(this=is_nan(column(name))),
        )
    ]
    return dialect.render(exp.select(*values).from_(source.table.copy()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The steps for some metrics, and the metrics that are left."""

    steps: tuple[Step, ...]
    left: tuple[Metric, ...]


def by_value(metrics: Iterable[Metric], facts: Facts, source: Source, dialect: Dialect) -> Shares:
    """Counts of conditions on one text column with few values: the values are grouped first. One query for all."""
    groups: dict[str, list[Metric]] = {}
    left = []
    for metric in metrics:
        name = _one_text(metric, facts)
        if name is None:
            left.append(metric)
        else:
            groups.setdefault(name, []).append(metric)
    tables = tuple((name, tuple(_by_value_part(metric) for metric in found)) for name, found in groups.items())
    return Shares(steps=(_grouped(tables, source, dialect),) if tables else (), left=tuple(left))


def _one_text(metric: Metric, facts: Facts) -> str | None:
    """The column that `metric` is about, if it is one with few texts and the condition is worth it."""
    match metric:
        case Count():
            parts = [metric.condition, metric.where]
        case Distinct(keys=(exp.Column() as key,)) | Duplicated(keys=(exp.Column() as key,)):
            parts = [key, metric.where]
        case _:
            return None
    found = [part for part in parts if part is not None]
    names = {item.name for part in found for item in part.find_all(exp.Column)}
    if len(names) != 1 or any(part.find(exp.Query) for part in found):
        return None
    (name,) = names
    texts = facts.kind(name) is Kind.STRING and facts.footers.few_values(name)
    return name if texts and not (isinstance(metric, Count) and all(_is_cheap(part) for part in found)) else None


def _is_cheap(condition: exp.Expression) -> bool:
    bare = condition.unnest()
    bare = bare.this.unnest() if isinstance(bare, exp.Not) else bare
    return isinstance(bare, exp.Is)


_TIMES = "headgate_times"


def _by_value_part(metric: Metric) -> Part:
    times = exp.column(_TIMES)
    match metric:
        case Count():
            condition = both(metric.condition, metric.where) or exp.true()
            value: exp.Expression = exp.Sum(this=exp.Case().when(condition, times))
        case Distinct():
            value = exp.Count(this=within(metric.keys[0], metric.where))
        case Duplicated():
            several = exp.and_(exp.GT(this=times.copy(), expression=literal(1)), metric.where)
            value = exp.Sum(this=exp.Case().when(several, times))
        case _:
            raise TypeError(metric)
    return Part(metric=metric, values=(value,), read=lambda values: int(values[0] or 0), plain=False)


def _grouped(tables: Sequence[tuple[str, tuple[Part, ...]]], source: Source, dialect: Dialect) -> Step:
    """One row: the values of all parts, each table of values counted in a subquery of its own."""
    query = exp.select("*")
    for place, (name, parts) in enumerate(tables):
        counts = exp.select(column(name), named(exp.Count(this=exp.Star()), _TIMES)).from_(source.table.copy())
        counts = counts.group_by(column(name))
        values = [named(value, f"m{index}") for index, part in enumerate(parts) for value in part.values]
        row = exp.select(*values).from_(counts.subquery("v")).subquery(f"t{place}")
        query = query.from_(row) if place == 0 else query.join(row, join_type="cross")
    everything = tuple(part for _, parts in tables for part in parts)

    def split() -> tuple[Step, ...]:
        if len(tables) > 1:
            return tuple(_grouped((table,), source, dialect) for table in tables)
        return tuple(plan_one(part.metric, source, dialect) for part in everything)

    return Step(
        query=query,
        metrics=tuple(part.metric for part in everything),
        read=lambda _, rows: read_parts(everything, rows[0]),
        split=split,
    )


def in_order(metrics: Iterable[Metric], facts: Facts, source: Source, dialect: Dialect) -> Shares:
    """Order, and uniqueness that follows from order, of columns without nulls: each row beside the one before it."""
    parts: list[Part] = []
    left: list[Metric] = []
    names: list[str] = []
    for metric in metrics:
        key = _ordered_key(metric, facts)
        if key is None:
            left.append(metric)
            continue
        place = names.index(key) if key in names else len(names)
        names.extend([key] if place == len(names) else [])
        parts.append(_order_part(metric, place))
    return Shares(steps=(_beside(names, parts, source, dialect),) if parts else (), left=tuple(left))


def _ordered_key(metric: Metric, facts: Facts) -> str | None:
    match metric:
        case OutOfOrder(argument=exp.Column() as key, where=None) if facts.present(key):
            return str(key.name)
        case Duplicated(keys=keys, where=None):
            return next((str(key.name) for key in keys if facts.grows(key)), None)
        case _:
            return None


_WRONG: Mapping[tuple[str, bool], type[exp.Binary]] = {
    ("increasing", True): exp.LTE,
    ("increasing", False): exp.LT,
    ("decreasing", True): exp.GTE,
    ("decreasing", False): exp.GT,
}


def _order_part(metric: Metric, place: int) -> Part:
    direction, strictly, proof = "increasing", True, True
    if isinstance(metric, OutOfOrder):
        direction, strictly, proof = metric.direction, metric.strictly, False
    wrong = _WRONG[direction, strictly](this=exp.column(f"v{place}"), expression=exp.column(f"b{place}"))
    value = exp.Count(this=exp.Case().when(wrong, literal(1)))

    def read(values: Sequence[Any]) -> Any:
        return UNSETTLED if proof and values[0] else int(values[0])

    return Part(metric=metric, values=(value,), read=read, plain=False)


def _beside(names: Sequence[str], parts: Sequence[Part], source: Source, dialect: Dialect) -> Step:
    inner = [named(column(name), f"v{place}") for place, name in enumerate(names)]
    # a window without an order follows the order of the batch, row by row, and holds nothing in memory
    inner += [named(exp.Window(this=exp.Lag(this=column(name))), f"b{place}") for place, name in enumerate(names)]
    values = [named(value, f"m{index}") for index, part in enumerate(parts) for value in part.values]
    rows = exp.select(*inner).from_(source.table.copy()).subquery("t")
    return Step(
        query=exp.select(*values).from_(rows),
        metrics=tuple(part.metric for part in parts),
        read=lambda _, found: read_parts(parts, found[0]),
        split=lambda: tuple(plan_one(part.metric, source, dialect) for part in parts),
    )


def flowing(
    metrics: Iterable[Metric],
    facts: Facts,
    source: Source,
    dialect: Dialect,
    known: Mapping[Metric, Part],
) -> Shares:
    """What streams, what sets of bits make stream, and what has a part already: one pass."""
    parts: list[Part] = []
    left: list[Metric] = []
    for metric in metrics:
        part = known.get(metric)
        if part is None and isinstance(metric, Count | Aggregate):
            part = part_of(metric, dialect)
        part = part or _bits_part(metric, facts, source)
        if part is None:
            left.append(metric)
        else:
            parts.append(part)
    return Shares(steps=(one_pass(tuple(parts), source, dialect),) if parts else (), left=tuple(left))


def _bits_part(metric: Metric, facts: Facts, source: Source) -> Part | None:
    match metric:
        case Distinct(keys=(key,)) if bounds := facts.bits(key):
            return Part(
                metric=metric,
                values=(bit_count(bits(within(key, metric.where), bounds)),),
                read=lambda values: int(values[0] or 0),
                plain=False,
            )
        case Duplicated(keys=(key,)) if bounds := facts.bits(key):
            kept = within(key, metric.where)
            every = exp.Count(this=exp.Star() if metric.where is None else within(literal(1), metric.where))
            values = (bit_count(bits(kept, bounds)), exp.Count(this=kept.copy()), every)
            return Part(metric=metric, values=values, read=_duplicates, plain=False)
        case Orphans(keys=(key,), other_keys=(name,)) if bounds := facts.bits(key):
            there = exp.select(bits(column(name), bounds)).from_(source.other(metric.other))
            there = there.where(exp.Between(this=column(name), low=literal(bounds[0]), high=literal(bounds[1])))
            lost = exp.BitwiseAnd(
                this=bits(within(key, metric.where), bounds), expression=exp.BitwiseNot(this=there.subquery())
            )
            found = (bit_count(lost), exp.Count(this=within(key, metric.where)))
            return Part(metric=metric, values=found, read=_orphans, plain=False)
        case _:
            return None


def bits(value: exp.Expression, bounds: tuple[int, int]) -> exp.Expression:
    """The aggregate with one bit for each value from the first bound to the second."""
    return exp.Anonymous(this="bitstring_agg", expressions=[value, literal(bounds[0]), literal(bounds[1])])


def bit_count(found: exp.Expression) -> exp.Expression:
    """How many bits are set."""
    return exp.Anonymous(this="bit_count", expressions=[found])


def _duplicates(values: Sequence[Any]) -> Any:
    different, present, every = int(values[0] or 0), int(values[1]), int(values[2])
    if different != present:
        return UNSETTLED
    nulls = every - present
    return nulls if nulls > 1 else 0


def _orphans(values: Sequence[Any]) -> Any:
    return 0 if values[0] == 0 or values[1] == 0 else UNSETTLED


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
        if facts.rows < HASHED or not isinstance(metric, Duplicated) or _bits_part(metric, facts, source) is not None:
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


def present_values(metric: Quantiles) -> Count:
    """How many values the quantiles are of."""
    return Count(condition=not_null(metric.argument), where=metric.where)


def sorted_lists(metrics: Iterable[Quantiles], counts: Callable[[Count], int], source: Source) -> tuple[Step, ...]:
    """One sorted list for all quantiles of the same values."""
    groups: dict[tuple[exp.Expression, exp.Expression | None], list[Quantiles]] = {}
    for metric in metrics:
        groups.setdefault((metric.argument, metric.where), []).append(metric)
    return tuple(_sorted_list(tuple(group), counts(present_values(group[0])), source) for group in groups.values())


def ranks_of(metrics: Sequence[Quantiles], count: int) -> tuple[int, ...]:
    """The ranks (from 1) that `metrics` need of `count` values."""
    found = {
        rank
        for metric in metrics
        for low, high, _ in quantile_positions(metric.probabilities, count, metric.method)
        for rank in (low, high)
    }
    return tuple(sorted(found))


def from_ranks(metric: Quantiles, values: Mapping[int, Any], count: int) -> tuple[Any, ...]:
    """The quantiles from the values at the ranks of `ranks_of`."""
    places = quantile_positions(metric.probabilities, count, metric.method)
    if metric.method != "continuous":
        return tuple(values[low] for low, _, _ in places)
    return tuple(interpolate(values[low], values[high], share) for low, high, share in places)


def _sorted_list(metrics: tuple[Quantiles, ...], count: int, source: Source) -> Step:
    argument, where = metrics[0].argument, metrics[0].where
    ranks = ranks_of(metrics, count)
    query = exp.select(at_ranks(argument, ranks, count)).from_(source.table.copy())
    query = query.where(both(where, not_null(argument)))

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        values = dict(zip(ranks, rows[0][0], strict=True))
        return {metric: from_ranks(metric, values, count) for metric in metrics}

    return Step(query=query, metrics=metrics, read=read)


def at_ranks(argument: exp.Expression, ranks: Sequence[int], count: int) -> exp.Expression:
    """The values at `ranks` of `count` values, as a list. Half a rank below, no rounding reaches the next one."""
    points = [exp.Literal.number(repr((rank - 0.5) / count)) for rank in ranks]
    return exp.Anonymous(this="quantile_disc", expressions=[argument.copy(), exp.Array(expressions=points)])


MOST_SHOWN = 1000


def shown_rows(
    metrics: Iterable[Metric], rows: int, counts: Callable[[Rows], Any], source: Source, dialect: Dialect
) -> Shares:
    """The first rows that hold conditions. Where they are many, the first ones are found at once; all other conditions
    are asked in one pass together: the places that are smallest, with the values there."""
    steps: list[Step] = []
    parts: list[Part] = []
    left: list[Metric] = []
    for metric in metrics:
        if not _is_short(metric) or source.positioned is None:
            left.append(metric)
        elif _soon(metric, counts(metric), rows):
            steps.append(_first_rows(metric, source))
        else:
            parts.append(_shown_part(metric, source))
    if parts:
        steps.append(one_pass(tuple(parts), replace(source, table=source.positioned or source.table), dialect))
    return Shares(steps=tuple(steps), left=tuple(left))


def _is_short(metric: Metric) -> TypeGuard[Rows]:
    return isinstance(metric, Rows) and isinstance(metric.of, exp.Expression) and 0 < (metric.limit or 0) <= MOST_SHOWN


def _soon(metric: Rows, count: Any, rows: int) -> bool:
    """Whether the first rows are to be expected within a small part of the batch."""
    return isinstance(count, int) and (metric.limit or 0) * _SOON < count and rows > _SOON


_SOON = 50


def _first_rows(metric: Rows, source: Source) -> Step:
    """Without ORDER BY, which would read to the end: a filter and a limit keep the order of the batch."""
    plain = plan_one(metric, source, Dialect())
    assert isinstance(plain.query, exp.Select)  # noqa: S101 - for the type
    query = plain.query.copy()
    query.set("order", None)
    return replace(plain, query=query)


def _shown_part(metric: Rows, source: Source) -> Part:
    assert isinstance(metric.of, exp.Expression)  # noqa: S101 - for the type; the caller has looked
    place = exp.column(source.position, quoted=True)
    values = [place, *map(column, metric.columns)]
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(f"c{index}"), expression=value) for index, value in enumerate(values)
    ]
    condition = both(metric.of, metric.where)
    first = exp.Anonymous(
        this="arg_min", expressions=[exp.Struct(expressions=fields), place.copy(), literal(metric.limit)]
    )

    def read(found: Sequence[Any]) -> Sample:
        rows = [tuple(row.values()) for row in found[0] or ()]
        return Sample(
            count=len(rows),
            columns=metric.columns,
            rows=tuple(row[1:] for row in rows),
            index=tuple(int(row[0]) for row in rows),
        )

    filtered = exp.Filter(this=first, expression=exp.Where(this=condition))
    return Part(metric=metric, values=(filtered,), read=read, plain=False)
