"""The vocabulary of short records: which keys mean what, and which words for a status. Pure, tables only.

The first name of each row is the one the documentation uses; the others are how the same thing is written elsewhere.
The JSON Schemas are made from these tables, so they cannot say anything else than the parser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TYPES: Mapping[str, str] = {
    "deployment": "deployment",
    "deploy": "deployment",
    "rollback": "rollback",
    "change": "change",
    "merge_request": "change",
    "pull_request": "change",
    "commit": "change",
    "incident": "incident",
    "outage": "incident",
}
TYPE_NAMES = ("type", "kind", "record", "record_type", "event", "event_type")

_GENERIC_TIMES = ("at", "occurred_at", "time", "timestamp", "date")
_SERVICE = ("service", "service_name", "app", "application", "component")
_ENVIRONMENT = ("environment", "environment_name", "target_environment", "env")
_STATUS = ("status", "outcome", "result", "state", "conclusion")
_COMMIT = (
    "commit", "sha", "commit_sha", "commit_id", "commit_hash", "hash", "revision", "head_sha", "git_sha", "git_commit",
    "source_commit",
)  # fmt: skip
_COMMITTED = ("committed_at", "commit_time", "commit_at", "committed_date", "commit_date", "authored_at")
_COMMON: Mapping[str, Sequence[str]] = {
    "source": ("source",),
    "url": ("url", "web_url", "link"),
    "team": ("team",),
    "data": ("data", "metadata", "extra"),
}

FIELDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "deployment": {
        "id": ("id", "deployment_id", "deploy_id"),
        "service": _SERVICE,
        "environment": _ENVIRONMENT,
        "status": _STATUS,
        "at": (
            "deployed_at", "finished_at", "completed_at", "ended_at", "end_time", "live_at", *_GENERIC_TIMES,
            "created_at", "started_at", "start_time",
        ),
        "commit": _COMMIT,
        "committed_at": _COMMITTED,
        "commits": ("commits", "commit_list"),
        "changes": ("changes", "change_ids", "merge_requests", "pull_requests", "change", "change_id", "merge_request", "pull_request"),
        "version": ("version", "tag", "image_tag"),
        "artifact": ("artifact", "artifact_id", "purl", "image", "digest"),
        "message": ("message", "commit_message"),
        "retry_of": ("retry_of",),
        "run": ("run", "run_id", "pipeline", "pipeline_id", "build_id"),
        "attempt": ("attempt", "run_attempt"),
        "unplanned": ("unplanned", "hotfix", "is_hotfix", "rework", "emergency"),
        "planned": ("planned",),
        "rollback_of": ("rollback_of", "rolls_back"),
        "rollback": ("rollback", "is_rollback"),
        "rolled_back_at": ("rolled_back_at", "reverted_at"),
        "failed_at": ("failed_at",),
        "fixes": ("fixes", "fixes_incident", "resolves_incident", "remediates"),
        **_COMMON,
    },
    "rollback": {
        "id": ("id", "rollback_id"),
        "service": _SERVICE,
        "environment": _ENVIRONMENT,
        "status": _STATUS,
        "at": ("rolled_back_at", "finished_at", "completed_at", "ended_at", *_GENERIC_TIMES, "created_at", "started_at"),
        "deployment": ("deployment", "rollback_of", "rolls_back", "deployment_id", "release", "of"),
        "commit": _COMMIT,
        "failed_at": ("failed_at",),
        **_COMMON,
    },
    "change": {
        "id": ("id", "change_id", "number", "iid"),
        "service": _SERVICE,
        "services": ("services",),
        "repository": ("repository", "repo", "project"),
        "status": _STATUS,
        "merged_at": ("merged_at", "finished_at", "completed_at"),
        "at": (*_GENERIC_TIMES, "created_at", "opened_at"),
        "commit": (
            "merge_commit", "merge_commit_sha", "squash_commit", "squash_commit_sha", "squash_sha", "merge_sha", "merged_as",
            *_COMMIT,
        ),
        "committed_at": _COMMITTED,
        "commits": ("commits", "commit_list"),
        "message": ("message", "commit_message"),
        "paths": ("paths", "files", "changed_files"),
        **_COMMON,
    },
    "incident": {
        "id": ("id", "incident_id", "number"),
        "service": (*_SERVICE, "services"),
        "environment": _ENVIRONMENT,
        "status": _STATUS,
        "started_at": ("started_at", "detected_at", "opened_at", "reported_at", "triggered_at", "start_time", "start", "created_at"),
        "at": _GENERIC_TIMES,
        "resolved_at": (
            "resolved_at", "recovered_at", "restored_at", "mitigated_at", "finished_at", "ended_at", "end_time", "end",
            "closed_at",
        ),
        "deployment": (
            "deployment", "deployment_id", "caused_by", "caused_by_deployment", "caused_by_deployment_id", "release",
            "release_id",
        ),
        "commit": _COMMIT,
        "artifact": ("artifact", "artifact_id", "purl", "image", "digest"),
        **_COMMON,
    },
}  # fmt: skip

_DONE = "success succeeded successful ok passed complete completed finished done deployed live healthy active"
_UNFINISHED = "pending created running started in_progress queued waiting scheduled deploying blocked manual"
DEPLOYMENT_STATUS: Mapping[str, str] = {
    **dict.fromkeys(_DONE.split(), "success"),
    **dict.fromkeys(["failure", "failed", "fail", "failing", "aborted", "broken", "degraded", "unhealthy"], "failure"),
    **dict.fromkeys(["error", "errored", "unknown", "undetermined"], "error"),
    **dict.fromkeys(["canceled", "cancelled", "skipped", "withdrawn"], "canceled"),
    **dict.fromkeys(["rolled_back", "rolledback", "reverted"], "rolled_back"),
    **dict.fromkeys(_UNFINISHED.split(), "unfinished"),
}
CHANGE_STATUS: Mapping[str, str] = {
    **dict.fromkeys(["merged", "success", "succeeded", "done", "completed"], "merged"),
    **dict.fromkeys(["open", "opened", "created", "draft", "reopened", "pending"], "open"),
    **dict.fromkeys(["closed", "abandoned", "rejected", "canceled", "cancelled", "declined", "locked"], "closed"),
}
INCIDENT_STATUS: Mapping[str, str] = {
    **dict.fromkeys(
        [
            "open",
            "opened",
            "active",
            "firing",
            "triggered",
            "acknowledged",
            "detected",
            "reported",
            "investigating",
            "ongoing",
            "new",
            "created",
        ],
        "open",
    ),
    **dict.fromkeys(
        ["resolved", "closed", "done", "fixed", "recovered", "restored", "mitigated", "success", "completed"],
        "resolved",
    ),
    **dict.fromkeys(
        ["canceled", "cancelled", "dismissed", "false_positive", "false_alarm", "invalid", "duplicate"], "dismissed"
    ),
}
