"""The note on a merge request: what blocks it and why, first; everything else folded. Markdown for GitLab.

Names, messages and examples come out of the change under review. They only ever appear in code spans and code blocks,
where neither HTML, links, mentions nor quick actions work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from gates.report.tree import Path, is_blocking, is_remark, masked, measured, seconds, walk
from gates.verdict import Outcome, Verdict

MAX_CHARACTERS = 50_000

_ICONS = {
    Outcome.PASS: "✅",
    Outcome.FAIL: "❌",
    Outcome.ERROR: "⚠️",
    Outcome.INCONCLUSIVE: "❔",
    Outcome.SKIPPED: "⏭️",
}
_TITLES = {
    Outcome.PASS: "may be merged",
    Outcome.FAIL: "blocked",
    Outcome.ERROR: "could not be judged, so it is blocked",
    Outcome.INCONCLUSIVE: "could not be decided, so it is blocked",
    Outcome.SKIPPED: "nothing was checked, so it is blocked",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

Entry = tuple[Path, Verdict]


def render_note(
    verdict: Verdict, *, commit: str = "", blob_url: str = "", job_url: str = "", limit: int = MAX_CHARACTERS
) -> str:
    """The note for `verdict`, at most `limit` characters, cut between entries and saying how many are left out.

    `blob_url` is the address that file paths are appended to (`https://…/-/blob/<sha>`), "" makes no links.
    """
    tree = masked(verdict)
    leaves = list(walk(tree)) or [((), tree)]
    blocking = [entry for entry in leaves if is_blocking(entry[1])]
    remarks = [entry for entry in leaves if is_remark(entry[1])]
    rest = [entry for entry in leaves if not (is_blocking(entry[1]) or is_remark(entry[1]))]
    head = "\n\n".join([_title(tree, commit, job_url), _table(tree)])
    room = limit - len(head) - 400
    parts = [head]
    # What blocks may use nearly all the room; what does not must leave some.
    for title, entries, folded, share in (
        ("", blocking, False, 0.85),
        (f"Remarks that do not block: {len(remarks)}", remarks, True, 0.6),
        (f"Other checks: {len(rest)}", rest, True, 1.0),
    ):
        text = _entries(title, entries, blob_url, int(room * share), folded=folded)
        if text:
            parts.append(text)
            room -= len(text)
    return "\n\n".join(parts) + "\n"


def _title(tree: Verdict, commit: str, job_url: str) -> str:
    head = f"### {_ICONS[tree.outcome]} Headgate: {tree.outcome.value} – {_TITLES[tree.outcome]}"
    about = [f"commit {code(commit[:12])}"] if commit else []
    if re.fullmatch(r"https?://[^\s()<>]+", job_url):
        about.append(f"[job]({job_url})")
    return f"{head}\n\n{', '.join(about)}" if about else head


def _table(tree: Verdict) -> str:
    rows = [f"| {_ICONS[gate.outcome]} {gate.outcome.value} | {code(gate.name)} | {_cell(gate.message)} | "
            f"{seconds(gate.duration_s)} |" for gate in tree.children or (tree,)]  # fmt: skip
    return "\n".join(["| outcome | gate | summary | time |", "|---|---|---|---|", *rows])


def _entries(title: str, entries: Sequence[Entry], blob_url: str, room: int, *, folded: bool) -> str:
    if not entries:
        return ""
    shown: list[str] = []
    used = 0
    for path, leaf in entries:
        text = "\n".join(_short_entry(path, leaf) if leaf.outcome is Outcome.PASS else _entry(path, leaf, blob_url))
        if used + len(text) + 1 > room:
            break
        shown.append(text)
        used += len(text) + 1
    left = len(entries) - len(shown)
    if left:
        shown.append(f"- … and {left} more: see the job's log and its reports.")
    body = "\n".join(shown)
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>" if folded else body


def _entry(path: Path, leaf: Verdict, blob_url: str) -> Iterator[str]:
    """Which check, the inequality, where, what was measured, examples, and what to do."""
    mark = f"🔹 **{leaf.severity.value}**" if is_remark(leaf) else f"{_ICONS[leaf.outcome]} **{leaf.outcome.value}**"
    yield f"- {mark} {code(' / '.join((*path, leaf.name)))}"
    if leaf.message:
        yield f"  - {code(leaf.message)}"
    facts = [_link(leaf, blob_url), code(measured(leaf.measurement)) if leaf.measurement else ""]
    line = " · ".join(fact for fact in facts if fact)
    if line:
        yield f"  - {line}"
    if leaf.details:
        yield from _block(leaf.details)
    if leaf.fix:
        yield f"  - {code(leaf.fix)}"


def _short_entry(path: Path, leaf: Verdict) -> list[str]:
    text = f"- {_ICONS[leaf.outcome]} {code(' / '.join((*path, leaf.name)))}"
    return [f"{text} {code(leaf.message)}" if leaf.message else text]


def _link(leaf: Verdict, blob_url: str) -> str:
    if leaf.location is None:
        return ""
    path, line = leaf.location.path, leaf.location.line
    label = code(path if line is None else f"{path}:{line}")
    if not re.fullmatch(r"https?://[^\s()<>]+", blob_url):
        return label
    anchor = "" if line is None else f"#L{line}"
    return f"[{label}]({blob_url.rstrip('/')}/{quote(path)}{anchor})"


def _block(lines: Sequence[str]) -> Iterator[str]:
    """A fenced block inside a list item; the fence is longer than any run of backticks in it."""
    flat = [_flat(line) for line in lines]
    fence = "`" * max(3, 1 + _longest_run("\n".join(flat)))
    yield ""
    yield f"  {fence}text"
    yield from (f"  {line}" for line in flat)
    yield f"  {fence}"


def _cell(text: str) -> str:
    """A code span inside a table, where a bare `|` would end the cell even in code."""
    return code(text.replace("|", "¦")) if text else ""


def code(text: str) -> str:
    """`text` as a code span that nothing in it can end. "" stays ""."""
    flat = _flat(text).strip()
    if not flat:
        return ""
    ticks = "`" * (1 + _longest_run(flat))
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def _flat(text: str) -> str:
    return _CONTROL.sub(" ", text)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
