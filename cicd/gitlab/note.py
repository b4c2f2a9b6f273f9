"""The sticky note: its body, and what has to change for it to be there exactly once. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headgate.secrets import mask

# GitLab takes 1 000 000 characters; a note that long cannot be read, and slows the page for everybody.
MAX_CHARACTERS = 60_000

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MARKER = re.compile(r"<!--\s*headgate:", re.IGNORECASE)
# A line that starts with `/word` is a quick action (/merge, /close, /approve) and would be carried out with the rights
# of our token. What is shown in a note may come from a test's output, that is from whoever wrote the change.
_QUICK_ACTION = re.compile(r"^([ \t>*+-]*)/(?=[A-Za-z])", re.MULTILINE)
_ZERO_WIDTH_SPACE = "\u200b"
_FENCE = re.compile(r"^[ >]{0,8}(`{3,}|~{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingNote:
    """A note that is on the merge request: `author_id` and `is_system` say whether it can be ours."""

    id: int
    body: str
    author_id: int | None = None
    is_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotePlan:
    """What to do: create one, or update `update`, and delete `delete` (surplus copies of ours). All empty: nothing."""

    create: bool = False
    update: int | None = None
    delete: tuple[int, ...] = ()


def marker(key: str) -> str:
    """The hidden line that makes a note ours. Raises `ValueError` for a key that is not lower-case letters, digits, `._-`."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"note key {key!r} may hold lower-case letters, digits, dot, dash and underscore only")
    return f"<!-- headgate:note:{key} -->"


def build_body(key: str, text: str, *, limit: int = MAX_CHARACTERS) -> str:
    """The body of the note: the marker, then `text` masked, harmless, and cut at a line so that all fits in `limit`.

    A cut is said in the last line, and an open code fence is closed. Markers and quick actions inside `text` are taken
    out of force. The result for its own text is the same again.
    """
    head = marker(key) + "\n"
    safe = _QUICK_ACTION.sub(rf"\1{_ZERO_WIDTH_SPACE}/", mask(text).replace("\r\n", "\n").replace("\r", "\n"))
    safe = _MARKER.sub("&lt;!-- headgate:", safe).strip("\n")
    return head + _cut(safe, limit - len(head))


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    remark = f"\n\n_Shortened: {len(text)} characters do not fit here. The whole is in the job's log and reports._"
    kept = text[: max(0, limit - len(remark) - 8)]
    kept = kept[: kept.rfind("\n")] if "\n" in kept else kept
    return kept + _closing_fence(kept) + remark


def _closing_fence(text: str) -> str:
    """What closes a code fence that `text` leaves open."""
    opened = ""
    for match in _FENCE.finditer(text):
        fence = match.group(1)
        if not opened:
            opened = fence
        elif fence[0] == opened[0] and len(fence) >= len(opened):
            opened = ""
    return f"\n{opened}" if opened else ""


def decide_note(existing: Sequence[ExistingNote], key: str, body: str, *, author_id: int | None) -> NotePlan:
    """How to get from `existing` to exactly one note of ours that says `body`.

    Ours are notes that start with the marker and were written by `author_id` (None: unknown, any author). The oldest
    is kept: pipelines that run at the same time then agree on which one. Notes of others are never touched, even if
    they carry the marker.
    """
    own = sorted(
        (note for note in existing if _is_ours(note, key, author_id)),
        key=lambda note: note.id,
    )
    if not own:
        return NotePlan(create=True)
    keep, surplus = own[0], own[1:]
    return NotePlan(
        update=None if _same(keep.body, body) else keep.id,
        delete=tuple(note.id for note in surplus),
    )


def _is_ours(note: ExistingNote, key: str, author_id: int | None) -> bool:
    return (
        not note.is_system
        and note.body.lstrip().startswith(marker(key))
        and (author_id is None or note.author_id == author_id)
    )


def _same(left: str, right: str) -> bool:
    # GitLab trims the end of a body and may turn line ends into CRLF.
    return left.replace("\r\n", "\n").strip() == right.replace("\r\n", "\n").strip()
