"""How distributions moved, and aggregates by segment."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gates.quality.compare import sql
from gates.quality.compare.columns import Pair
from gates.quality.compare.model import Profile, Segment, Shift
from gates.quality.compare.seen import Asked, Layout
from gates.quality.metrics import Kind

MAX_SEGMENTS = 1000
MAX_SUMS = 12
_NUMBERS = {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}
_ORDERED = _NUMBERS | {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ}
_FREQUENT = 20


def fetch_shifts(asked: Asked, pairs: Sequence[tuple[int, Pair]]) -> tuple[Shift, ...]:
    """How the columns of `pairs` (index, pair) moved, from the profile tables."""
    if not pairs:
        return ()
    base, head = (_profiles(asked, side, pairs) for side in sql.SIDES)
    return tuple(
        Shift(name=pair.name, psi=_index(asked, f"c{index}", pair), base=b, head=h)
        for (index, pair), b, h in zip(pairs, base, head, strict=True)
    )


def _index(asked: Asked, column: str, pair: Pair) -> float:
    bins = _ordered_bins(column) if pair.kind in _ORDERED else _value_bins(column)
    counted = asked.rows(
        f"WITH {bins} SELECT coalesce(b.bin, h.bin), coalesce(b.n, 0), coalesce(h.n, 0) FROM "
        f"(SELECT bin, count(*) AS n FROM base_bins GROUP BY bin) AS b FULL JOIN "
        f"(SELECT bin, count(*) AS n FROM head_bins GROUP BY bin) AS h ON b.bin = h.bin ORDER BY 1"
    )
    return stability_index([(b, h) for _, b, h in counted])


def stability_index(counts: Sequence[tuple[int, int]]) -> float:
    """Population stability index of two histograms over the same bins; 0 when their shares are the same.

    An empty bin counts half a row, so that the index stays finite. Nothing on one side is as far away as can be: inf.
    """
    base, head = sum(pair[0] for pair in counts), sum(pair[1] for pair in counts)
    if not base or not head:
        return 0.0 if base == head else math.inf
    shares = [(max(b, 0.5) / base, max(h, 0.5) / head) for b, h in counts]
    return math.fsum((q - p) * math.log(q / p) for p, q in shares)


def _settled(value: float | None) -> float | None:
    """Without the last digits, in which sums of floats depend on the order of rows."""
    return None if value is None else float(f"{value:.12g}")


def _profiles(asked: Asked, side: str, pairs: Sequence[tuple[int, Pair]]) -> list[Profile]:
    """All columns of one side, by one query."""
    values = []
    for index, pair in pairs:
        column = f"c{index}"
        number = f"CASE WHEN isfinite({column}::DOUBLE) THEN {column}::DOUBLE END"
        number = number if pair.kind in _NUMBERS else "NULL::DOUBLE"
        distinct = f"count(DISTINCT hash({column})) FILTER ({column} IS NOT NULL)"
        values += [f"count({column})", distinct, f"avg({number})", f"stddev_samp({number})"]
    rows, *found = asked.row(f"SELECT count(*), {', '.join(values)} FROM {side}_profile")
    return [
        Profile(
            rows=rows,
            nulls=rows - found[at],
            distinct=found[at + 1],
            mean=_settled(found[at + 2]),
            stddev=_settled(found[at + 3]),
        )
        for at in range(0, len(found), 4)
    ]


def _ordered_bins(column: str) -> str:
    """Ten bins between base's deciles; null is bin -1."""
    points = ", ".join(str(tenth / 10) for tenth in range(1, 10))
    bins = ", ".join(
        f"{side}_bins AS (SELECT CASE WHEN {column} IS NULL THEN -1 ELSE "
        f"len(list_filter(coalesce((SELECT e FROM edges), []), lambda x: x < {column})) END AS bin FROM {side}_profile)"
        for side in sql.SIDES
    )
    return f"edges AS (SELECT list_distinct(quantile_disc({column}, [{points}])) AS e FROM base_profile), {bins}"


def _value_bins(column: str) -> str:
    """One bin for each of base's most frequent values, one for the rest (-2); null is bin -1."""
    frequent = (
        f"frequent AS (SELECT hash({column}) AS v, row_number() OVER () AS bin FROM (SELECT {column} FROM base_profile "
        f"WHERE {column} IS NOT NULL GROUP BY {column} ORDER BY count(*) DESC, hash({column}) LIMIT {_FREQUENT}))"
    )
    bins = ", ".join(
        f"{side}_bins AS (SELECT CASE WHEN {column} IS NULL THEN -1 ELSE coalesce(f.bin, -2) END AS bin "
        f"FROM {side}_profile LEFT JOIN frequent AS f ON hash({column}) = f.v)"
        for side in sql.SIDES
    )
    return f"{frequent}, {bins}"


def fetch_segments(asked: Asked, layout: Layout, segment: str) -> tuple[Segment, ...]:
    """Rows and sums of numeric columns for each value of the column `segment` (`c..` or `k..`), all rows of both sides."""
    summed = [index for index, pair in enumerate(layout.columns) if pair.kind in _NUMBERS][:MAX_SUMS]
    sums = "".join(f", sum(c{index}::DOUBLE) AS s{index}" for index in summed)
    sides = [f"(SELECT {segment} AS v, count(*) AS n{sums} FROM {side} GROUP BY {segment})" for side in sql.SIDES]
    columns = "".join(f", b.s{index}, h.s{index}" for index in summed)
    rows = asked.rows(
        f"SELECT CASE WHEN b.n IS NULL THEN h.v ELSE b.v END, coalesce(b.n, 0), coalesce(h.n, 0){columns} "
        f"FROM {sides[0]} AS b FULL JOIN {sides[1]} AS h ON b.v IS NOT DISTINCT FROM h.v ORDER BY 1 LIMIT {MAX_SEGMENTS + 1}"
    )
    return tuple(
        Segment(
            value=row[0],
            base_rows=row[1],
            head_rows=row[2],
            sums=tuple(
                (layout.columns[index].name, _settled(row[3 + 2 * at]), _settled(row[4 + 2 * at]))
                for at, index in enumerate(summed)
            ),
        )
        for row in rows
    )
