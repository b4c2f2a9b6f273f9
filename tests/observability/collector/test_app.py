"""The collector on a real port: what is taken, what is refused and counted, slow and lying senders, a store in trouble."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete

from headgate.clock import SystemClock
from headgate.errors import ConfigError, LockHeldError, UnreachableError
from observability.cdevents import to_cdevent, to_cloudevent
from observability.collector import intake
from observability.collector.request import Limits
from observability.collector.verify import Scheme
from observability.events import DeliveryEvent
from observability.schema import events
from observability.store import SqlEventStore, open_store
from tests.observability.collector.samples import headers, sample
from tests.testing.collector_server import SECRETS, Served, serving
from tests.testing.delivery import deployed
from tests.testing.webhooks import prove

TOKEN = SECRETS["HEADGATE_COLLECTOR_TOKEN"]
BEARER = {"authorization": f"Bearer {TOKEN}"}
GITLAB = {"x_gitlab_token": SECRETS["HEADGATE_GITLAB_WEBHOOK_TOKEN"]}
EVENT = deployed("5 09:00", "c9", release="r9")
LIMITS = Limits(body=64 * 1024, body_s=0.5, header_s=0.5)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SqlEventStore:
    return open_store("sqlite:///events.db", root=tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def running(log: SqlEventStore) -> Iterator[Served]:
    with serving(log, limits=LIMITS) as served:
        yield served


@pytest.fixture
def store(log: SqlEventStore) -> SqlEventStore:
    """The log, empty again."""
    with log.database.writing() as connection:
        connection.execute(delete(events))
    return log


@pytest.fixture
def site(running: Served, store: SqlEventStore) -> Served:
    """The server on the empty log, its counts from here on."""
    running.mark()
    return running


def body_of(name: str) -> bytes:
    return json.dumps(sample(name)).encode()


def proof(name: str, body: bytes) -> dict[str, str]:
    scheme, variable = {
        "gitlab": (Scheme.GITLAB_TOKEN, "HEADGATE_GITLAB_WEBHOOK_TOKEN"),
        "github": (Scheme.GITHUB, "HEADGATE_GITHUB_WEBHOOK_SECRET"),
        "bitbucket": (Scheme.BITBUCKET, "HEADGATE_BITBUCKET_WEBHOOK_SECRET"),
        "pagerduty": (Scheme.PAGERDUTY, "HEADGATE_PAGERDUTY_WEBHOOK_SECRET"),
    }.get(name.partition("/")[0], (Scheme.BEARER, "HEADGATE_COLLECTOR_TOKEN"))
    return prove(scheme, SECRETS[variable], body, datetime.now(UTC))


SAMPLES = [
    "gitlab/deployment_success",
    "github/deployment_status_success",
    "bitbucket/repo_push",
    "jenkins/completed",
    "jenkins/cdevents_plugin",
    "argocd/deployed",
    "alertmanager/resolved",
    "pagerduty/resolved",
]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_webhook_is_in_the_log_once_and_only_with_its_proof(site: Served, store: SqlEventStore, name: str) -> None:
    body, path = body_of(name), f"/webhooks/{name.partition('/')[0]}"
    told = dict(headers(name))
    for wrong in (
        {},
        dict.fromkeys(proof(name, body), "wrong"),
        proof(name, body + b" ") if "gitlab" not in name else {},
    ):
        if "authorization" in wrong and wrong["authorization"] != "wrong":
            continue  # a token says nothing about the body
        refused = site.http.post(path, content=body, headers={**told, **wrong})
        assert (refused.status_code, store.last_sequence()) == (401, 0)
        assert "WWW-Authenticate" in refused.headers
    first = site.http.post(path, content=body, headers={**told, **proof(name, body)})
    assert (first.status_code, first.json()["status"]) == (202, "recorded")
    count = len(list(store.read()))
    assert count == first.json()["events"] == first.json()["new"]
    again = site.http.post(path, content=body, headers={**told, **proof(name, body)})
    assert (again.status_code, again.json()["status"], len(list(store.read()))) == (200, "known", count)
    sender = name.partition("/")[0]
    assert (site.counted(sender, "recorded"), site.counted(sender, "known")) == (1, 1)
    assert site.counted(sender, "unauthorised") >= 2


@pytest.mark.parametrize("form", [to_cloudevent, to_cdevent])
@pytest.mark.parametrize("path", ["/events", "/webhooks/cdevents"])
def test_a_cdevent_is_in_the_log_once(site: Served, store: SqlEventStore, form: Any, path: str) -> None:
    body = json.dumps(form(EVENT)).encode()
    first, second = site.post(path, body, **BEARER), site.post(path, body, **BEARER)
    assert (first.status_code, first.json()) == (202, {"status": "recorded", "id": EVENT.id, "events": 1, "new": 1})
    assert (second.status_code, second.json()["status"]) == (200, "known")
    assert list(store.read()) == [EVENT]


def test_cloudevents_in_binary_mode_and_in_batches(site: Served, store: SqlEventStore) -> None:
    binary = {"ce_specversion": "1.0", "ce_id": EVENT.id, "ce_source": EVENT.source, "ce_type": "dev.cdevents.x"}
    assert site.post("/events", json.dumps(to_cdevent(EVENT)).encode(), **BEARER, **binary).status_code == 202
    wrong = binary | {"ce_specversion": "0.3"}
    assert site.post("/events", json.dumps(to_cdevent(EVENT)).encode(), **BEARER, **wrong).status_code == 400
    batch = [to_cloudevent(EVENT), to_cloudevent(deployed("6 09:00", "c10", release="r10"))]
    kind = {"content_type": "application/cloudevents-batch+json"}
    answer = site.post("/events", json.dumps(batch).encode(), **BEARER, **kind)
    assert (answer.status_code, answer.json()["events"], answer.json()["new"]) == (202, 2, 1)
    broken = [to_cloudevent(deployed("7 09:00", "c11", release="r11")), {"specversion": "1.0"}]
    refused = site.post("/events", json.dumps(broken).encode(), **BEARER, **kind)
    assert refused.status_code == 400
    assert "event 2 of the batch" in refused.json()["error"]
    assert len(list(store.read())) == 2
    assert site.post("/events", b"[]", **BEARER, **kind).json()["status"] == "ignored"


@pytest.mark.parametrize("token", ["None", "wrong", TOKEN + "x", TOKEN[:-1], "Bearer"])
def test_without_the_token_nothing_is_taken(site: Served, store: SqlEventStore, token: str) -> None:
    answer = site.post("/events", json.dumps(to_cdevent(EVENT)).encode(), authorization=f"Bearer {token}")
    assert (answer.status_code, answer.headers["WWW-Authenticate"], store.last_sequence()) == (401, "Bearer", 0)


def test_a_sender_without_a_secret_is_refused_whatever_it_presents(store: SqlEventStore) -> None:
    with serving(store, secrets={}) as closed:
        for name in SAMPLES:
            body, sender = body_of(name), name.partition("/")[0]
            for given in ({}, proof(name, body)):
                answer = closed.http.post(f"/webhooks/{sender}", content=body, headers={**headers(name), **given})
                assert answer.status_code == 401
                assert "HEADGATE_" in answer.json()["error"]
    assert store.last_sequence() == 0


def test_unverified_senders_are_taken_where_that_is_allowed(store: SqlEventStore) -> None:
    with serving(store, secrets={"HEADGATE_COLLECTOR_TOKEN": TOKEN}, unverified=True) as opened:
        assert opened.post("/webhooks/gitlab", body_of("gitlab/deployment_success")).status_code == 202
        assert opened.post("/events", json.dumps(to_cdevent(EVENT)).encode()).status_code == 401


@pytest.mark.parametrize(
    ("body", "given", "status", "result"),
    [
        (b"{", {}, 400, "malformed"),
        (b"", {}, 400, "malformed"),
        (b"null", {}, 400, "malformed"),
        (b'{"object_kind": NaN}', {}, 400, "malformed"),
        (b'{"a": 1e999, "b": ' + b"9" * 5000 + b"}", {}, 400, "malformed"),
        (b"[" * 30_000, {}, 400, "too_deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, {}, 400, "too_deep"),
        (b'{"object_kind": "' + b"[" * 5000 + b'"}', {}, 200, "ignored"),
        (b"\xff\xfe{}", {}, 400, "encoding"),
        (b'{"a": "\xc3"}', {}, 400, "encoding"),
        (b"x" * (64 * 1024 + 1), {}, 413, "too_large"),
        (b"a=1", {"content_type": "application/x-www-form-urlencoded"}, 415, "media_type"),
        (b"{}", {"content_type": "text/plain"}, 415, "media_type"),
        (b"{}", {"content_type": "application/json; charset=utf-16"}, 415, "media_type"),
        (b"{}", {"content_encoding": "gzip"}, 415, "media_type"),
        (b"{}", {"content_type": "application/json; charset=UTF-8"}, 400, "malformed"),
    ],
)
def test_bad_bodies_are_refused_and_counted(
    site: Served, store: SqlEventStore, body: bytes, given: dict[str, str], status: int, result: str
) -> None:
    answer = site.post("/webhooks/gitlab", body, **GITLAB, **given)
    assert (answer.status_code, store.last_sequence()) == (status, 0)
    assert site.counted("gitlab", result) == 1


@pytest.mark.parametrize(
    "text", ["\\u0000", "\\ud800", "x" * 600], ids=["NUL", "half a surrogate pair", "longer than a name"]
)
def test_names_that_not_every_store_can_keep_are_refused(site: Served, store: SqlEventStore, text: str) -> None:
    body = body_of("gitlab/deployment_success").replace(
        b'"environment": "production"', b'"environment": "%s"' % text.encode()
    )
    assert site.post("/webhooks/gitlab", body, **GITLAB).status_code == 400
    assert store.last_sequence() == 0


@pytest.mark.parametrize(
    "query", ["env=prod", "service=", "service=a&service=b", "service=%00", "service=%ff", "x", f"service={'x' * 201}"]
)
def test_a_query_that_is_not_known_is_refused(site: Served, query: str) -> None:
    answer = site.post(f"/webhooks/gitlab?{query}", body_of("gitlab/deployment_success"), **GITLAB)
    assert (answer.status_code, site.counted("gitlab", "query")) == (400, 1)


def test_the_query_names_service_and_environment(site: Served, store: SqlEventStore) -> None:
    site.post("/webhooks/gitlab?service=cart&environment=prod%20eu", body_of("gitlab/deployment_success"), **GITLAB)
    (event,) = store.read()
    assert (event.service, event.environment) == ("cart", "prod eu")


@pytest.mark.parametrize("path", ["/webhooks", "/webhooks/", "/webhooks/gitlab/", "/webhooks/nobody", "/webhooks/../x"])
def test_other_addresses_are_404(site: Served, path: str) -> None:
    answer = site.raw(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % path.encode())
    assert answer.startswith(b"HTTP/1.1 404")
    assert site.counted("unknown", "path") == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_405(site: Served, method: str) -> None:
    answer = site.http.request(method, "/webhooks/gitlab")
    assert (answer.status_code, answer.headers["Allow"], site.counted("gitlab", "method")) == (405, "POST", 1)
    assert site.http.post("/healthz").status_code == 405


def test_health_readiness_and_the_description(site: Served) -> None:
    assert site.http.get("/healthz").text == "ok\n"
    assert site.http.get("/readyz").json() == {"status": "ready"}
    assert site.http.get("/openapi.json").json()["openapi"] == "3.1.0"
    assert site.http.get("/elsewhere").status_code == 404


HEAD = (
    b"POST /webhooks/gitlab HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-gitlab-token: "
    + SECRETS["HEADGATE_GITLAB_WEBHOOK_TOKEN"].encode()
    + b"\r\n"
)


def test_a_body_that_does_not_end_is_given_up(site: Served, store: SqlEventStore) -> None:
    assert site.raw(HEAD + b"content-length: 1000\r\n\r\n{").startswith(b"HTTP/1.1 408")
    assert (site.counted("gitlab", "timeout"), store.last_sequence()) == (1, 0)


def test_a_head_that_does_not_end_is_given_up(site: Served) -> None:
    assert site.raw(HEAD).startswith(b"HTTP/1.1 408")
    assert site.raw(b"").startswith(b"HTTP/1.1 408")
    assert site.counted("unknown", "timeout") == 2


def test_a_second_head_on_one_connection_is_given_up_as_well(site: Served) -> None:
    complete = HEAD + b"content-length: 2\r\n\r\n{}"
    answer = site.raw(complete + HEAD)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"HTTP/1.1 408" in answer


def test_more_than_is_declared_is_not_read_as_part_of_the_body(site: Served, store: SqlEventStore) -> None:
    body = body_of("gitlab/deployment_success")
    answer = site.raw(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body + b"garbage\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 202")
    assert b"HTTP/1.1 400" in answer
    assert store.last_sequence() == 1
    assert site.counted("unknown", "protocol") == 1


def test_less_than_is_declared_is_nothing(site: Served, store: SqlEventStore) -> None:
    body = body_of("gitlab/deployment_success")
    site.raw(HEAD + b"content-length: %d\r\n\r\n" % (len(body) + 1) + body, half_close=True)
    assert store.last_sequence() == 0


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: -5\r\n",
        b"content-length: 5x\r\n",
        b"transfer-encoding: gzip\r\n",
        b"x: " + b"y" * 40_000 + b"\r\n",
        b"a\x00b: c\r\n",
    ],
    ids=["two lengths", "negative", "no number", "unknown coding", "large", "NUL"],
)
def test_heads_that_are_no_http_are_refused(site: Served, store: SqlEventStore, lines: bytes) -> None:
    answer = site.raw(HEAD + lines + b"\r\n{}")
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 501")
    assert store.last_sequence() == 0


def test_chunks_count_like_a_length(site: Served, store: SqlEventStore) -> None:
    body = body_of("gitlab/deployment_success")
    chunked = HEAD + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    half = len(body) // 2
    parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:])]
    assert site.raw(chunked, *parts, b"0\r\n\r\n").startswith(b"HTTP/1.1 202")
    endless = [b"1000\r\n" + b"x" * 4096 + b"\r\n"] * 17
    assert site.raw(chunked, *endless, b"0\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert store.last_sequence() == 1


def test_an_oversized_body_is_answered_before_it_has_arrived(site: Served) -> None:
    answer = site.raw(HEAD + b"content-length: 9999999999\r\nexpect: 100-continue\r\n\r\n", half_close=True)
    assert answer.startswith(b"HTTP/1.1 413")


def test_no_secret_is_in_an_answer_or_a_metric(site: Served) -> None:
    texts = [
        site.post("/webhooks/gitlab", b"{", **GITLAB).text,
        site.post("/events", b"{}", **BEARER).text,
        site.metrics(),
    ]
    assert not any(secret in text for secret in SECRETS.values() for text in texts)


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
