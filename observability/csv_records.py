"""CSV files of short records: a header with the keys of `short_fields`, a record a row. Pure.

An empty cell is a key that is not there. `commits` and `changes` hold several names with spaces, commas or semicolons
between them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from headgate.errors import ConfigError
from observability.commits import snake
from observability.event_files import Line
from observability.short_fields import FIELDS, TYPE_NAMES, TYPES
from observability.short_records import Defaults, is_short, parse_short

_LISTS = frozenset(name for names in FIELDS.values() for key in ("commits", "changes") for name in names.get(key, ()))
_BETWEEN = re.compile(r"[\s,;|]+")
_DELIMITERS = ",;\t|"


def read_csv(
    lines: Iterable[bytes], name: str, defaults: Defaults | None = None, *, record_type: str | None = None
) -> Iterator[Line]:
    """What each row says. `record_type` stands in where there is no column `type`.

    The delimiter is that of `,`, `;`, tab and `|` which the header has most of. Raises `ConfigError` with file and line
    at the first thing that is wrong.
    """
    text = _decoded(lines, name)
    first = next((line for line in text if line.strip()), None)
    if first is None:
        return
    delimiter = max(_DELIMITERS, key=first.count)
    header = _header(next(csv.reader([first], delimiter=delimiter)), f"{name}:1", record_type)
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConfigError(
                f"not CSV: {error}", where=f"{name}:{reader.line_num + 1}", next_step="Correct the quotes in that row."
            ) from error
        if row and any(cell.strip() for cell in row):
            where = f"{name}:{reader.line_num + 1}"
            parsed = parse_short(_record(header, row, where, record_type), where, defaults)
            yield Line(where=where, events=parsed.events, skipped=parsed.skipped)


def _header(cells: Sequence[str], where: str, record_type: str | None) -> Sequence[str]:
    names = [snake(cell.strip()) for cell in cells]
    wrong = "a column has no name" if "" in names else None
    if len(set(names)) < len(names):
        wrong = "two columns have the same name"
    if record_type is None and not set(names) & set(TYPE_NAMES):
        wrong = "there is no column `type`"
    if wrong:
        raise ConfigError(
            wrong,
            where=where,
            next_step=f"The first line names the columns, such as type,id,service,environment,deployed_at; --type stands"
            f" in for the first ({', '.join(dict.fromkeys(TYPES.values()))}).",
        )
    return names


def _record(header: Sequence[str], row: Sequence[str], where: str, record_type: str | None) -> dict[str, Any]:
    if len(row) > len(header):
        raise ConfigError(
            f"{len(row)} cells under {len(header)} columns",
            where=where,
            next_step="Quote cells that hold the delimiter.",
        )
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=False) if cell.strip()}
    found: dict[str, Any] = {
        name: [part for part in _BETWEEN.split(cell) if part] if name in _LISTS else cell
        for name, cell in cells.items()
    }
    if record_type is not None and not set(found) & set(TYPE_NAMES):
        found["type"] = record_type
    if not is_short(found):
        raise ConfigError(
            "the row has no type that is known",
            where=where,
            next_step=f"The type is one of {', '.join(dict.fromkeys(TYPES.values()))}; --type stands in for an empty one.",
        )
    return found


def _decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError("not UTF-8", where=f"{name}:{number}", next_step="Save the file as UTF-8.") from error
        yield text.removeprefix("\ufeff") if number == 1 else text
