"""`headgate analysis`: the judge alone, on recorded counts; and what it would see."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cicd.cli.context import emit, output_option, say
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    from deployments.analysis.judge import JudgeVerdict


@click.group()
def analysis() -> None:
    """Judge recorded counts of a canary and its baseline; say what would be seen, and how soon.

    Exit codes of `run`: 0 PASS, 1 FAIL, 4 INCONCLUSIVE or ERROR, 2 a command line or a policy that is wrong.
    """


@analysis.command()
@click.option("--counts", required=True, metavar="FILE", help="JSON lines of interval counts; - is stdin.")
@click.option(
    "--policy",
    "policy_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What is tolerated, YAML or JSON.  [default: no increase of any metric, alpha 0.05 over all]",
)
@click.option(
    "--evidence", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write evidence.json there."
)
@click.option(
    "--picture",
    "picture_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the evidence there, SVG.",
)
@output_option()
def run(counts: str, policy_path: Path | None, evidence: Path | None, picture_path: Path | None, output: str) -> int:
    """Say whether a canary is worse than its baseline, from counts in a file."""
    from deployments.analysis.evidence import evidence_document, verdict_document
    from deployments.analysis.policy import load_policy
    from deployments.analysis.recorded import RecordingError, parse_lines
    from deployments.analysis.recording import build_recording, judge
    from gates.verdict import exit_code

    policy = load_policy(policy_path) if policy_path else None
    try:
        with _lines(counts) as lines:
            recording = build_recording(parse_lines(lines, where=counts), policy)
    except RecordingError as error:
        return _unreadable(error, output)
    found = judge(recording)
    if evidence is not None:
        _write(evidence, dump(evidence_document(recording, found)) + "\n")
    if picture_path is not None:
        from deployments.analysis.picture import picture

        _write(picture_path, picture(found))
    _emit(output, verdict_document(found), found)
    return exit_code(found.outcome)


@contextmanager
def _lines(counts: str) -> Iterator[Iterable[bytes]]:
    from headgate.errors import ConfigError

    if counts == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(counts).open("rb") as file:
            yield file
    except OSError as error:
        raise ConfigError(
            f"the counts cannot be read: {error.strerror}", where=counts, next_step="Give a file of JSON lines, or -."
        ) from error


def _unreadable(error: Exception, output: str) -> int:
    """A recording that is not one: ERROR, with the line in the message; on stderr too, for people."""
    say(f"headgate: error: {error}")
    document: dict[str, Any] = {
        "verdict": "ERROR",
        "decided_at_s": None,
        "message": str(error),
        "cause": str(error),
        "metrics": {},
    }
    _emit(output, document, None)
    return ExitCode.UNDECIDED


def _emit(output: str, document: dict[str, Any], found: JudgeVerdict | None) -> None:
    if output == "json":
        from headgate.secrets import mask

        click.echo(mask(dump(document)))
        return
    from deployments.analysis.wording import verdict_text

    emit(output, document, lambda: verdict_text(found) if found else f"ERROR  {document['message']}")


def dump(document: object) -> str:
    """JSON with an indent of 2, lists of numbers on one line each."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # A line break inside JSON is never part of a text, so only the layout can match.
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)


_NUMBER = r'(?:-?\d[\d.eE+-]*|null|"-?(?:NaN|Infinity)")'
_NUMBERS = re.compile(rf"\[\n\s+({_NUMBER}(?:,\n\s+{_NUMBER})*)\n\s+\]")


def _write(path: Path, text: str) -> None:
    from headgate.errors import ConfigError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}", where=str(path), next_step="Give another place."
        ) from error
