"""The `Status` objects that Kubernetes answers errors with, in the recorded words. Pure."""

from __future__ import annotations

from typing import Any

from cicd.sandbox.kubernetes.api_resources import Resource

Object = dict[str, Any]
NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


class StatusError(Exception):
    """An answer that is an error: `code` is the HTTP status, `body` the Status object."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": details} if details else {}),
            "code": code,
        }


def _details(resource: Resource, name: str, kind: str | None = None) -> Object:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": kind or resource.plural}


def not_found(resource: Resource, name: str) -> StatusError:
    return StatusError(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(resource, name))


def modified(resource: Resource, name: str) -> StatusError:
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return StatusError(409, "Conflict", message, _details(resource, name))


def precondition(resource: Resource, name: str, field: str, wanted: str, found: str) -> StatusError:
    message = (
        f'Operation cannot be fulfilled on {resource.qualified_kind} "{name}": the {field} in the precondition '
        f"({wanted}) does not match the {field} in record ({found}). The object might have been modified"
    )
    return StatusError(409, "Conflict", message, _details(resource, name, resource.kind))


def bad_name(resource: Resource, name: str) -> StatusError:
    return invalid(resource, name, "metadata.name", f'Invalid value: "{name}": {NAME_RULE}')


def invalid(resource: Resource, name: str, field: str, problem: str) -> StatusError:
    message = f'{resource.qualified_kind} "{name}" is invalid: {field}: {problem}'
    cause = {"reason": "FieldValueInvalid", "message": problem, "field": field}
    details = {**_details(resource, name, resource.kind), "causes": [cause]}
    return StatusError(422, "Invalid", message, details)


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unsupported_media_type(content_type: str, known: tuple[str, ...]) -> StatusError:
    message = (
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(known)}"
        if content_type
        else "the request has no Content-Type"
    )
    return StatusError(415, "UnsupportedMediaType", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, resource: Resource, namespace: str, name: str) -> StatusError:
    named = f' "{name}"' if name else ""
    where = f' in the namespace "{namespace}"' if resource.namespaced and namespace else " at the cluster scope"
    message = (
        f'{resource.qualified}{named} is forbidden: User "{user}" cannot {verb} resource "{resource.plural}" '
        f'in API group "{resource.group}"{where}'
    )
    group = {"group": resource.group} if resource.group else {}
    named_details = {"name": name} if name else {}
    return StatusError(403, "Forbidden", message, {**named_details, **group, "kind": resource.plural})


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)
