"""What an error answer of the Kubernetes API means, in one place; the right that a refused call needs is named."""

from __future__ import annotations

import json
from typing import Any

from deployments.cluster.rights import Right, advice
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    RemoteTimeoutError,
    ServerFaultError,
)
from headgate.http import Response, error_for_status, excerpt
from headgate.secrets import mask


def failure(response: Response, right: Right) -> HeadgateError:
    """The error for a refused call; `right` is what was tried."""
    status, where = response.status, response.where
    body = _status_object(response)
    message = mask(str(body.get("message") or excerpt(response.text) or "no message"))
    tried = f"{right.verb} {right.plural}{f' {right.name}' if right.name else ''}"
    if status == 401:
        return AuthenticationError(
            f"the cluster does not accept the credentials ({message})",
            where=where,
            next_step="Renew the credentials of the user in the kubeconfig (kubernetes.kubeconfig, or $KUBECONFIG).",
        )
    if status == 403 and right.resource == "selfsubjectaccessreviews":
        return AuthenticationError(
            f"the cluster does not say what the account may do: {message}",
            where=where,
            next_step="Put credentials into the kubeconfig; everybody who is known to the cluster may ask this.",
        )
    if status == 403:
        return AuthenticationError(f"the cluster refused to {tried}: {message}", where=where, next_step=advice([right]))
    if status == 404:
        return _not_found(right, message, where, known=bool(body))
    if status == 409:
        return ConflictError(
            f"the cluster could not {tried}: {message}", where=where, next_step="Run the command again: it looks anew."
        )
    if status in {400, 422}:
        return ConfigError(
            f"the cluster does not take this ({tried}): {message}",
            where=where,
            next_step="Check the names in headgate.yaml, and that the versions of the cluster's parts fit Headgate.",
        )
    if status in {408, 504}:
        return RemoteTimeoutError(
            f"the cluster could not {tried} in time: {message}", where=where, next_step="Run the command again."
        )
    if status >= 500:
        return ServerFaultError(
            f"the cluster failed to {tried} (status {status}): {message}",
            where=where,
            next_step="Look at the API server; then run the command again.",
        )
    return error_for_status(response) or ServerFaultError(f"the cluster could not {tried}: {message}", where=where)


def unreadable(response: Response, why: str) -> ServerFaultError:
    """The error for an answer that is none of a Kubernetes API."""
    return ServerFaultError(
        mask(f"this is not an answer of a Kubernetes API ({why}): {excerpt(response.text)[:120]!r}"),
        where=response.where,
        next_step="Check the server in the kubeconfig, and that no proxy answers in its place.",
    )


def _not_found(right: Right, message: str, where: str, *, known: bool) -> NotFoundError:
    if not known:  # "404 page not found" in plain text: no such kind is served
        return NotFoundError(
            f"the cluster serves no {right.resource}.{right.group}",
            where=where,
            next_step="Check that the kubeconfig's context is the right cluster, and that Argo CD and Argo Rollouts are installed.",
        )
    place = {
        "applications": "argocd.app and argocd.namespace",
        "rollouts": "kubernetes.rollout and kubernetes.namespace",
    }.get(right.resource, "kubernetes.namespace")
    return NotFoundError(
        f"there is no {right.resource}.{right.group} {right.name!r} in namespace {right.namespace!r} ({message})",
        where=where,
        next_step=f"Correct {place} in headgate.yaml, or the context of the kubeconfig.",
    )


def _status_object(response: Response) -> dict[str, Any]:
    """The `Status` of an error answer, empty when the body is something else."""
    try:
        body = json.loads(response.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) and body.get("kind") == "Status" else {}
