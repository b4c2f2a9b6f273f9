"""`headgate release analyse --replay`: past verdicts, computed anew from their evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cicd.cli.analysis_files import emit_document, write
from cicd.cli.context import say
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from deployments.analysis.evidence import Replayed


def emit_replay(paths: tuple[Path, ...], picture_path: Path | None, output: str) -> int:
    """Judge the evidence in files anew and print the verdicts; UNDECIDED if one is not the one that stands there.

    A folder stands for its JSON files. Several verdicts exit like the worst of them.
    """
    from deployments.analysis.evidence import replay
    from gates.verdict import combine, exit_code

    files = [file for path in paths for file in _files(path)]
    found = [(file, replay(_document(file), where=str(file))) for file in files]
    if picture_path is not None:
        write(picture_path, _pictures([one for _, one in found]))
    documents = [one.document | {"same": one.trouble is None} for _, one in found]
    if len(found) == 1:
        data: dict[str, Any] = documents[0]
    else:
        data = {"verdicts": {str(file): document for (file, _), document in zip(found, documents, strict=True)}}
    emit_document(output, data, lambda: "\n\n".join(one.text for _, one in found))
    for file, one in found:
        name = f"{file}: " if len(found) > 1 else ""
        if one.trouble is None:
            say(f"{name}the verdict is the one that was written down, bit for bit")
        else:
            say(f"{name}the verdict is NOT the one that was written down: {one.trouble}")
    if any(one.trouble for _, one in found):
        return ExitCode.UNDECIDED
    return exit_code(combine(one.seen.outcome for _, one in found if one.seen))


def _pictures(found: Sequence[Replayed]) -> str:
    """One verdict as it was drawn, several below each other."""
    from deployments.analysis.seen import draw, figures_of
    from observability.figure import svg

    if len(found) == 1 and found[0].seen:
        return draw(found[0].name, found[0].seen, found[0].release)
    figures = [figure for one in found if one.seen for figure in figures_of(one.name, one.seen)]
    return svg(figures, f"{len(found)} verdicts")


def _files(path: Path) -> list[Path]:
    from headgate.errors import ConfigError

    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.json"))
    if not files:
        raise ConfigError("there is no evidence in it", where=str(path), next_step="Give evidence.json files.")
    return files


def _document(path: Path) -> object:
    from headgate.errors import ConfigError

    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"it cannot be read: {error}", where=str(path), next_step="Give an evidence.json.") from error
