"""One sync operation: render the asked revision, check it, apply it, and say what became of each resource."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cicd.sandbox.argocd.compare import Key, Pair, apply_order, images_of, pair_up, tracked
from cicd.sandbox.argocd.sources import SourceError, Sources
from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref, ref_of
from headgate.errors import HeadgateError

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
TARGET_STATE = "Failed to load target state: failed to generate manifest for source 1 of 1: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an operation ended: `phase` is Succeeded, Failed (an object was refused) or Error (no target state)."""

    phase: str
    message: str
    sync_result: Object


def perform_sync(cluster: Cluster, sources: Sources, live: Mapping[Key, Object], app: Mapping[str, Any]) -> Outcome:
    """Run the application's pending sync operation against the cluster. Never raises for what Git or the user wrote."""
    sync = app["operation"].get("sync") or {}
    source = sync.get("source") or app["spec"]["source"]
    name, namespace = app["metadata"]["name"], app["spec"]["destination"].get("namespace") or "default"
    revision = str(sync.get("revision") or source.get("targetRevision") or "HEAD")
    try:
        revision = sources.resolve(source["repoURL"], revision)
        rendered = sources.render(source, revision, name, namespace)
    except SourceError as error:
        result = {"revision": revision, "source": source}
        return Outcome(phase="Error", message=f"ComparisonError: {TARGET_STATE}{error}", sync_result=result)
    pairs = pair_up((tracked(item, name) for item in rendered.manifests), live, name)
    chosen = apply_order(_selected(pairs, sync.get("resources")))
    dry_run, prune = bool(sync.get("dryRun")), bool(sync.get("prune"))
    refused = [(pair, text) for pair in chosen if pair.target and (text := refusal(pair.target))]
    if refused:
        results = [_pruned(pair, prune=False) for pair in chosen if pair.target is None]
        results += [_result(pair, "SyncFailed", text, "Failed") for pair, text in refused]
        message = f"one or more objects failed to apply, reason: {refused[0][1]}"
        return Outcome(phase="Failed", message=message, sync_result=_sync_result(results, revision, source))
    results = [_apply(cluster, pair, dry_run=dry_run, prune=prune) for pair in chosen]
    failed = next((item for item in results if item["status"] == "SyncFailed"), None)
    if failed is not None:
        message = f"one or more objects failed to apply, reason: {failed['message']}"
        return Outcome(phase="Failed", message=message, sync_result=_sync_result(results, revision, source))
    message = f"successfully synced ({'no more tasks' if dry_run else 'all tasks run'})"
    return Outcome(phase="Succeeded", message=message, sync_result=_sync_result(results, revision, source))


def refusal(target: Mapping[str, Any]) -> str:
    """Why the API server would not take the object; "" when it would."""
    ref = ref_of(target)
    if _SUBDOMAIN.fullmatch(ref.name) and len(ref.name) <= 253:
        return ""
    return (
        f'{ref.kind} "{ref.name}" is invalid: metadata.name: Invalid value: "{ref.name}": a lowercase RFC 1123 subdomain '
        "must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
        f"character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN.pattern}')"
    )


def resource_label(ref: Ref) -> str:
    """`rollout.argoproj.io/name`, as kubectl and Argo CD's messages write it."""
    return f"{ref.kind.lower()}{'.' + ref.group if ref.group else ''}/{ref.name}"


def _selected(pairs: Iterable[Pair], resources: Sequence[Mapping[str, Any]] | None) -> list[Pair]:
    """The resources that a partial sync names; all without such a list."""
    if not resources:
        return list(pairs)
    named = {(str(item.get("group") or ""), str(item.get("kind")), str(item.get("name"))) for item in resources}
    return [pair for pair in pairs if (pair.ref.group, pair.ref.kind, pair.ref.name) in named]


def _apply(cluster: Cluster, pair: Pair, *, dry_run: bool, prune: bool) -> Object:
    label = resource_label(pair.ref)
    if pair.target is None:
        if prune and not dry_run:
            _delete(cluster, pair.ref)
        return _pruned(pair, prune=prune)
    if dry_run:
        verb = "configured" if pair.live else "created"
        return _result(pair, "Synced", f"{label} {verb} (dry run)", "Succeeded")
    before = cluster.get(pair.ref)
    try:
        after = cluster.apply(pair.target)
    except HeadgateError as error:
        return _result(pair, "SyncFailed", str(error), "Failed")
    if before is None:
        verb = "created"
    else:
        same = before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
        verb = "unchanged" if same else "configured"
    # Resources stay "Running" in the result: Argo CD does not wait for their health in the last wave.
    return _result(pair, "Synced", f"{label} {verb}", "Running")


def _delete(cluster: Cluster, ref: Ref) -> None:
    with cluster.locked():
        if cluster.get(ref) is not None:
            cluster.delete(ref)


def _pruned(pair: Pair, *, prune: bool) -> Object:
    if prune:
        return _result(pair, "Pruned", "pruned", "Succeeded")
    return _result(pair, "PruneSkipped", "ignored (requires pruning)", "Succeeded")


def _result(pair: Pair, status: str, message: str, phase: str) -> Object:
    ref = pair.ref
    result: Object = {"group": ref.group, "version": ref.version, "kind": ref.kind, "namespace": ref.namespace}
    result |= {"name": ref.name, "status": status, "message": message, "hookPhase": phase, "syncPhase": "Sync"}
    images = images_of(pair.target or {})
    return result | {"images": images} if images else result


def _sync_result(resources: list[Object], revision: str, source: Mapping[str, Any]) -> Object:
    result: Object = {"resources": resources} if resources else {}
    return result | {"revision": revision, "source": dict(source)}
