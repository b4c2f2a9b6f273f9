"""What an expectation needs to know of a batch: hashable values, the currency between catalogue, planner and engines.

A metric says *what*, never how. Equal metrics are computed once, however many expectations and suites ask for them.
Conditions and arguments are SQLGlot expressions over the columns of a row (`exp.column(name, quoted=True)`), written in
engine-neutral form; what differs between engines is one of the function nodes in `gates.quality.sql`.

Missing data: in a condition, SQL's NULL counts as "does not hold". `where` None means every row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from sqlglot import exp


class Kind(StrEnum):
    """What values of a column are, whatever an engine calls its types."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    STRING = "string"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMP_TZ = "timestamp with zone"
    TIME = "time"
    INTERVAL = "interval"
    BINARY = "binary"
    NESTED = "nested"
    NULL = "null"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a batch: `native` is the engine's own name of its type (`BIGINT`, `character varying(20)`)."""

    name: str
    kind: Kind
    native: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The columns of a batch in order. Names are compared exactly, also where the engine would fold case."""

    columns: tuple[Column, ...]

    def get(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Rows of `where` for which `condition` holds (None: all of them). Value: int."""

    condition: exp.Expression | None = None
    where: exp.Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One number (or date, or text) from the non-null values of `argument`. Value: as the engine gives it, None: no value.

    `stddev` and `variance` have n - 1 in the denominator. Sums of integers do not overflow.
    """

    function: Literal["min", "max", "sum", "mean", "stddev", "variance"]
    argument: exp.Expression
    where: exp.Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct:
    """How many different combinations of `keys` there are, rows with a null in any key left out. Value: int."""

    keys: tuple[exp.Expression, ...]
    where: exp.Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicated:
    """How many rows have a combination of `keys` that occurs in more than one row. Value: int.

    Nulls are equal to each other here; what is to be left out is left out by `where`.
    """

    keys: tuple[exp.Expression, ...]
    where: exp.Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCounts:
    """The different non-null values of `argument`, each with its number of rows, ordered by value.

    Value: tuple of (value, int); None where there are more than `limit` of them. `most`: only those with the largest
    number of rows.
    """

    argument: exp.Expression
    where: exp.Expression | None = None
    limit: int | None = None
    most: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Values of `argument` at `probabilities` (0 to 1). Value: tuple, in the order given; () where there is no value.

    `discrete`: the first value whose cumulative share is at least the probability (`percentile_disc`), an existing value.
    `continuous`: interpolated (`percentile_cont`; at 0.5 the mean of the two middle values: the median).
    `nearest`: of n values in order the one at position (n - 1) * p, counted from 0 and rounded to the nearest whole
    number, halves to the even one (pandas' and numpy's `nearest`), an existing value.
    """

    argument: exp.Expression
    probabilities: tuple[float, ...]
    method: Literal["discrete", "continuous", "nearest"] = "discrete"
    where: exp.Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfOrder:
    """Rows whose value does not follow the one before it, in the order of the batch, nulls skipped. Value: int."""

    argument: exp.Expression
    direction: Literal["increasing", "decreasing"]
    strictly: bool = False
    where: exp.Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Rows with a non-null combination of `keys` that is not among `other_keys` of `other`. Value: int.

    `other` names another table of the same engine (a file or glob for engines that read files).
    """

    keys: tuple[exp.Expression, ...]
    other: str
    other_keys: tuple[str, ...]
    where: exp.Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCount:
    """How many rows another table (see `Orphans.other`) has. Value: int."""

    other: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A user's own query; `{batch}` in it stands for the batch, `where` included. Value: `Sample` of what it returns.

    `others` gives the tables for further placeholders by name.
    """

    sql: str
    where: exp.Expression | None = None
    limit: int = 200
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows to show: the first `limit` (None: all) that hold `condition`, or are `Duplicated`, `OutOfOrder`, `Orphans`.

    Value: `Sample` with the values of `columns` in this order. Asked for only where an expectation failed.
    """

    of: exp.Expression | Duplicated | OutOfOrder | Orphans
    columns: tuple[str, ...]
    where: exp.Expression | None = None
    limit: int | None = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`rows` of values; `index` their positions counted from 0 over the whole batch, () where the engine has no order.

    `count` is how many rows there are in all.
    """

    count: int
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    index: tuple[int, ...] = ()


Metric = (
    Count
    | Aggregate
    | Distinct
    | Duplicated
    | ValueCounts
    | Quantiles
    | OutOfOrder
    | Orphans
    | OtherCount
    | Query
    | Rows
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """In place of a metric's value: why it could not be computed, in the engine's words. Never a pass.

    `unsupported`: the engine has no exact form of what was asked (a regular expression with look-ahead), so that
    another way of evaluating may still have.
    """

    reason: str
    unsupported: bool = False


Values = Mapping[Metric, Any]
"""Values by metric; a metric that could not be computed has a `Failed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one expectation found, in Great Expectations' terms; `result` is its `result` at the format asked for.

    `raised` is the text of what went wrong: then nothing was judged and `success` is False.
    """

    success: bool
    result: Mapping[str, Any]
    raised: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An expectation on its way: with the values of `needs`, `then` gives the finding, or what to ask for next.

    Most expectations ask once; a z-score first needs mean and deviation; a failed one asks for the rows to show. The
    planner computes the needs of all expectations together, round by round.
    """

    needs: tuple[Metric, ...]
    then: Callable[[Values], Planned | Finding]
