"""The recorded story of the Kubernetes API: a Lease, the forms of errors, and a question about rights."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from tests.contract.normalise import Names, differences, normal
from tests.contract.recording import Recorded, load
from tests.contract.replay import Report
from tests.contract.servers import Servers

NAME = "06-kubernetes-api"
PATHS = ("/leases", "/things", "/selfsubjectaccessreviews")


def calls() -> list[Recorded]:
    """The recorded calls that stand alone."""
    recorded = [segment.call for segment in load(NAME) if segment.call is not None]
    return [call for call in recorded if any(part in call.path for part in PATHS)]


def play(servers: Servers) -> Report:
    """Send every call again, with the resource versions and identities of these servers in place of the recorded."""
    report = Report()
    ours: dict[str, str] = {}
    for recorded in calls():
        call = _with(recorded, ours)
        account = "garbage" if call.note == "wrong token" else "admin"
        answer = servers.send(call.method, call.path, call.headers, call.body, account)
        report.answers += 1
        found = [] if answer.status_code == call.status else [f"status: recorded {call.status}: {answer.text[:300]}"]
        is_json = call.content_type.startswith("application/json")
        if is_json and not found:
            _learn(ours, call.answer, answer.json())
        theirs = {mine: name for name, mine in ours.items()}
        text = _renamed(answer.text, theirs)
        actual = json.loads(text) if is_json and not found else text
        found += differences(normal(call.answer, Names()), normal(actual, Names())) if not found else []
        report.problems += [f"{NAME}: {call.note}: {call.method} {call.path}: {item}" for item in found]
    return report


def _with(call: Recorded, ours: dict[str, str]) -> Recorded:
    if isinstance(call.body, str):
        return replace(call, body=_renamed(call.body, ours))
    return replace(call, body=json.loads(_renamed(json.dumps(call.body), ours)))


def _learn(ours: dict[str, str], recorded: Any, actual: Any) -> None:
    """Which version and identity here stand for the recorded ones."""
    for key in ("resourceVersion", "uid"):
        name = (recorded.get("metadata") or {}).get(key)
        if name:
            ours[name] = actual["metadata"][key]


def _renamed(text: str, names: dict[str, str]) -> str:
    for name, other in names.items():
        text = re.sub(rf"\b{re.escape(name)}\b", other, text)
    return text
