"""Rights in a cluster: what a call needs, how it is asked for, and the rule of a Role that grants it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from headgate.errors import AuthenticationError

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One verb on one resource. `name` empty means any name: a Role cannot grant `create` and `list` by name."""

    verb: str
    resource: str
    namespace: str
    group: str = ""
    subresource: str = ""
    name: str = ""

    @property
    def plural(self) -> str:
        """`rollouts/status`, as it is written in a Role."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {self.plural}{group}{named} in namespace {self.namespace}"


def review(right: Right) -> dict[str, Any]:
    """A SelfSubjectAccessReview that asks for a right."""
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }


def is_allowed(answer: object) -> bool:
    """Whether the answer to a review says yes; anything that cannot be read is a no."""
    status = answer.get("status") if isinstance(answer, dict) else None
    return isinstance(status, dict) and status.get("allowed") is True


def role_rules(rights: Iterable[Right]) -> dict[str, list[dict[str, Any]]]:
    """The rules of Roles that grant the rights, by namespace; verbs on the same resource are put together."""
    verbs: dict[Right, list[str]] = {}
    for right in rights:
        verbs.setdefault(replace(right, verb=""), []).append(right.verb)
    roles: dict[str, list[dict[str, Any]]] = {}
    for right, granted in verbs.items():
        rule: dict[str, Any] = {"apiGroups": [right.group], "resources": [right.plural]}
        if right.name:
            rule["resourceNames"] = [right.name]
        roles.setdefault(right.namespace, []).append(rule | {"verbs": list(dict.fromkeys(granted))})
    return roles


def advice(rights: Iterable[Right]) -> str:
    """What to add to which Role, on one line."""
    roles = role_rules(rights)
    parts = [
        f"in namespace {namespace}: {'; '.join(_inline(rule) for rule in rules)}" for namespace, rules in roles.items()
    ]
    return f"Add to a Role of the account, {'; and '.join(parts)}."


def missing_rights(missing: Iterable[Right], where: str) -> AuthenticationError:
    """The error that names every right that is missing."""
    listed = tuple(missing)
    names = ", ".join(str(right) for right in listed)
    return AuthenticationError(f"the account may not {names}", where=where, next_step=advice(listed))


def _inline(rule: dict[str, Any]) -> str:
    parts = [f"{key}: [{', '.join(_quoted(value) for value in values)}]" for key, values in rule.items()]
    return f"{{{', '.join(parts)}}}"


def _quoted(value: str) -> str:
    return value or '""'
