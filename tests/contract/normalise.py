"""Recorded and sandbox answers brought to one form, and what is different between them.

Volatile values (times, identifiers, hashes, addresses) are replaced by words; everything else is compared as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
_IP = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b")
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
_POD = re.compile(r"(<pods of [^>]+>)-[a-z0-9]+")
_SLICE = re.compile(r"((?:canary|stable|active|preview))-[a-z0-9]{5}\b")

# Fields whose value is the server's own business, whatever it is.
_VOLATILE_KEYS = frozenset({"uid", "resourceVersion", "currentStepHash", "nonce"})
# Values of the servers' versions and machines.
_VERSION_KEYS = frozenset(
    {"Version", "BuildDate", "GoVersion", "Compiler", "Platform", "KustomizeVersion", "HelmVersion", "JsonnetVersion"}
)
# The two ends of a fetch both complain, in either order.
_FETCH = re.compile(r"(fatal: remote error: upload-pack: not our ref \w+)\n(fatal: git upload-pack: not our ref \w+)")


class Names:
    """What the volatile names of one side mean: commits by recorded revision, pod hashes by what they run."""

    def __init__(self) -> None:
        self.commits: dict[str, str] = {}
        self.pods: dict[str, str] = {}

    def learn(self, image: str, pod_hash: str) -> None:
        """Note the pod hash under which an image runs."""
        self.pods.setdefault(pod_hash, f"<pods of {image}>")

    def text(self, value: str) -> str:
        """One string with its volatile parts replaced."""
        value = _FETCH.sub(r"\2\n\1", value)
        value = _COMMIT.sub(lambda match: self.commits.get(match[0], match[0]), value)
        for pod_hash, meaning in self.pods.items():
            value = value.replace(pod_hash, meaning)
        value = _POD.sub(r"\1-<pod>", value)
        value = _SLICE.sub(r"\1-<slice>", value)
        return _UUID.sub("<uuid>", _IP.sub("<address>", _TIME.sub("<time>", value)))


def normal(value: Any, names: Names, key: str = "") -> Any:
    """The value with its volatile parts replaced; hooks (the sandbox runs none), managedFields and empty lists left
    out."""
    if key in _VOLATILE_KEYS:
        return f"<{key}>"
    if key in _VERSION_KEYS:
        return "<version>"
    if isinstance(value, dict):
        result = {name: normal(item, names, name) for name, item in value.items() if name != "managedFields"}
        if "conditions" in result and isinstance(result["conditions"], list):
            result["conditions"].sort(key=lambda item: str(item.get("type")))
        return {name: item for name, item in result.items() if item != []}
    if isinstance(value, list):
        items = [normal(item, names) for item in value if not _is_hook(item)]
        return sorted(items, key=_identity) if all(isinstance(item, dict) for item in items) else items
    if isinstance(value, str) and key == "manifest":
        return normal(json.loads(value), names)
    if isinstance(value, str) and key == "token":
        return "<token>" if value == "<token>" or _JWT.fullmatch(value) else value
    return names.text(value) if isinstance(value, str) else value


def _is_hook(item: Any) -> bool:
    return isinstance(item, dict) and bool(item.get("hook") or item.get("hookType"))


def _identity(item: Mapping[str, Any]) -> str:
    """What an element of a list is, so that order does not matter where the server gives none."""
    parts = [item.get(key) for key in ("group", "kind", "name", "type", "id")]
    return json.dumps(parts, sort_keys=True, default=str) if any(part is not None for part in parts) else ""


def differences(recorded: Any, actual: Any, path: str = "$") -> Iterator[str]:
    """Every difference as `path: recorded … but …`; both values must be normal."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        for key in sorted(recorded.keys() | actual.keys()):
            if key not in actual:
                yield f"{path}.{key}: recorded {_short(recorded[key])} but it is missing"
            elif key not in recorded:
                yield f"{path}.{key}: not recorded but {_short(actual[key])}"
            else:
                yield from differences(recorded[key], actual[key], f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(actual, list):
        yield from _list_differences(recorded, actual, path)
    elif recorded != actual or type(recorded) is not type(actual):
        yield f"{path}: recorded {_short(recorded)} but {_short(actual)}"


def _list_differences(recorded: list[Any], actual: list[Any], path: str) -> Iterator[str]:
    if len(recorded) != len(actual):
        names = [[_label(item) for item in side] for side in (recorded, actual)]
        yield f"{path}: recorded {len(recorded)} elements {names[0]} but {len(actual)} {names[1]}"
        return
    for index, (left, right) in enumerate(zip(recorded, actual, strict=True)):
        yield from differences(left, right, f"{path}[{_label(left) or index}]")


def _label(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    kind = item.get("kind") or item.get("type") or ""
    return f"{kind} {item.get('name') or ''}".strip()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 900 else text[:897] + "..."
