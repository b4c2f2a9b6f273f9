"""How the values of one changed column relate to what they were: counted over the rows that were looked at."""

from __future__ import annotations

from typing import Any

from gates.quality.compare.looking import pairs
from gates.quality.compare.model import ColumnChange, Numbers
from gates.quality.compare.seen import Asked, Layout
from gates.quality.metrics import Kind

MODES = ("round", "round_even", "trunc", "floor", "ceil")
DECIMALS = range(7)
_NUMBERS = {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}
_TIMES = {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ}
_NEAR = "1e-9 * greatest(1, abs({0}))"


def fetch_change(asked: Asked, layout: Layout, index: int, changed: int, compared: int) -> ColumnChange:
    """Everything about the changed column `index`; a bounded number of rows is looked at."""
    pair, column = layout.columns[index], f"c{index}"
    asked.rows(
        f"CREATE OR REPLACE TEMP TABLE delta AS SELECT b.{column} AS b, h.{column} AS h FROM {pairs(str(index))}"
    )
    text = pair.kind is Kind.STRING
    respelled = "lower(trim(b)) = lower(trim(h))" if text else "false"
    looked_at, became_null, was_null, known, spelled = asked.row(
        f"SELECT count(*), count(*) FILTER (h IS NULL), count(*) FILTER (b IS NULL), "
        f"count(*) FILTER (h IN (SELECT {column} FROM base_profile)), count(*) FILTER ({respelled}) FROM delta"
    )
    return ColumnChange(
        name=pair.name,
        kind=pair.kind,
        changed=changed,
        compared=compared,
        looked_at=looked_at,
        became_null=became_null,
        was_null=was_null,
        known=known,
        respelled=spelled,
        numbers=_numbers(asked) if pair.kind in _NUMBERS else None,
        offsets=_offsets(asked, pair.kind),
    )


def _numbers(asked: Asked) -> Numbers | None:
    asked.rows(
        "CREATE OR REPLACE TEMP TABLE numbers AS SELECT * FROM (SELECT b::DOUBLE AS b, h::DOUBLE AS h FROM delta) "
        "WHERE isfinite(b) AND isfinite(h)"
    )
    both = asked.row("SELECT count(*) FROM numbers")[0]
    if not both:
        return None
    rounded = {(mode, digits): _rounds(mode, digits, "b", "h") for mode in MODES for digits in DECIMALS}
    finer = {digits: _rounds("round", digits, "h", "b") for digits in DECIMALS}
    plain = {side: {digits: _rounds("round", digits, side, side) for digits in DECIMALS} for side in "bh"}
    wanted = [*rounded.values(), *finer.values(), *plain["b"].values(), *plain["h"].values()]
    counts = list(
        asked.row(f"SELECT {', '.join(f'count(*) FILTER ({condition})' for condition in wanted)} FROM numbers")
    )
    by_mode = dict(zip(rounded, counts, strict=False))
    by_digits = dict(zip(finer, counts[len(rounded) :], strict=False))
    tails = counts[len(rounded) + len(finer) :]
    half = len(tails) // 2
    return Numbers(
        both=both,
        rounded={key: count for key, count in by_mode.items() if count},
        finer={key: count for key, count in by_digits.items() if count},
        base_decimals=_decimals(tails[:half], both),
        head_decimals=_decimals(tails[half:], both),
        **_relations(asked),
    )


def _rounds(mode: str, digits: int, fine: str, coarse: str) -> str:
    """Whether `coarse` is `fine` rounded: SQL, with room for what floats cannot hold."""
    scale = f"1e{digits}"
    # A product such as 0.145 * 100 falls short of its exact value: floor and ceil get a hair of room.
    exact = {
        "round": f"round({fine}, {digits})",
        "round_even": f"round_even({fine}, {digits})",
        "trunc": f"trunc({fine} * {scale} + sign({fine}) * 1e-7) / {scale}",
        "floor": f"floor({fine} * {scale} + 1e-7) / {scale}",
        "ceil": f"ceil({fine} * {scale} - 1e-7) / {scale}",
    }[mode]
    return f"abs({exact} - {coarse}) <= {_NEAR.format(coarse)}"


def _decimals(counts: list[int], both: int) -> int | None:
    return next((digits for digits, count in zip(DECIMALS, counts, strict=True) if count == both), None)


def _relations(asked: Asked) -> dict[str, Any]:
    p95, largest, offset, factor = asked.row(
        "SELECT quantile_disc(abs(h - b), 0.95), max(abs(h - b)), quantile_disc(h - b, 0.5), "
        "quantile_disc(h / b, 0.5) FILTER (b <> 0 AND h <> 0) FROM numbers"
    )
    near_factor = f"abs(h - b * ({factor!r})) <= 1e-6 * greatest(abs(h), abs(b))" if factor is not None else "false"
    offset_rows, factor_rows = asked.row(
        f"SELECT count(*) FILTER (abs(h - b - ({offset!r})) <= 1e-9 * greatest(1, abs(h))), "
        f"count(*) FILTER ({near_factor}) FROM numbers"
    )
    falling, merging = asked.row(
        "SELECT count(*) FILTER (h < before), count(DISTINCT h) < count(DISTINCT b) FROM "
        "(SELECT b, h, lag(h) OVER (ORDER BY b, h) AS before FROM numbers)"
    )
    return {
        "p95": p95,
        "max": largest,
        "offset": offset,
        "offset_rows": offset_rows,
        "factor": factor,
        "factor_rows": factor_rows,
        "falling": falling,
        "merging": merging,
    }


def _offsets(asked: Asked, kind: Kind) -> tuple[tuple[float, int], ...]:
    """Differences in seconds, most frequent first; of texts and of dates written as numbers (20260131), too."""
    if kind in _TIMES:
        value = "epoch({0})"
    elif kind is Kind.STRING:
        value = "epoch(TRY_CAST({0} AS TIMESTAMP))"
    elif kind is Kind.INTEGER:
        value = "CASE WHEN {0} BETWEEN 19000101 AND 22001231 THEN epoch(try_strptime({0}::VARCHAR, '%Y%m%d')) END"
    else:
        return ()
    rows = asked.rows(
        f"SELECT {value.format('h')} - {value.format('b')} AS s, count(*) FROM delta GROUP BY s HAVING s IS NOT NULL "
        f"ORDER BY 2 DESC, 1 LIMIT 8"
    )
    return tuple((float(seconds), count) for seconds, count in rows)
