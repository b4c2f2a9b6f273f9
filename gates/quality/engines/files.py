"""Which files a path, folder or glob means, in which order, and how DuckDB reads them."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from gates.quality.engines.whole import check_whole
from headgate.errors import ConfigError

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".parq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
_COMPRESSED = {".gz", ".zst", ".zstd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """Files that are one table: all of one `format`, in the order in which their rows count."""

    paths: tuple[str, ...]
    format: str
    hive: bool


def find_files(paths: Sequence[str | Path]) -> FileSet:
    """The files that `paths` name: a file as it is, a folder with all data files below it, a glob (`*`, `**`).

    Raises `ConfigError` if there are none, or of several formats, and `TransportError` for a compressed file that is cut
    off or damaged.
    """
    found = [file for path in paths for file in _expand(str(path))]
    if not found:
        raise ConfigError(
            "there is no data file", where=", ".join(map(str, paths)), next_step="Check the path or the glob."
        )
    formats = {file: _format(file) for file in found}
    if len(set(formats.values())) > 1:
        named = {kind: file for file, kind in formats.items()}
        raise ConfigError(
            f"files of several formats: {' and '.join(named.values())}",
            where=", ".join(map(str, paths)),
            next_step="Name the files of one format, as in 'orders/*.parquet'.",
        )
    check_whole(found)
    return FileSet(
        paths=tuple(found), format=next(iter(formats.values())), hive=all(_partitioned(file) for file in found)
    )


def _expand(path: str) -> list[str]:
    if not path.strip():  # a variable that is not set; as a path, it would be the folder we are in
        raise ConfigError("no data is named", where="the path is empty", next_step="Name a file, a folder or a glob.")
    place = Path(path)
    if place.is_file():
        return [path]
    if place.is_dir():
        return sorted(str(file) for file in place.rglob("*") if _shown(file, place) and _suffix(file.name) in FORMATS)
    found = sorted(file for file in glob.glob(path, recursive=True) if Path(file).is_file())  # noqa: PTH207
    if not found and not glob.has_magic(path):
        raise ConfigError("no such file or folder", where=path, next_step="Check the path.")
    return found


def _shown(file: Path, folder: Path) -> bool:
    """Spark and friends leave `_SUCCESS`, `_temporary/` and `.crc` files among the data."""
    return file.is_file() and not any(part.startswith(("_", ".")) for part in file.relative_to(folder).parts)


def _suffix(name: str) -> str:
    place = Path(name.lower())
    return Path(place.stem).suffix if place.suffix in _COMPRESSED else place.suffix


def _format(file: str) -> str:
    known = FORMATS.get(_suffix(file))
    if known is None:
        raise ConfigError(
            "a file of an unknown format",
            where=file,
            next_step=f"Known endings: {', '.join(FORMATS)}, with or without .gz or .zst.",
        )
    return known


def _partitioned(file: str) -> bool:
    return any("=" in part for part in Path(file).parts[:-1])


def listed(files: FileSet) -> str:
    """The paths as a list in SQL. DuckDB takes every path for a pattern, so that `x[1].parquet` would be `x1.parquet`."""
    escaped = (re.sub(r"[*?[]", r"[\g<0>]", path) for path in files.paths)
    return "[" + ", ".join(exp.Literal.string(path).sql("duckdb") for path in escaped) + "]"


def reader(files: FileSet) -> str:
    """The table function of DuckDB that reads `files` as one table."""
    names = listed(files)
    options = ", hive_partitioning = true" if files.hive else ", hive_partitioning = false"
    match files.format:
        case "parquet":
            return f"read_parquet({names}{options})"
        case "csv":
            return f"read_csv({names}, header = true{options})"
        case _:
            return f"read_json({names}, format = 'auto'{options})"
