"""Files of `headgate analysis` and `headgate release analyse`: counts, manifests, evidence and pictures."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from cicd.cli.context import emit


@contextmanager
def counted_lines(counts: str) -> Iterator[Iterable[bytes]]:
    """The lines of a file or of stdin, unpacked if they are packed with gzip."""
    from headgate.errors import ConfigError

    if counts == "-":
        yield _unpacked(sys.stdin.buffer, counts)
        return
    try:
        with Path(counts).open("rb") as file:
            yield _unpacked(file, counts)
    except OSError as error:
        raise ConfigError(
            f"the counts cannot be read: {error.strerror}", where=counts, next_step="Give a file of JSON lines, or -."
        ) from error


def _unpacked(file: IO[bytes], counts: str) -> Iterator[bytes]:
    """The lines one by one, none longer than one of counts can be."""
    import gzip
    import io
    import zlib
    from itertools import chain

    from deployments.analysis.recorded import MAX_LINE, RecordingError

    first = file.readline(MAX_LINE + 2)
    if not first.startswith(b"\x1f\x8b"):
        yield from chain([first], iter(lambda: file.readline(MAX_LINE + 2), b""))
        return
    try:
        with gzip.GzipFile(
            fileobj=file if file.seekable() and not file.seek(0) else io.BytesIO(first + file.read())
        ) as packed:
            yield from iter(lambda: packed.readline(MAX_LINE + 2), b"")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordingError(f"it is packed with gzip, but damaged: {error}", where=counts) from error


def manifests(path: Path) -> list[object]:
    import yaml

    from headgate.errors import ConfigError

    try:
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"it cannot be read: {error}", where=str(path), next_step="Give YAML manifests.") from error


def emit_document(output: str, document: dict[str, Any], text: Callable[[], str]) -> None:
    if output == "json":
        from headgate.secrets import mask

        click.echo(mask(dump(document)))
        return
    emit(output, document, text)


def dump(document: object) -> str:
    """JSON with an indent of 2, lists of numbers on one line each."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # A line break inside JSON is never part of a text, so only the layout can match.
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)


_NUMBER = r'(?:-?\d[\d.eE+-]*|null|"-?(?:NaN|Infinity)")'
_NUMBERS = re.compile(rf"\[\n\s+({_NUMBER}(?:,\n\s+{_NUMBER})*)\n\s+\]")


def write(path: Path, text: str) -> None:
    from headgate.errors import ConfigError
    from headgate.secrets import mask

    try:
        path.write_text(mask(text), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}", where=str(path), next_step="Give another place."
        ) from error


def folder(path: Path) -> None:
    from headgate.errors import ConfigError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot be made: {error.strerror}", where=str(path), next_step="Give another folder."
        ) from error
