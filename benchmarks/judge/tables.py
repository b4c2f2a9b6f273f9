"""What was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from power import PEERS

Result = dict[str, Any]


def tables(result: Result) -> dict[str, str]:
    """The tables of the parts that were measured."""
    parts = (("shows", _shows), ("guarantees", _guarantees), ("power", _power), ("speed", _speed))
    return {name: "\n".join(table(result[name])) for name, table in parts if name in result}


def put_into(page: str, found: dict[str, str]) -> str:
    """The page with each table between its marks `<!-- measured: NAME -->` and `<!-- end -->`."""
    for name, table in found.items():
        head, mark, rest = page.partition(f"<!-- measured: {name} -->\n")
        if not mark or "<!-- end -->" not in rest:
            raise SystemExit(f"the page has no marks for {name}")
        page = f"{head}{mark}\n{table}\n\n{rest[rest.index('<!-- end -->') :]}"
    return page


def _shows(found: Result) -> Iterator[str]:
    yield "| canary | aborted | median s | promised |"
    yield "|---|---|---|---|"
    for row in found["rows"]:
        median = "-" if row["median_s"] is None else f"{row['median_s']:.0f}"
        promised = "at most 5 %" if row["promised_s"] is None else f"at most {row['promised_s']} s"
        yield f"| {100 * row['canary']:g} % | {100 * row['aborted']:.1f} % | {median} | {promised} |"


def _guarantees(found: Result) -> Iterator[str]:
    """One line for each share and base rate: the worst of its cells (traffic, and weights that change or not)."""
    cells = found["cells"]
    yield "| metric | share | base rate | cells | false aborts, α 0.05 | α 0.01 | false safety, β 0.05 | β 0.01 |"
    yield "|---|---|---|---|---|---|---|---|"
    for (kind, share, base, alike), some in groupby(
        cells, lambda row: (row["kind"], row["share"], row["base"], row["alike"])
    ):
        rows = list(some)
        worst = [_worst(rows, f"{what} {chance}") for what in ("aborts", "safety") for chance in (0.05, 0.01)]
        of = "pairs" if kind == "gauge" else "one after the other" if kind.startswith("gauge") else f"{100 * share:g} %"
        rate = f"correlation {alike:g}" if kind.startswith("gauge") else f"{base:g}"
        yield f"| {kind} | {of} | {rate} | {len(rows)} | " + " | ".join(worst) + " |"
    again = sum(row["rollouts"] > found["rollouts"] for row in cells)
    yield ""
    yield (
        f"{len(cells)} cells of {found['rollouts']} rollouts, {again} of them measured again with five times as many;"
        f" broken: {found['broken']}"
    )


def _worst(rows: list[Result], name: str) -> str:
    return f"{100 * max(row[name] for row in rows):.2f} % (≤ {100 * max(row[f'{name} upper'] for row in rows):.2f})"


def _power(found: Result) -> Iterator[str]:
    names = ("headgate", *PEERS)
    yield "| share | base | effect | " + " | ".join(names) + " |"
    yield "|---" * (3 + len(names)) + "|"
    for row in found["rows"]:
        times = " | ".join(_time(row[name]) for name in names)
        yield f"| {100 * row['share']:g} % | {100 * row['base']:g} % | {row['effect']} | {times} |"
    yield ""
    yield "| share | base | false aborts: " + " | ".join(names) + " |"
    yield "|---" * (2 + len(names)) + "|"
    seen = {(row["share"], row["base"]): row["false aborts"] for row in found["rows"]}
    for (share, base), wrong in seen.items():
        shown = " | ".join(f"{100 * wrong[name]:.1f} %" for name in names)
        yield f"| {100 * share:g} % | {100 * base:g} % | {shown} |"
    yield ""
    of = len(found["rows"])
    each = (f"{peer}: sooner in {found['ahead'][peer]}, later in {found['behind'][peer]}" for peer in PEERS)
    yield f"median time of headgate beside the others, {of} cells: " + "; ".join(each)


def _time(found: dict[str, float | None]) -> str:
    median, share = found["median"], found["aborted"] or 0.0
    return f"{10 * median:.0f} s ({100 * share:.0f} %)" if median is not None else f"- ({100 * share:.0f} %)"


def _speed(found: Result) -> Iterator[str]:
    yield "| metric | processor time of an update |"
    yield "|---|---|"
    for name, micros in found["update_us"].items():
        yield f"| {name} | {micros:.0f} µs |"
    yield ""
    whole = found["ten_thousand_rollouts_s"]
    yield f"10 000 rollouts of {found['intervals']} intervals, bad of total: {whole:.0f} s (one core)"
