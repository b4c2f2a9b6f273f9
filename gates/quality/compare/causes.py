"""Name the likely cause of what differs, with its evidence. Pure; values in texts are masked unless revealed.

A cause is said when (nearly) all rows that were looked at fit it. What fits nothing has no cause, only its numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from gates.quality.compare.model import Cause, CauseKind, ColumnChange, Comparison, Example, Keys, Numbers, Trait
from gates.quality.masking import shown
from gates.quality.metrics import Kind

_NEARLY = 0.97
_HOUR, _DAY = 3600.0, 86400.0
_MAX_ZONE_S = 14 * _HOUR
_QUARTER_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    kind: CauseKind
    text: str


def name_causes(comparison: Comparison, reveal: Collection[str] = ()) -> tuple[Cause, ...]:
    """The causes, the one that explains most rows first; () where nothing differs or nothing fits."""
    keys = comparison.keys
    causes = list(_renames(comparison))
    if keys is not None and keys.matched:
        causes += _of_rows(comparison, keys, reveal)
    causes += _merged(_of_columns(comparison))
    return tuple(sorted(causes, key=lambda cause: -cause.rows))


def _renames(comparison: Comparison) -> Iterable[Cause]:
    for item in comparison.schema.renamed:
        text = (
            f"{item.base} of base is {item.head} in head: the values are equal in {_share(item.equal, item.rows)} rows"
        )
        yield Cause(kind=CauseKind.RENAMED_COLUMN, columns=(item.base, item.head), text=text, rows=item.rows)


def _share(part: int, whole: int) -> str:
    return f"all {whole}" if part == whole else f"{part} of {whole}"


def _of_rows(comparison: Comparison, keys: Keys, reveal: Collection[str]) -> list[Cause]:
    found = []
    if keys.growing:
        found.append(_fan_out(comparison, keys))
    elif keys.shrinking:
        text = f"{keys.shrinking} keys have fewer rows in head than in base"
        found.append(_cause(comparison, CauseKind.DUPLICATES_REMOVED, (), text, keys.shrinking, "duplicated"))
    if keys.lost:
        kind, columns, text = _lost(comparison, keys, reveal)
        found.append(_cause(comparison, kind, columns, text, keys.lost, "lost"))
    if keys.added:
        columns, text = _added(comparison, keys, reveal)
        found.append(_cause(comparison, CauseKind.DROPPED_FILTER, columns, text, keys.added, "added"))
    return found if keys.columns else _whole_rows(comparison, found)


def _whole_rows(comparison: Comparison, found: list[Cause]) -> list[Cause]:
    """Without a key a changed row is one lost and one added: only rows that are all on one side say something."""
    keys = comparison.keys
    return [] if keys is None or (keys.lost and keys.added) else found


def _cause(comparison: Comparison, kind: CauseKind, columns: tuple[str, ...], text: str, rows: int, what: str) -> Cause:
    examples = tuple(example for example in comparison.examples if example.what == what)
    return Cause(kind=kind, columns=columns, text=text, rows=rows, examples=examples)


def _fan_out(comparison: Comparison, keys: Keys) -> Cause:
    where = (
        f"; the rows of one key differ in {', '.join(keys.varying[:5])}, so look at the join that brings it in"
        if keys.varying
        else "; the rows of one key are copies of each other"
    )
    text = (
        f"fan-out: {keys.growing} keys have more rows in head than in base "
        f"({keys.duplicate_rows_head} rows of {keys.duplicated_head} keys in head){where}"
    )
    rows = keys.duplicate_rows_head - keys.duplicated_head
    return _cause(comparison, CauseKind.WRONG_JOIN, keys.varying[:5], text, max(rows, keys.growing), "duplicated")


def _lost(comparison: Comparison, keys: Keys, reveal: Collection[str]) -> tuple[CauseKind, tuple[str, ...], str]:
    trait = next(iter(comparison.lost_traits), None)
    if trait is None:
        text = (
            f"rows lost: {keys.lost} rows of base are not in head, and nothing in the table tells them from the others; "
            f"an inner join that finds no partner does this, or a filter on a column that is not in the table"
        )
        return CauseKind.WRONG_JOIN, (), text
    if trait.values == (None,):
        text = f"rows lost: {_trait(trait, 'lost', 'head', reveal)}; an inner join on it, or on what it comes from, does this"
        return CauseKind.WRONG_JOIN, (trait.column,), text
    return (
        CauseKind.ADDED_FILTER,
        (trait.column,),
        f"lost rows share a segment: {_trait(trait, 'lost', 'head', reveal)}",
    )


def _added(comparison: Comparison, keys: Keys, reveal: Collection[str]) -> tuple[tuple[str, ...], str]:
    trait = next(iter(comparison.added_traits), None)
    if trait is None:
        rest = "" if keys.lost else " and all others are still there"
        text = (
            f"{keys.added} rows of head are not in base{rest}; nothing in the table tells them from the others, "
            f"so look for a condition on a column that is not in the table, or a join that now keeps more"
        )
        return (), text
    return (trait.column,), f"added rows share a segment: {_trait(trait, 'added', 'base', reveal)}"


def _trait(trait: Trait, what: str, other: str, reveal: Collection[str]) -> str:
    rows = f"in all {trait.looked_at} {what} rows looked at"
    if trait.values is None:
        bound = shown(trait.bound, (trait.column,), reveal)
        side = "below" if trait.relation == "<" else "above"
        return f"{trait.column} is {side} everything in {other} ({trait.relation} {bound}) {rows}"
    listed = ", ".join(dict.fromkeys(shown(value, (trait.column,), reveal) for value in trait.values[:5]))
    more = f" and {len(trait.values) - 5} more" if len(trait.values) > 5 else ""
    elsewhere = (
        f"in {trait.elsewhere} of {trait.elsewhere_of} rows of {other}" if trait.elsewhere else f"in no row of {other}"
    )
    return f"{trait.column} is {listed}{more} {rows}, {elsewhere}"


def _of_columns(comparison: Comparison) -> list[Cause]:
    moved = bool(comparison.keys and (comparison.keys.lost or comparison.keys.added))
    causes = []
    for change in comparison.changes:
        found = _of_column(change, moved)
        if found is not None:
            examples = tuple(example for example in comparison.examples if example.column == change.name)
            causes.append(
                Cause(kind=found.kind, columns=(change.name,), text=found.text, rows=change.changed, examples=examples)
            )
    return causes


def _merged(causes: list[Cause]) -> list[Cause]:
    """Columns with the same cause told in the same words are one cause."""
    by_text: dict[tuple[CauseKind, str], Cause] = {}
    for cause in causes:
        known = by_text.get((cause.kind, cause.text))
        by_text[cause.kind, cause.text] = (
            cause
            if known is None
            else replace(
                known,
                columns=known.columns + cause.columns,
                rows=max(known.rows, cause.rows),
                examples=known.examples + cause.examples[:1],
            )
        )
    return [replace(cause, text=f"{', '.join(cause.columns)}: {cause.text}") for cause in by_text.values()]


def _of_column(change: ColumnChange, moved: bool) -> _Found | None:
    """The first that fits, from the most specific on."""
    if not change.looked_at:
        return None
    if change.became_null >= _NEARLY * change.looked_at:
        return _Found(
            kind=CauseKind.WRONG_JOIN, text="values became null: a join that finds no partner any more does this"
        )
    found = _time(change) or _number(change, moved)
    if found is None and change.respelled >= _NEARLY * change.looked_at:
        found = _Found(kind=CauseKind.SPELLING, text="values differ only in case or in space around them")
    return found or _other_row(change)


def _time(change: ColumnChange) -> _Found | None:
    both = change.looked_at - change.became_null - change.was_null
    if not change.offsets or not both or change.offsets[0][0] == 0:
        return None
    first, rows = change.offsets[0]
    if rows >= _NEARLY * both:
        return _constant_offset(first, change)
    second = change.offsets[1][0] if len(change.offsets) > 1 else first
    pair = sum(count for _, count in change.offsets[:2])
    if pair >= _NEARLY * both and abs(first - second) == _HOUR and _zone(first) and _zone(second):
        low, high = sorted((first, second), key=abs)
        text = f"times shifted by {_hours(low)} or {_hours(high)}, as between a zone with summer time and one without"
        return _Found(kind=CauseKind.TIME_ZONE, text=text)
    return None


def _constant_offset(seconds: float, change: ColumnChange) -> _Found | None:
    ratio = change.ratio or 0.0
    if _zone(seconds):
        return _Found(kind=CauseKind.TIME_ZONE, text=f"times shifted by {_hours(seconds)}")
    if abs(seconds) == _DAY and ratio <= _MAX_ZONE_S / _DAY + 0.05:
        # Dates show a shift of some hours only where it crosses midnight: in as many hours' share of a day.
        later = "later" if seconds > 0 else "earlier"
        text = f"dates move one day {later} in {ratio:.1%} of the rows, as a shift of about {ratio * 24:.1f} h does"
        return _Found(kind=CauseKind.TIME_ZONE, text=text)
    return _Found(kind=CauseKind.TIME_SHIFT, text=f"times shifted by {seconds:+g} s")


def _zone(seconds: float) -> bool:
    return 0 < abs(seconds) <= _MAX_ZONE_S and seconds % _QUARTER_S == 0


def _hours(seconds: float) -> str:
    return f"{seconds / _HOUR:+g} h"


def _number(change: ColumnChange, moved: bool) -> _Found | None:
    numbers = change.numbers
    if numbers is None or not numbers.both:
        return None
    rounding = _rounding(numbers, whole=change.kind is Kind.INTEGER)
    if rounding:
        return _Found(kind=CauseKind.ROUNDING, text=rounding)
    if _numbered_anew(change, numbers, moved):
        return _Found(kind=CauseKind.RENUMBERED, text="numbers in the same order as before: running numbers given anew")
    if _is_key(change.name):
        return None
    if numbers.factor is not None and numbers.factor_rows >= _NEARLY * numbers.both and numbers.both > 1:
        return _Found(kind=CauseKind.FACTOR, text=f"head is base times {numbers.factor:.6g}")
    if numbers.offset is not None and numbers.offset_rows >= _NEARLY * numbers.both and numbers.both > 1:
        return _Found(kind=CauseKind.OFFSET, text=f"head is base {numbers.offset:+.6g}")
    return None


_MODES = {
    "round": "rounded",
    "round_even": "rounded half to even",
    "floor": "rounded down",
    "ceil": "rounded up",
    "trunc": "cut off",
}


def _rounding(numbers: Numbers, *, whole: bool) -> str:
    """How head is base rounded, or "" where it is not."""
    if whole:
        return ""
    by_mode = {key: rows for key, rows in numbers.rounded.items() if rows >= _NEARLY * numbers.both}
    if by_mode:
        mode, digits = max(by_mode, key=lambda key: (by_mode[key], -key[1], -list(_MODES).index(key[0])))
        # How ties are rounded is seldom meant: it is said only where the usual way does not fit at all.
        if mode == "round_even" and numbers.rounded.get(("round", digits), 0) >= 0.8 * numbers.both:
            mode = "round"
        return f"head is base {_MODES[mode]} to {digits} decimals"
    finer = [digits for digits, rows in numbers.finer.items() if rows >= _NEARLY * numbers.both]
    if finer:
        return f"base is head rounded to {max(finer)} decimals: head is not rounded, or less"
    return _other_place(numbers)


def _other_place(numbers: Numbers) -> str:
    """Differences so small that the same numbers were rounded elsewhere: earlier, later, or in another mode."""
    base, head = numbers.base_decimals, numbers.head_decimals
    # A tie that was rounded before falls to either side: the distance says more than the mode then.
    if head is not None and (base is None or head < base) and numbers.max <= 0.5 * 10.0**-head * 1.001:
        return f"head is base rounded to {head} decimals"
    if head is not None and (base is None or head < base) and numbers.max <= 10.0**-head * 1.001:
        return f"head has {head} decimals where base has {'more' if base is None else base}"
    if base is not None and (head is None or base < head) and numbers.max <= 10.0**-base * 1.001:
        return f"head has {'more' if head is None else head} decimals where base has {base}"
    if base is None or head != base or base == 0:
        return ""
    unit = 10.0**-base
    if numbers.p95 <= 3.001 * unit and numbers.max <= 10.001 * unit:
        return f"differences of at most {numbers.max:.6g}, some units of the last decimal: rounded in another way or at another step"
    return ""


def _numbered_anew(change: ColumnChange, numbers: Numbers, moved: bool) -> bool:
    ordered = numbers.falling == 0 and not numbers.merging and numbers.both >= 5
    return change.kind is Kind.INTEGER and _is_key(change.name) and ordered and (moved or (change.ratio or 0) >= 0.5)


def _is_key(name: str) -> bool:
    return name.lower().endswith(("id", "key", "_sk", "code", "number", "_no", "ref"))


def _other_row(change: ColumnChange) -> _Found | None:
    """A reference to other rows than before; or texts that the column had before in other rows, brought in by a join."""
    present = change.looked_at - change.became_null - change.was_null
    if present < 2:
        return None
    if _is_key(change.name):
        text = "refers to other rows than before: the join picks other rows"
        return _Found(kind=CauseKind.WRONG_JOIN, text=text)
    if change.kind is Kind.STRING and change.known >= 0.9 * present:
        text = "values that other rows have: the join that brings them in picks other rows"
        return _Found(kind=CauseKind.WRONG_JOIN, text=text)
    return None


def example_text(example: Example, reveal: Collection[str]) -> str:
    """One example on one line; values are masked unless revealed, those of the key too."""
    key = ", ".join(f"{name}={shown(value, (name,), reveal)}" for name, value in example.key)
    cells = ", ".join(_cell_text(example, index, reveal) for index in range(min(len(example.cells), 4)))
    return f"{example.what} {f'({key})' if key else 'row'}{f': {cells}' if cells else ''}"


def _cell_text(example: Example, index: int, reveal: Collection[str]) -> str:
    cell = example.cells[index]
    base, head = (shown(value, (cell.column,), reveal) for value in (cell.base, cell.head))
    if example.what == "lost":
        return f"{cell.column} = {base}"
    if example.what == "added":
        return f"{cell.column} = {head}"
    return f"{cell.column}: {base} -> {head}"
