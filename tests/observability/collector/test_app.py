"""The collector on a real port: what is taken, what is refused and counted, slow and lying senders, a store in trouble."""

from __future__ import annotations

import json
from typing import Any

import pytest

from observability.cdevents import to_cdevent, to_cloudevent
from observability.store import SqlEventStore
from tests.observability.collector.samples import BEARER, EVENT, GITLAB, TOKEN, body_of, headers, proof
from tests.testing.collector_server import SECRETS, Served, serving
from tests.testing.delivery import deployed

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


def test_no_secret_is_in_an_answer_or_a_metric(site: Served) -> None:
    texts = [
        site.post("/webhooks/gitlab", b"{", **GITLAB).text,
        site.post("/events", b"{}", **BEARER).text,
        site.metrics(),
    ]
    assert not any(secret in text for secret in SECRETS.values() for text in texts)
