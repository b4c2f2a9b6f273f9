"""The watch stream: the application as it is, then its changes; only what was asked for; not without a token."""

from __future__ import annotations

import json

from tests.contract.replay import Report
from tests.contract.servers import Servers
from tests.contract.steps import refresh

FIELDS = "result.type,result.application.metadata.name,result.application.status.reconciledAt"

NO_TOKEN = {
    "grpc_code": 16,
    "http_code": 401,
    "message": "no session information",
    "http_status": "Unauthorized",
}
"""Not the form of the other endpoints."""


def play(servers: Servers, app: str) -> Report:
    """Watch `app`, which must be there, while it is refreshed."""
    report = Report()
    path = f"/api/v1/stream/applications?name={app}&projects=default&fields={FIELDS}"
    with servers.stream(path, "reader") as lines:
        first = json.loads(next(lines))["result"]
        servers.advance(2)
        refresh(app)(servers)
        second = json.loads(next(lines))["result"]
    report.answers += 2
    for event, kind in ((first, "ADDED"), (second, "MODIFIED")):
        application = event.get("application") or {}
        shape = {"type": kind, "application": {"metadata": {"name": app}, "status": application.get("status")}}
        if event != shape or list(application.get("status") or ()) != ["reconciledAt"]:
            report.problems.append(f"stream: not a {kind} of the fields that were asked for: {event}")
    if first == second:
        report.problems.append(f"stream: nothing changed: {second}")
    refused = servers.send("GET", path.partition("&fields")[0], {}, None, "reader")
    filtered = servers.send("GET", path, {}, None, "reader")
    report.answers += 2
    if (refused.status_code, refused.json()) != (401, {"error": NO_TOKEN}):
        report.problems.append(f"stream: without a token: {refused.status_code} {refused.text}")
    if (filtered.status_code, filtered.json()) != (401, {}):
        report.problems.append(f"stream: without a token, with fields: {filtered.status_code} {filtered.text}")
    return report
