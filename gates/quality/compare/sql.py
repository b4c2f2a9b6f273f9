"""The text of the queries, for DuckDB. Pure.

Both sides are views `base` and `head` whose columns have names of ours: `m` (1), `k0..` (the key), `c0..` (compared
columns), `x0..` (columns that the other side does not have). So no name from the data is ever inside these texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BUCKETS = 65536
"""Keys are counted by the low 16 bits of their hash: a key with very many rows makes its bucket stand out."""
SIDES = ("base", "head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A column as the join carries it: `left` of base and `right` of head, as a hash of `bits` bits or (0) as it is.

    `tolerance` is for numbers as they are: a relative difference up to it is none.
    """

    left: str
    right: str
    bits: int = 64
    tolerance: float = 0.0

    def of(self, name: str, alias: str) -> str:
        if self.bits == 0:
            return f"{name} AS {alias}"
        if self.bits == 32:
            return f"(hash({name}) >> 32)::UINTEGER AS {alias}"
        return f"hash({name}) AS {alias}"

    def differs(self, alias: str) -> str:
        b, h = f"b.{alias}", f"h.{alias}"
        if self.bits:
            return f"{b} <> {h}"
        distinct = f"{b} IS DISTINCT FROM {h}"
        if not self.tolerance:
            return distinct
        near = f"abs({b} - {h}) <= {self.tolerance!r} * greatest(abs({b}), abs({h}))"
        return f"({distinct} AND NOT coalesce(isfinite({b}) AND isfinite({h}) AND {near}, false))"


def keys(count: int, table: str = "") -> list[str]:
    prefix = f"{table}." if table else ""
    return [f"{prefix}k{index}" for index in range(count)]


def hashed(columns: Sequence[str]) -> str:
    """One hash of several values. DuckDB joins hashes by XOR, which is too regular for sums: hashed once more."""
    return f"hash(hash({', '.join(columns)}))"


def same_keys(count: int, left: str, right: str) -> str:
    """Nulls in keys are values like others: such a row is found again too."""
    return " AND ".join(f"{left}.k{index} IS NOT DISTINCT FROM {right}.k{index}" for index in range(count))


def key_scan(side: str, count: int) -> str:
    """Rows, the fullest bucket, and a checksum of all keys that does not depend on order."""
    return (
        f"SELECT sum(n)::BIGINT, max(n)::BIGINT, sum(s)::VARCHAR FROM ("
        f"SELECT count(*) AS n, sum(h) AS s FROM (SELECT {hashed(keys(count))} AS h FROM {side}) "
        f"GROUP BY h & {BUCKETS - 1})"
    )


def duplicate_slice(side: str, count: int, buckets: int) -> str:
    """How many keys of the first `buckets` buckets have more than one row."""
    names = ", ".join(keys(count))
    return (
        f"SELECT count(*) FROM (SELECT {names} FROM {side} WHERE {hashed(keys(count))} & {BUCKETS - 1} < {buckets} "
        f"GROUP BY {names} HAVING count(*) > 1)"
    )


def column_sums(side: str, count: int, columns: Sequence[str]) -> str:
    """For each column a checksum of its values, each bound to its key."""
    inner = [f"{hashed(keys(count))} AS k", *(f"hash({name}) AS {name}" for name in columns)]
    sums = ", ".join(f"sum(hash(k, {name}))::VARCHAR" for name in columns)
    return f"SELECT {sums} FROM (SELECT {', '.join(inner)} FROM {side})"


def row_sums(side: str, columns: Sequence[str]) -> str:
    """Rows and one checksum of whole rows."""
    return f"SELECT count(*), sum({hashed(columns)})::VARCHAR FROM {side}"


def value_sums(side: str, columns: Sequence[str]) -> str:
    """For each column a checksum of its values, whatever row they are in."""
    return "SELECT " + ", ".join(f"sum(hash({name}))::VARCHAR" for name in columns) + f" FROM {side}"


