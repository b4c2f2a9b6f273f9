"""`headgate quality compare`: what differs between two versions of a table, and why."""

from __future__ import annotations

import click

from cicd.cli.context import emit, output_option
from cicd.cli.quantities import SECONDS, THREADS, Size

_RATIO = click.FloatRange(min=0.0)


@click.command(name="compare")
@click.argument("base")
@click.argument("head")
@click.option("--key", "keys", multiple=True, metavar="COL[,COL]", help="Columns that identify a row.")
@click.option("--segment", metavar="COL", help="Column whose values divide the rows for aggregates.")
@click.option("--ignore", multiple=True, metavar="COL[,COL]", help="Columns left out, such as a time of loading.")
@click.option(
    "--reveal", multiple=True, metavar="COL[,COL]", help="Columns whose values may be shown; others are masked."
)
@click.option("--max-changed-ratio", type=_RATIO, default=0.0, show_default=True, help="Of the keys on both sides.")
@click.option(
    "--max-lost-ratio", type=_RATIO, default=0.0, show_default=True, help="Keys only in BASE, of BASE's keys."
)
@click.option(
    "--max-added-ratio", type=_RATIO, default=0.0, show_default=True, help="Keys only in HEAD, of BASE's keys."
)
@click.option(
    "--max-duplicated-ratio", type=_RATIO, default=0.0, show_default=True, help="Rows of HEAD that share their key."
)
@click.option("--max-shift", type=_RATIO, help="Population stability index of any column.  [default: not judged]")
@click.option("--max-segment-ratio", type=_RATIO, help="Change of rows or sums in any segment.  [default: not judged]")
@click.option(
    "--schema-changes",
    type=click.Choice(["none", "compatible", "any"]),
    default="none",
    show_default=True,
    help="Which changes of columns pass; compatible: new columns and wider types.",
)
@click.option(
    "--tolerance", type=_RATIO, default=0.0, show_default=True, help="Relative difference of floats that is none."
)
@click.option("--table", metavar="NAME", help="Table of both sides, where they are DuckDB files.")
@click.option("--base-table", metavar="NAME", help="Table of BASE.")
@click.option("--head-table", metavar="NAME", help="Table of HEAD.")
@click.option("--allow-empty", is_flag=True, help="Two sides without rows are equal.")
@click.option("--memory-limit", type=Size(), default="4GB", show_default=True, help="Memory before it spills to disk.")
@click.option("--threads", type=THREADS, help="Threads of the engine.  [default: one a core]")
@click.option(
    "--timeout", type=SECONDS, default=1800.0, show_default=True,
    metavar="SECONDS", help="End a query after this.",
)  # fmt: skip
@output_option()
def compare(
    base: str,
    head: str,
    keys: tuple[str, ...],
    segment: str | None,
    ignore: tuple[str, ...],
    reveal: tuple[str, ...],
    max_changed_ratio: float,
    max_lost_ratio: float,
    max_added_ratio: float,
    max_duplicated_ratio: float,
    max_shift: float | None,
    max_segment_ratio: float | None,
    schema_changes: str,
    tolerance: float,
    table: str | None,
    base_table: str | None,
    head_table: str | None,
    allow_empty: bool,
    memory_limit: int,
    threads: int | None,
    timeout: float,
    output: str,
) -> int:
    """Compare two versions of a table: BASE against HEAD.

    Each is a file, a glob, a folder of Parquet, CSV or JSON lines, or a DuckDB file; or both are the URL of one database,
    with --base-table, --head-table and --key. Order of rows and layout of files do not matter. By default nothing may differ.

    Exit codes: 0 within the thresholds, 1 not, 2 usage, 4 undecided (an empty base, no key in common, unreadable data).
    """
    import sys

    from gates.quality.compare.decide import Policy, evaluate_comparison
    from gates.quality.compare.fetch import fetch_comparison
    from gates.quality.compare.model import Question
    from gates.quality.compare.render import render_comparison, to_data
    from gates.quality.compare.source import Side
    from gates.quality.engines.open import Limits
    from headgate.interrupts import stop_signals

    if max_shift is not None and _is_server(base):
        raise click.UsageError("--max-shift is for files: distributions of tables in a database are not looked at.")
    shown = (*_split(keys), *_split(reveal), *([segment] if segment else []))
    with stop_signals():
        comparison = fetch_comparison(
            Side(data=base, table=base_table or table),
            Side(data=head, table=head_table or table),
            Question(key=_split(keys), segment=segment, ignore=_split(ignore), tolerance=tolerance),
            Limits(memory_limit_mb=max(1, memory_limit // 2**20), threads=threads, statement_timeout_s=timeout),
        )
    policy = Policy(
        max_changed_ratio=max_changed_ratio,
        max_lost_ratio=max_lost_ratio,
        max_added_ratio=max_added_ratio,
        max_duplicated_ratio=max_duplicated_ratio,
        max_shift=max_shift,
        max_segment_ratio=max_segment_ratio,
        schema_changes=schema_changes,  # type: ignore[arg-type]  # one of the three choices
        allow_empty=allow_empty,
    )
    verdict = evaluate_comparison(comparison, policy, reveal=shown)
    colour = sys.stdout.isatty()
    emit(
        output,
        to_data(comparison, verdict, shown) if output != "table" else None,
        lambda: render_comparison(comparison, verdict, shown, colour=colour),
    )
    return int(verdict.exit_code)


def _is_server(data: str) -> bool:
    from gates.quality.compare.database import is_database
    from gates.quality.compare.source import Side

    return is_database(Side(data=data))


def _split(values: tuple[str, ...]) -> tuple[str, ...]:
    """`a,b` given once or `a` and `b` given apart; a comma inside a name is written as `\\,`."""
    names = [part.replace("\0", ",") for value in values for part in value.replace("\\,", "\0").split(",")]
    return tuple(name.strip() for name in names if name.strip())
