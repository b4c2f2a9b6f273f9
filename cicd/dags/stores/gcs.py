"""`gs://` buckets, over the JSON API of Cloud Storage.

A thin client of our own, because it is the fastest with full semantics: generation preconditions on every write and
delete, hashes and generations from the listing, keyless credentials through google-auth. As with Google's clients,
STORAGE_EMULATOR_HOST names another server, which is then used without credentials. As with gcloud,
CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE names another (private) endpoint of the real one, which is given credentials.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Collection, Iterable, Iterator

from cicd.dags.http.swarm import Swarm
from cicd.dags.http.talk import Talk, hold
from cicd.dags.http.wire import Wire
from cicd.dags.model import StoredObject
from cicd.dags.stores.gcs_auth import Credentials, default_credentials
from cicd.dags.stores.gcs_talk import GcsTalks
from cicd.dags.stores.port import Step
from headgate.clock import Clock, SystemClock

PUBLIC_URL = "https://storage.googleapis.com"
_RANGE = 975  # names; somewhat less than a page, so that foreign objects seldom make a second one


class GcsStore:
    """A bucket of Cloud Storage.

    `timeout_s` bounds connecting and every wait for bytes. For what is tried again see `GcsTalks`. `credentials` None
    uses the application default credentials, or nothing with an emulator.
    """

    def __init__(
        self,
        bucket: str,
        *,
        timeout_s: float = 30.0,
        credentials: Credentials | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
        base = (emulator if "://" in emulator else f"http://{emulator}") if emulator else _public_url()
        self._clock = clock or SystemClock()
        self._wire = Wire(base, timeout_s=timeout_s)
        self._swarm = Swarm(self._wire, self._clock)
        proof = credentials or default_credentials(anonymous=bool(emulator))
        self._talks = GcsTalks(bucket, url=self._wire.url, credentials=proof, jitter=jitter)

    def close(self) -> None:
        self._wire.close()

    def list(self, prefix: str, *, expected: Collection[str] = ()) -> tuple[StoredObject, ...]:
        if len(expected) <= _RANGE:
            found = hold(self._talks.list(prefix), self._wire, self._clock)
        else:
            found = []
            ranges = (self._talks.list(prefix, start, end) for start, end in _ranges(expected))
            self._swarm.hold(ranges, found.extend, _allowed)
        # A server that knows no ranges answers each with everything.
        newest = {item.path: item for item in sorted(found, key=lambda item: item.generation)}
        return tuple(newest[path] for path in sorted(newest))

    def read(self, path: str) -> tuple[bytes, int] | None:
        return hold(self._talks.read(path), self._wire, self._clock)

    def write(self, path: str, data: bytes, *, if_generation: int) -> StoredObject:
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return hold(self._talks.write(path, data, md5, if_generation), self._wire, self._clock)

    def delete(self, path: str, *, if_generation: int) -> None:
        hold(self._talks.delete(path, if_generation), self._wire, self._clock)

    def carry_out(
        self,
        steps: Iterable[Step],
        *,
        permit: Callable[[], None],
        done: Callable[[str, StoredObject | None], None],
    ) -> None:
        def ended(result: tuple[str, StoredObject | None]) -> None:
            done(*result)

        self._swarm.hold(map(self._carry_out, steps), ended, permit)

    def _carry_out(self, step: Step) -> Talk[tuple[str, StoredObject | None]]:
        if step.md5 is None:
            yield from self._talks.delete(step.path, step.if_generation)
            return step.path, None
        written = yield from self._talks.write(step.path, step.read(), step.md5, step.if_generation)
        return step.path, written


def _allowed() -> None:
    """Reading needs no permission."""


def _ranges(names: Collection[str]) -> Iterator[tuple[str | None, str | None]]:
    """The whole space of names in ranges with about as many of `names` each. Names are ordered by their bytes."""
    ordered = sorted(names)  # by code points, which is the order of UTF-8
    number = -(-len(ordered) // _RANGE)
    ends = [ordered[len(ordered) * end // number] for end in range(1, number)]
    yield from zip([None, *ends], [*ends, None], strict=True)


def _public_url() -> str:
    """Google's endpoint, or the one that gcloud's users put in its place, with or without the API's path."""
    other = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", "").rstrip("/")
    return other.removesuffix("/storage/v1") or PUBLIC_URL
