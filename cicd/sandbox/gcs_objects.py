"""The objects of the Cloud Storage stand-in: generations, metagenerations and preconditions."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module, util
from pathlib import Path
from typing import Any

from cicd.sandbox.answers import Answer
from cicd.sandbox.object_server import StoreError
from headgate.clock import Clock, format_timestamp, parse_timestamp


class GcsError(StoreError):
    """An error answer as Cloud Storage documents it (https://cloud.google.com/storage/docs/json_api/v1/status-codes)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    def answer(self) -> Answer:
        detail = {"message": str(self), "domain": "global", "reason": self.reason}
        fields = {"error": {"code": self.status, "message": str(self), "errors": [detail]}}
        return Answer(status=self.status, body=b"" if self.status == 304 else json.dumps(fields).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class GcsObject:
    """One live object; `created` is RFC 3339 text, the hashes are in base64 as in the API's fields of those names."""

    name: str
    data: bytes
    generation: int
    metageneration: int
    content_type: str
    created: str
    md5: str
    crc32c: str | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None

    def resource(self, bucket: str) -> dict[str, Any]:
        """The object resource of the JSON API."""
        fields = {
            "kind": "storage#object",
            "id": f"{bucket}/{self.name}/{self.generation}",
            "name": self.name,
            "bucket": bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "contentType": self.content_type,
            "contentEncoding": self.encoding,
            "storageClass": "STANDARD",
            "size": str(len(self.data)),
            "md5Hash": self.md5,
            "crc32c": self.crc32c,
            "etag": base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode(),
            "timeCreated": self.created,
            "updated": self.created,
            "metadata": dict(self.metadata) or None,
        }
        return {key: value for key, value in fields.items() if value is not None}


class GcsBucket:
    """The live objects of one bucket, in memory or, with `folder`, in files that survive a restart. Thread-safe."""

    def __init__(self, name: str, clock: Clock, folder: Path | None = None) -> None:
        self.name = name
        self._clock = clock
        self._folder = folder
        self._mutex = threading.RLock()
        self._objects: dict[str, GcsObject] = {}
        self._ordered: tuple[GcsObject, ...] | None = None
        self._last_change: tuple[str, GcsObject | None] | None = None
        self._last_generation = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._load(folder)

    def list(self, *, stale: bool = False) -> tuple[GcsObject, ...]:
        """All objects ordered by name; with `stale` as they were before the last change."""
        with self._mutex:
            if stale and self._last_change is not None:
                name, before = self._last_change
                objects = {**self._objects, name: before}
                return tuple(item for name in sorted(objects, key=str.encode) if (item := objects[name]) is not None)
            if self._ordered is None:
                self._ordered = tuple(self._objects[name] for name in sorted(self._objects, key=str.encode))
            return self._ordered

    def get(self, name: str, params: Mapping[str, str]) -> GcsObject:
        with self._mutex:
            found = self._objects.get(name)
            if found is None or params.get("generation", str(found.generation)) != str(found.generation):
                raise GcsError(404, "notFound", f"No such object: {self.name}/{name}")
            _check(found, params, reading=True)
            return found

    def put(
        self,
        name: str,
        data: bytes,
        content_type: str,
        params: Mapping[str, str],
        metadata: Mapping[str, str] | None = None,
    ) -> GcsObject:
        if not name or len(name.encode()) > 1024 or "\n" in name or "\r" in name:
            raise GcsError(400, "invalid", f"The object name {name[:50]!r} is not valid.")
        with self._mutex:
            _check(self._objects.get(name), params, reading=False)
            now = self._clock.now()
            # Real generations are microseconds too, but that is not promised; what is promised is that they differ.
            self._last_generation = max(int(now.timestamp() * 1_000_000), self._last_generation + 1)
            fresh = GcsObject(
                name=name,
                data=data,
                generation=self._last_generation,
                metageneration=1,
                content_type=content_type,
                created=format_timestamp(now),
                **_hashes(data),
                metadata=metadata or {},
                encoding=params.get("contentEncoding"),
            )
            self._set(name, fresh)
            return fresh

    def delete(self, name: str, params: Mapping[str, str]) -> None:
        with self._mutex:
            self.get(name, {key: value for key, value in params.items() if key == "generation"})
            _check(self._objects.get(name), params, reading=False)
            self._set(name, None)

    def _set(self, name: str, fresh: GcsObject | None) -> None:
        self._last_change = (name, self._objects.pop(name, None))
        self._ordered = None
        if fresh is not None:
            self._objects[name] = fresh
        if self._folder is not None:
            self._save(self._folder / hashlib.sha256(name.encode()).hexdigest(), fresh)

    @staticmethod
    def _save(stem: Path, fresh: GcsObject | None) -> None:
        data, fields = stem.with_suffix(".data"), stem.with_suffix(".json")
        if fresh is None:
            fields.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
            return
        data.write_bytes(fresh.data)
        facts = {"name": fresh.name, "generation": fresh.generation, "metageneration": fresh.metageneration}
        more = {"metadata": dict(fresh.metadata), "encoding": fresh.encoding}
        fields.write_text(json.dumps({**facts, "content_type": fresh.content_type, "created": fresh.created, **more}))

    def _load(self, folder: Path) -> None:
        for path in sorted(folder.glob("*.json")):
            fields = json.loads(path.read_text())
            parse_timestamp(fields["created"])
            data = path.with_suffix(".data").read_bytes()
            found = GcsObject(**fields, data=data, **_hashes(data))
            self._objects[found.name] = found
            self._last_generation = max(self._last_generation, found.generation)

    def snapshot(self) -> tuple[GcsObject, ...]:
        """The objects as they are now, for `restore`."""
        return self.list()

    def restore(self, objects: Iterable[GcsObject]) -> None:
        """Put the bucket back to a snapshot. Generations go on rising."""
        with self._mutex:
            wanted = {item.name: item for item in objects}
            for name in [name for name in self._objects if name not in wanted]:
                self._set(name, None)
            for name, item in wanted.items():
                self._set(name, item)

    def patch(self, name: str, changes: Mapping[str, str | None], params: Mapping[str, str]) -> GcsObject:
        """Change the custom metadata, None removes a key; the generation stays."""
        with self._mutex:
            found = self.get(name, {})
            _check(found, params, reading=False)
            kept = {key: value for key, value in {**found.metadata, **changes}.items() if value is not None}
            fresh = replace(found, metageneration=found.metageneration + 1, metadata=kept)
            self._set(name, fresh)
            return fresh

    def touch_metadata(self, name: str) -> None:
        """Raise the metageneration, as a metadata change by somebody else does."""
        self.patch(name, {}, {})


def _hashes(data: bytes) -> dict[str, Any]:
    """The fields `md5` and `crc32c`; the latter None without the package google-crc32c."""
    crc32c = _crc32c()
    return {
        "md5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
        "crc32c": base64.b64encode(crc32c(data).to_bytes(4, "big")).decode() if crc32c else None,
    }


@cache
def _crc32c() -> Callable[[bytes], int] | None:
    if util.find_spec("google_crc32c") is None:
        return None
    function: Callable[[bytes], int] = import_module("google_crc32c").value
    return function


def _check(found: GcsObject | None, params: Mapping[str, str], *, reading: bool) -> None:
    """https://cloud.google.com/storage/docs/request-preconditions: a missing object is of generation 0."""
    generation = found.generation if found else 0
    metageneration = found.metageneration if found else 0
    for name, actual in (("Generation", generation), ("Metageneration", metageneration)):
        match, not_match = params.get(f"if{name}Match"), params.get(f"if{name}NotMatch")
        if match is not None and _number(match) != actual:
            raise GcsError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        if not_match is not None and _number(not_match) == actual:
            status = 304 if reading else 412
            raise GcsError(status, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def _number(text: str) -> int:
    if not text.lstrip("-").isdigit():
        raise GcsError(400, "invalidParameter", f"Invalid value for a precondition: {text[:50]!r}")
    return int(text)
