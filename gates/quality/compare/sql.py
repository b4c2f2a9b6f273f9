"""The text of the queries, for DuckDB. Pure.

Both sides are views `base` and `head` whose columns have names of ours: `m` (1), `k0..` (the key), `c0..` (compared
columns), `x0..` (columns that the other side does not have). So no name from the data is ever inside these texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

BUCKETS = 65536
"""Shares of the keys are taken by the low 16 bits of their hash."""
CROWDS = 4096
"""Keys are counted by the low 12 bits of their hash: a key with very many rows makes its crowd stand out."""
SIDES = ("base", "head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the join carries of some columns, which have the same names on both sides.

    `halves`: 32 bits of each one's hash, two in one number. `whole`: one hash of all of them. `near`: numbers as they
    are, equal where they differ by no more than `tolerance`, relative.
    """

    columns: tuple[str, ...]
    form: Literal["halves", "whole", "near"] = "halves"
    tolerance: float = 0.0

    def selected(self) -> list[str]:
        if self.form == "near":
            return list(self.columns)
        if self.form == "whole":
            return [f"hash({', '.join(self.columns)})"]
        low = [f"(hash({name}) >> 32)" for name in self.columns[::2]]
        high = [f" | (hash({name}) & 18446744069414584320)" for name in self.columns[1::2]] + [""]
        return [f"{first}{second}" for first, second in zip(low, high, strict=False)]

    def compared(self, base: str, head: str) -> str:
        """What of both sides goes into `differs`, for one of `selected`."""
        if self.form != "near":
            return f"xor({base}, {head})"
        near = f"abs({base} - {head}) <= {self.tolerance!r} * greatest(abs({base}), abs({head}))"
        return f"({base} IS DISTINCT FROM {head} AND NOT coalesce(isfinite({base}) AND isfinite({head}) AND {near}, false))"

    def differs(self, compared: Sequence[str]) -> list[str]:
        """Conditions, one for each column in order (one for all if `whole`)."""
        if self.form == "near":
            return list(compared)
        if self.form == "whole":
            return [f"{name} <> 0" for name in compared]
        halves = ("({0} & 4294967295) <> 0", "({0} >> 32) <> 0")
        return [halves[index % 2].format(compared[index // 2]) for index in range(len(self.columns))]


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
    """Rows of the fullest crowd, and rows with a null in the key."""
    nulls = " OR ".join(f"{key} IS NULL" for key in keys(count))
    return (
        f"SELECT max(n)::BIGINT, sum(z)::BIGINT FROM (SELECT count(*) AS n, count(*) FILTER (z) AS z FROM "
        f"(SELECT ({hashed(keys(count))} & {CROWDS - 1})::USMALLINT AS h, {nulls} AS z FROM {side}) GROUP BY h)"
    )


def key_sum(side: str, count: int) -> str:
    """A checksum of all keys that does not depend on their order."""
    return f"SELECT sum({hashed(keys(count))})::VARCHAR FROM {side}"


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


def join(
    count: int,
    carried: Sequence[Carried],
    renames: Carried | None = None,
    *,
    nulls: bool = True,
    sides: tuple[str, str] = SIDES,
    part: tuple[int, int] | None = None,
) -> str:
    """All rows of both sides matched by key: hk (the key's hash), s (0 both, 1 base only, 2 head only), mask (bit 0 is
    the first column of `carried` that differs, and so on), and with `renames` equal, a mask of pairs with equal values.
    `part` (p, of): only the p-th part of the keys.
    """
    selected: list[str] = []
    compared: list[str] = []
    flags: list[list[str]] = []
    for item in (*carried, *([renames] if renames else [])):
        names = [f"v{len(selected) + at}" for at in range(len(item.selected()))]
        selected += [f"{text} AS {name}" for text, name in zip(item.selected(), names, strict=True)]
        compared += [f"{item.compared(f'b.{name}', f'h.{name}')} AS {name}" for name in names]
        flags.append(item.differs(names))
    differs = [flag for found in flags[: len(carried)] for flag in found]
    same = same_keys(count, "b", "h") if nulls else " AND ".join(f"b.k{index} = h.k{index}" for index in range(count))
    inner = [f"coalesce(b.k{index}, h.k{index}) AS k{index}" for index in range(count)]
    # A hash is never null, so it says at no cost whether there is a row; a constant would be one more column to carry.
    there = "v0" if carried and carried[0].form != "near" else "m"
    inner.append(f"CASE WHEN b.{there} IS NULL THEN 2 WHEN h.{there} IS NULL THEN 1 ELSE 0 END::UTINYINT AS s")
    masks = f"CASE WHEN s = 0 AND ({' OR '.join(differs) or 'false'}) THEN {_bits(differs)} ELSE 0 END AS mask"
    if renames:
        masks += f", CASE WHEN s = 0 THEN {_bits([f'NOT ({flag})' for flag in flags[-1]])} ELSE 0 END AS equal"
    some = f" WHERE ({hashed(keys(count))} >> 20) % {part[1]} = {part[0]}" if part else ""
    read = ", ".join([*(["m"] if there == "m" else []), *keys(count), *selected])
    return (
        f"SELECT {hashed(keys(count))} AS hk, s, {masks} FROM (SELECT {', '.join([*inner, *compared])} FROM "
        f"(SELECT {read} FROM {sides[0]}{some}) AS b FULL JOIN (SELECT {read} FROM {sides[1]}{some}) AS h ON {same})"
    )


def _bits(flags: Sequence[str]) -> str:
    return " | ".join(f"(({flag})::UINTEGER << {index})" for index, flag in enumerate(flags)) or "0::UINTEGER"


def bit_counts(column: str, count: int) -> str:
    """How many rows have each of the bits set."""
    return ", ".join(f"count(*) FILTER ({column} & {1 << index} <> 0)" for index in range(count))


def in_share(share: int) -> str:
    """Whether a row, whose place is `hk`, is among the `share` of `BUCKETS` that is profiled."""
    return f"hk & {BUCKETS - 1} < {share}"


def hashed_rows(side: str, place: str, row: str, kept: Sequence[str], share: int) -> str:
    """Each row as its place (hk) and its hash (rh); a row of the share also brings the columns `kept` along.

    They are a list of one struct: where there is none, a list takes no more room than its place in the table.
    """
    struct = ", ".join(f"{name} := {name}" for name in kept)
    kept_rows = f"CASE WHEN {in_share(share)} THEN [struct_pack({struct})] END AS kept"
    return f"SELECT hk, {row} AS rh, {kept_rows} FROM (SELECT *, {place} AS hk FROM {side})"


def part_of_hashes(part: int, parts: int) -> str:
    """The condition that `hk` lies in the part-th of so many equal ranges."""
    width = 2**64 // parts
    last = 2**64 - 1 if part == parts - 1 else width * (part + 1) - 1
    return f"hk BETWEEN {width * part} AND {last}"


def hashed_join(part: int, parts: int) -> str:
    """What `join` brings of whole rows, from the hashed tables."""
    some = f" WHERE {part_of_hashes(part, parts)}" if parts > 1 else ""
    return (
        "SELECT coalesce(b.hk, h.hk) AS hk, CASE WHEN b.hk IS NULL THEN 2 WHEN h.hk IS NULL THEN 1 ELSE 0 END::UTINYINT AS s, "
        f"coalesce(b.rh <> h.rh, false)::UTINYINT AS mask FROM (FROM base_hashed{some}) AS b "
        f"FULL JOIN (FROM head_hashed{some}) AS h ON b.hk = h.hk"
    )


def whole_rows(part: int, parts: int) -> str:
    """Hashes of rows that one side has more often than the other, with how much more often base has them."""
    some = f"WHERE {part_of_hashes(part, parts)}" if parts > 1 else ""
    return (
        f"SELECT hk, sum(n)::BIGINT AS n FROM (SELECT hk, 1 AS n FROM base_hashed {some} UNION ALL "
        f"SELECT hk, -1 FROM head_hashed {some}) GROUP BY hk HAVING sum(n) <> 0"
    )


REPEATED = "(nb > 1 OR nh > 1)"
"""Of rows of `grouped`: the key has more than one row on a side."""


def grouped(part: int, parts: int) -> str:
    """Keys (hk) that are not on both sides once with equal rows: their rows in base (nb) and head (nh), and whether these
    differ as multisets (changed)."""
    some = f"WHERE {part_of_hashes(part, parts)}" if parts > 1 else ""
    both = (
        f"SELECT hk, 1 AS b, rh::HUGEINT AS d FROM base_hashed {some} UNION ALL "
        f"SELECT hk, NULL, -(rh::HUGEINT) FROM head_hashed {some}"
    )
    return (
        f"SELECT hk, nb, n - nb AS nh, d <> 0 OR 2 * nb <> n AS changed FROM (SELECT hk, count(b) AS nb, count(*) AS n, "
        f"sum(d) AS d FROM ({both}) GROUP BY hk HAVING n <> 2 OR nb <> 1 OR d <> 0)"
    )


def found_again(base: str, base_relation: str, head: str, head_relation: str, sample: int) -> str:
    """How many of some values of a column of base (with the lowest hashes) are in a column of head, and how many those are."""
    some = f"SELECT DISTINCT {base} AS v FROM {base_relation} WHERE {base} IS NOT NULL ORDER BY hash(v) LIMIT {sample}"
    return f"SELECT count(*) FILTER (v IN (SELECT {head} FROM {head_relation})), count(*) FROM ({some})"
