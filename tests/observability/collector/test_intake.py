"""Into the store: together, one by one when one cannot be kept, not at all when it is in trouble."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headgate.clock import SystemClock
from headgate.errors import ConfigError, LockHeldError, UnreachableError
from observability.cdevents import to_cdevent
from observability.collector import intake
from observability.collector.request import Limits
from observability.events import DeliveryEvent
from observability.store import SqlEventStore, open_store
from tests.observability.collector.samples import BEARER, GITLAB, body_of, sample
from tests.testing.collector_server import serving
from tests.testing.delivery import deployed


class _Broken(SqlEventStore):
    """A store of which everything fails with one error."""

    error: Exception = LockHeldError("locked", where="/secret/path/events.db")

    def append_each(self, batches: Any) -> list[int]:
        raise self.error

    def last_sequence(self) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (LockHeldError("locked", where="/secret/path"), "busy"),
        (UnreachableError("gone", where="/secret/path"), "store"),
        (ConfigError("disk full", where="/secret/path"), "store"),
    ],
)
def test_a_store_in_trouble_is_503_and_nothing_is_acknowledged(
    store: SqlEventStore, error: Exception, result: str
) -> None:
    broken = _Broken(store.database, clock=SystemClock())
    broken.error = error
    with serving(broken) as site:
        answer = site.post("/webhooks/gitlab", body_of("gitlab/deployment_success"), **GITLAB)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert "secret" not in answer.text
        assert site.counted("gitlab", result) == 1
        ready = site.http.get("/readyz")
        assert (ready.status_code, ready.headers["Retry-After"]) == (503, "2")
        assert site.http.get("/healthz").status_code == 200


def test_a_log_that_another_process_keeps_locked_is_busy_until_it_is_free(tmp_path: Path) -> None:
    impatient = open_store("sqlite:///events.db", root=tmp_path, busy_timeout_s=0.05)
    with serving(impatient) as site:
        with closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            answer = site.post("/webhooks/gitlab", body_of("gitlab/deployment_success"), **GITLAB)
            assert (answer.status_code, answer.json()["reason"]) == (503, "busy")
            assert site.http.get("/readyz").status_code == 200  # readers need not wait
            other.execute("rollback")
        assert site.post("/webhooks/gitlab", body_of("gitlab/deployment_success"), **GITLAB).status_code == 202


class _Picky(SqlEventStore):
    """A store that cannot keep one of the commits."""

    def append_each(self, batches: Sequence[Sequence[DeliveryEvent]]) -> list[int]:
        if any(event.commit == "bad" for batch in batches for event in batch):
            raise ConfigError("index row size exceeds maximum")
        return super().append_each(batches)


class _Gate(_Picky):
    """Lets the first transaction wait until the others have gathered behind it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first, self.go, self.sizes = threading.Event(), threading.Event(), list[int]()

    def append_each(self, batches: Sequence[Sequence[DeliveryEvent]]) -> list[int]:
        if not self.first.is_set():
            self.first.set()
            assert self.go.wait(60)
        self.sizes.append(len(batches))
        return super().append_each(batches)


def test_what_waits_is_committed_together_and_one_bad_event_does_not_harm_the_others(store: SqlEventStore) -> None:
    gate = _Gate(store.database, clock=SystemClock())
    with serving(gate) as site:
        answers: list[tuple[str, int]] = []

        def send(commit: str) -> None:
            event = replace(deployed("5 09:00", commit, release=commit), id=commit)
            body = json.dumps(to_cdevent(event)).encode()
            headers = {**BEARER, "content-type": "application/json"}
            answers.append((commit, site.http.post("/events", content=body, headers=headers).status_code))

        threads = [
            threading.Thread(target=send, args=(name,)) for name in ("first", "bad", *(f"c{i}" for i in range(8)))
        ]
        threads[0].start()
        assert gate.first.wait(60)
        for thread in threads[1:]:
            thread.start()
        while site.collector.waiting < 9:
            threading.Event().wait(0.01)
        gate.go.set()
        for thread in threads:
            thread.join(60)
    assert dict(answers) == {"first": 202, "bad": 503} | {f"c{i}": 202 for i in range(8)}
    assert {event.commit for event in store.read()} == {"first", *(f"c{i}" for i in range(8))}
    assert gate.sizes[:2] == [1, 9]


def test_too_many_that_wait_are_sent_away(store: SqlEventStore) -> None:
    assert intake.MOST_WAITING >= intake.MOST_TOGETHER
    digest = hmac.new(b"x", b"", hashlib.sha256).hexdigest()
    with serving(store, limits=Limits(held=10)) as site:
        answer = site.post("/webhooks/github", b"{" + b" " * 50, x_hub_signature_256=f"sha256={digest}")
        assert (answer.status_code, site.counted("github", "busy")) == (503, 1)


def test_a_large_webhook_is_taken_too(store: SqlEventStore) -> None:
    body = sample("gitlab/pipeline_success")
    body["builds"] *= 2000
    text = json.dumps(body).encode()
    assert len(text) > 512 * 1024
    with serving(store) as site:
        answer = site.post("/webhooks/gitlab", text, **GITLAB)
    assert (answer.status_code, answer.json()["new"]) == (202, 1)