def join(
    count: int,
    carried: Sequence[Carried],
    renames: Sequence[Carried],
    *,
    sample: int,
    whole: Carried | None = None,
    sides: tuple[str, str] = SIDES,
) -> str:
    """One row about all rows matched by key: counts, and keys of up to `sample` rows of each kind.

    Columns: base_rows, head_rows, pairs, lost_keys, added_keys; n_ (rows) and s_ (keys) with lost, added, any and
    0.. for `carried`; e0.. (equal values) for `renames`. `whole` stands for columns that are
    not among `carried` when it is counted which rows have any change.
    """
    every = [(f"v{i}", item) for i, item in enumerate(carried)] + [(f"r{i}", item) for i, item in enumerate(renames)]
    every += [("w", whole)] if whole else []
    left = ", ".join([*keys(count), *(item.of(item.left, alias) for alias, item in every)])
    right = ", ".join([*keys(count), *(item.of(item.right, alias) for alias, item in every)])
    both_keys = [f"coalesce(b.k{i}, h.k{i}) AS k{i}" for i in range(count)]
    differences = [f"{item.differs(f'v{i}')} AS d{i}" for i, item in enumerate(carried)]
    equalities = [f"NOT ({item.differs(f'r{i}')}) AS q{i}" for i, item in enumerate(renames)]
    if whole:
        differences.append(f"{whole.differs('w')} AS dw")
    # Inside FILTER a difference of rows without a partner would be null, which counts as not held.
    flags = ["b.m IS NOT NULL AND h.m IS NOT NULL AS pair", "h.m IS NULL AS lost", "b.m IS NULL AS added"]
    joined = (
        f"SELECT b.m AS bm, h.m AS hm, {', '.join([*both_keys, *flags, *differences, *equalities])} "
        f"FROM (SELECT m, {left} FROM {sides[0]}) AS b FULL JOIN (SELECT m, {right} FROM {sides[1]}) AS h ON {same_keys(count, 'b', 'h')}"
    )
    any_change = " OR ".join([*(f"d{i}" for i in range(len(carried))), *(["dw"] if whole else [])]) or "false"
    picked = f"struct_pack({', '.join(f'{key} := {key}' for key in keys(count))}), {hashed(keys(count))}, {sample}"
    wanted = {"lost": "lost", "added": "added", "any": f"pair AND ({any_change})"}
    wanted |= {str(i): f"pair AND d{i}" for i in range(len(carried))}
    parts = [
        "count(bm) AS base_rows, count(hm) AS head_rows, count(*) FILTER (pair) AS pairs",
        f"count(DISTINCT {hashed(keys(count))}) FILTER (lost) AS lost_keys",
        f"count(DISTINCT {hashed(keys(count))}) FILTER (added) AS added_keys",
        *(f"count(*) FILTER ({condition}) AS n_{name}" for name, condition in wanted.items()),
        *(f"count(*) FILTER (pair AND q{i}) AS e{i}" for i in range(len(renames))),
        *(f"arg_min({picked}) FILTER ({condition}) AS s_{name}" for name, condition in wanted.items()),
    ]
    return f"SELECT {', '.join(parts)} FROM ({joined})"


def whole_rows(columns: Sequence[str]) -> str:
    """Hashes of rows that one side has more often than the other, with how much more often base has them."""
    row = hashed(columns)
    return (
        f"SELECT h, sum(n)::BIGINT AS n FROM (SELECT {row} AS h, 1 AS n FROM base UNION ALL "
        f"SELECT {row}, -1 FROM head) GROUP BY h HAVING sum(n) <> 0"
    )


def duplicated(count: int) -> str:
    """Keys with more than one row on either side, with their rows on both."""
    names = ", ".join(keys(count))
    both = " UNION ALL ".join(
        f"SELECT {names}, {base} AS nb, {head} AS nh FROM {side}"
        for side, base, head in (("base", 1, 0), ("head", 0, 1))
    )
    return (
        f"SELECT {names}, sum(nb)::BIGINT AS nb, sum(nh)::BIGINT AS nh FROM ({both}) GROUP BY {names} "
        f"HAVING sum(nb) > 1 OR sum(nh) > 1"
    )


def duplicated_changes(count: int, columns: Sequence[str]) -> str:
    """Of the keys in `duplicates` that are on both sides, those whose rows differ as multisets."""
    row = hashed(columns) if columns else "1"
    parts = " UNION ALL ".join(
        f"SELECT {', '.join(keys(count, 'd'))}, {sign}({row})::HUGEINT AS s FROM {side} AS t "
        f"JOIN duplicates AS d ON {same_keys(count, 't', 'd')} WHERE d.nb > 0 AND d.nh > 0"
        for side, sign in (("base", ""), ("head", "-"))
    )
    names = ", ".join(keys(count))
    return f"SELECT {names} FROM ({parts}) GROUP BY {names} HAVING sum(s) <> 0"
