"""Results of the DAG commands as plain data and as text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cicd.dags.breakers import Breaker, tell
from cicd.dags.documents import LockDocument
from cicd.dags.drift import Drift
from cicd.dags.ledger import Books
from cicd.dags.model import Action, Change, Manifest
from headgate.clock import format_timestamp

_NAMED = 40
_SIGNS = {Action.ADD: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.ADOPT: "=", Action.FORGET: "x"}


def changes_data(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """The steps in order."""
    return [
        {
            "wave": change.wave,
            "action": change.action.value,
            "kind": change.kind.value,
            "path": change.path,
            "size": change.size,
        }
        for change in changes
    ]


def counts(changes: Iterable[Change]) -> dict[str, int]:
    """How many steps of each action, actions without steps left out."""
    found = Counter(change.action for change in changes)
    return {action.value: found[action] for action in Action if found[action]}


def plan_data(
    place: dict[str, Any], *, before: Manifest | None, commit: str, changes: Sequence[Change], after: Manifest | None
) -> dict[str, Any]:
    """One target's part of the result of plan, push and rollback; `after` is None when nothing was carried out."""
    return {
        **place,
        "commit": commit,
        "before": before.release if before else None,
        "release": after.release if after else None,
        "live_commit": (after or before).commit if (after or before) else None,  # type: ignore[union-attr]
        "changed": bool(changes),
        "counts": counts(changes),
        "changes": changes_data(changes),
    }


def plan_text(part: dict[str, Any]) -> str:
    """The same for a person. A plan names every change, a delivery that is done only so many."""
    where = where_text(part)
    if not part["changed"]:
        return (
            f"{where}: nothing to do; {part['release'] or part['before']} (commit {part['live_commit'][:12]})"
            f" already holds exactly the files of {part['commit'][:12]}"
        )
    steps = [f"  {step['wave']:>2}  {_SIGNS[Action(step['action'])]} {step['path']}" for step in part["changes"]]
    tally = ", ".join(f"{number} {action}" for action, number in part["counts"].items())
    if part["release"]:
        if len(steps) > _NAMED:
            steps[_NAMED:] = [f"      and {len(steps) - _NAMED} more; -o json names them all"]
        return "\n".join([f"{where}: {part['release']} is in force, commit {part['commit'][:12]} ({tally})", *steps])
    return "\n".join([f"{where}: commit {part['commit'][:12]} after {part['before'] or 'nothing'} ({tally})", *steps])


def status_data(
    place: dict[str, Any], books: Books, drift: Sequence[Drift], foreign: Sequence[str], lock: LockDocument | None
) -> dict[str, Any]:
    """One target's part of status."""
    manifest = books.manifest
    unfinished = (
        books.claims.release if books.claims and (not manifest or books.claims.release != manifest.release) else None
    )
    return {
        **place,
        "release": manifest.release if manifest else None,
        "commit": manifest.commit if manifest else None,
        "committed_at": _time(manifest.committed_at) if manifest else None,
        "released_at": _time(manifest.created_at) if manifest else None,
        "restores": manifest.restores if manifest else None,
        "files": len(manifest.files) if manifest else 0,
        "drift": len(drift),
        "foreign": len(foreign),
        "unfinished": unfinished,
        "locked_by": lock.holder if lock else None,
    }


def breakers_data(found: Sequence[Breaker]) -> dict[str, Any]:
    """What breaks or slows the sync to Airflow's machines, each finding, and in words."""
    return {
        "sync_breakers": [{"rule": item.rule.value, "path": item.path, "breaks": item.breaks} for item in found],
        "sync_warnings": list(tell(found)),
    }


def status_text(part: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [where_text(part)]
    if part["release"] is None:
        lines.append("  nothing was delivered here yet")
    else:
        restored = f", brought back from {part['restores']}" if part["restores"] else ""
        lines.append(f"  {part['release']} in force since {part['released_at']}: {part['files']} files{restored}")
        lines.append(f"  commit {part['commit']} of {part['committed_at'] or 'unknown time'}")
        lines.append(f"  drift: {part['drift'] or 'none'}; objects of others: {part['foreign'] or 'none'}")
    if part["unfinished"]:
        lines.append(f"  {part['unfinished']} is unfinished: push again to complete it")
    if part["locked_by"]:
        lines.append(f"  locked by {part['locked_by']}")
    lines += [f"  {line}" for line in part["sync_warnings"]]
    return "\n".join(lines)


def history_data(place: dict[str, Any], manifest: Manifest | None) -> dict[str, Any]:
    """One target's part of history, newest first; the first is in force."""
    if manifest is None:
        return {**place, "releases": []}
    rows = [(manifest.release, manifest.commit, manifest.created_at, manifest.restores)]
    rows += [(past.release, past.commit, past.created_at, past.restores) for past in manifest.history]
    return {
        **place,
        "releases": [
            {
                "release": release,
                "commit": commit,
                "released_at": _time(at),
                "restores": restores,
                "in_force": index == 0,
            }
            for index, (release, commit, at, restores) in enumerate(rows)
        ],
    }


def drift_data(place: dict[str, Any], drift: Iterable[Drift]) -> dict[str, Any]:
    """One target's part of drift."""
    return {
        **place,
        "drift": [
            {
                "kind": item.kind.value,
                "path": item.path,
                "generation": _generation(item.generation),
                "updated": _time(item.updated),
            }
            for item in drift
        ],
    }


def drift_text(part: dict[str, Any]) -> str:
    """The same for a person."""
    if not part["drift"]:
        return f"{where_text(part)}: no drift"
    lines = [f"{where_text(part)}: {len(part['drift'])} object(s) differ from the release in force"]
    for item in part["drift"]:
        when = f"  generation {item['generation']}, {item['updated'] or 'time unknown'}" if item["generation"] else ""
        lines.append(f"  {item['kind']:<10} {item['path']}{when}")
    return "\n".join(lines)


def _generation(number: int | None) -> int | str | None:
    """As the store shows it: a number, or the ETag that a number beyond 64 bits stands for."""
    if number is None or number < 1 << 63:
        return number
    from cicd.dags.stores.s3 import etag_of

    return etag_of(number)


def where_text(part: dict[str, Any]) -> str:
    """What a target is called in front of its result."""
    name = f"{part['environment']} " if part["environment"] else ""
    return f"{name}{part['target']} [{part['project']}]"


def _time(moment: Any) -> str | None:
    return format_timestamp(moment) if moment is not None else None
