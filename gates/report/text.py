"""A verdict for a terminal or a job log."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gates.report.tree import is_blocking, is_remark, masked, measured, place, seconds
from gates.verdict import Outcome, Verdict

_COLOURS = {
    Outcome.PASS: "32",
    Outcome.FAIL: "31",
    Outcome.ERROR: "35",
    Outcome.INCONCLUSIVE: "33",
    Outcome.SKIPPED: "36",
}
# Escape sequences in a message could rewrite what was printed before; a job log must show what there is.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def render_text(verdict: Verdict, *, colour: bool = False, sections_at: int | None = None, full: bool = False) -> str:
    """The tree as indented lines: every gate, below it what did not pass with place, measurement, examples and fix.

    `colour` uses ANSI colours. `sections_at` (seconds since 1970) wraps each gate into a collapsible section of
    GitLab's job log, closed for gates that passed. `full` lists the passing checks as well.
    """
    tree = masked(verdict)
    lines = []
    for gate in tree.children:
        body = [_line(gate, colour, 0), *_body(gate, colour, full)]
        lines += body if sections_at is None else _section(gate, body, sections_at)
    total = f"{_word(tree, colour)} {_clean(tree.name)}: {_clean(tree.message)}"
    return "\n".join([*lines, total, *_extras(tree, "  ")])


def _section(gate: Verdict, body: list[str], at: int) -> list[str]:
    """https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections"""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"headgate_{gate.name}")
    closed = "[collapsed=true]" if gate.outcome is Outcome.PASS else ""
    head = f"\x1b[0Ksection_start:{at}:{name}{closed}\r\x1b[0K{body[0]}"
    return [head, *body[1:], f"\x1b[0Ksection_end:{at}:{name}\r\x1b[0K"]


def _body(node: Verdict, colour: bool, full: bool, depth: int = 1) -> Iterator[str]:
    if not node.children:
        yield from _extras(node, "  " * depth)
    for child in node.children:
        if not (full or _worth_showing(child)):
            continue
        yield _line(child, colour, depth)
        yield from _body(child, colour, full, depth + 1)


def _worth_showing(node: Verdict) -> bool:
    return any(is_blocking(leaf) or is_remark(leaf) for leaf in node.leaves()) or node.outcome is not Outcome.PASS


def _line(node: Verdict, colour: bool, depth: int) -> str:
    text = f"{'  ' * depth}{_word(node, colour)} {_clean(node.name)}"
    if node.message:
        text += f": {_clean(node.message)}"
    after = [part for part in (_clean(place(node)), seconds(node.duration_s) if depth == 0 else "") if part]
    return f"{text}  [{', '.join(after)}]" if after else text


def _extras(node: Verdict, indent: str) -> Iterator[str]:
    if node.outcome is Outcome.PASS:
        return
    if node.measurement is not None and (text := measured(node.measurement)):
        yield f"{indent}{_clean(text)}"
    for detail in node.details:
        yield f"{indent}| {_clean(detail)}"
    if node.fix:
        yield f"{indent}→ {_clean(node.fix)}"


def _word(node: Verdict, colour: bool) -> str:
    word = f"{node.severity.value.upper()} {node.outcome.value}" if is_remark(node) else node.outcome.value
    return f"\x1b[{_COLOURS[node.outcome]}m{word}\x1b[0m" if colour else word


def _clean(text: str) -> str:
    return _CONTROL.sub("�", text).replace("\n", " ").replace("\t", " ")
