"""The web application, through its ASGI interface."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from headgate.errors import LockHeldError
from headgate.secrets import Secret
from observability.cdevents import to_cdevent, to_cloudevent
from observability.dashboard import create_app
from observability.dashboard.collector import MAX_BODY
from observability.store import SqlEventStore, open_store
from tests.observability.dashboard.test_pages import STORY, check
from tests.testing.delivery import at, deployed
from tests.testing.stepped_clock import SteppedClock

TOKEN = "collector-test-token"
EVENT = deployed("5 09:00", "c9", release="r9")


class Site:
    """Requests to an application on a store."""

    def __init__(self, store: SqlEventStore, *, token: str | None = TOKEN) -> None:
        self.store = store
        secret = Secret(token) if token else None
        self._app = create_app(store, clock=SteppedClock(at("7 00:00")), collector_token=secret, title="shop")

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **kwargs)

        return asyncio.run(send())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, headers=headers)

    def post(
        self, content: bytes, *, token: str | None = TOKEN, kind: str = "application/cloudevents+json"
    ) -> httpx.Response:
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token is not None else {})
        return self.request("POST", "/events", content=content, headers=headers)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    store = open_store("sqlite:///events.db", root=tmp_path)
    store.append(STORY)
    return Site(store)


def test_front_page(site: Site) -> None:
    answer = site.get("/?days=7")
    assert answer.status_code == 200
    page = check(answer.text)
    assert "1 of 2 failed" in page.text
    assert "/changes/%2112" in page.links


def test_every_link_of_the_front_page_leads_somewhere(site: Site) -> None:
    links = [link for link in check(site.get("/").text).links if link.startswith("/")]
    assert len(links) > 3
    assert {link: site.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_the_policy_allows_the_style_sheet_and_nothing_else(site: Site) -> None:
    answer = site.get("/")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["%2112", "c2aaaaaaaa", "c2aaaaa", "r2"])
def test_path_of_a_change(site: Site, name: str) -> None:
    answer = site.get(f"/changes/{name}")
    assert answer.status_code == 200
    text = check(answer.text).text
    for words in ("!12", "Gate quality", "Merged !12", "Released shop to prod", "Rolled back shop in prod", "+5 min"):
        assert words in text


@pytest.mark.parametrize("name", ["nobody", "%3Cscript%3E", "a/b/c", "..%2F..%2Fetc"])
def test_an_unknown_change_is_404(site: Site, name: str) -> None:
    answer = site.get(f"/changes/{name}")
    assert answer.status_code == 404
    assert "script" not in check(answer.text).tags


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999999999999999999", "1e3", "٣", ""])
def test_a_window_that_is_no_number_of_days_is_400(site: Site, days: str) -> None:
    assert site.request("GET", "/", params={"days": days}).status_code == 400


def test_metrics_healthz_and_json(site: Site) -> None:
    metrics = site.get("/metrics")
    assert 'headgate_deployments_total{environment="prod",outcome="success",service="shop"} 2.0' in metrics.text
    assert site.get("/healthz").text == "ok\n"
    report = site.get("/api/dora.json?days=7&service=shop").json()
    assert report["services"][0]["metrics"]["change_fail_rate"]["value"] == 0.5
    assert site.get("/api/dora.json?service=nobody").json()["services"] == []


def test_openmetrics_on_request(site: Site) -> None:
    answer = site.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("form", [to_cloudevent, to_cdevent])
def test_an_acknowledged_event_is_in_the_log_once(site: Site, form: Any) -> None:
    body = json.dumps(form(EVENT)).encode()
    first, second = site.post(body), site.post(body)
    assert (first.status_code, first.json()["status"]) == (202, "recorded")
    assert (second.status_code, second.json()["status"]) == (200, "known")
    assert [event for event in site.store.read() if event.id == EVENT.id] == [EVENT]
    assert 'headgate_collector_requests_total{result="duplicate"} 1.0' in site.get("/metrics").text


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", "ü"])
def test_without_the_token_nothing_is_taken(site: Site, token: str | None) -> None:
    headers = {b"Content-Type": b"application/json"}
    if token is not None:
        headers[b"Authorization"] = f"Bearer {token}".encode()
    before = site.store.last_sequence()
    answer = site.request("POST", "/events", content=json.dumps(to_cdevent(EVENT)), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert site.store.last_sequence() == before


def test_without_a_configured_token_every_event_is_refused(site: Site) -> None:
    closed = Site(site.store, token=None)
    for token in (None, "", "None", TOKEN):
        answer = closed.post(json.dumps(to_cdevent(EVENT)).encode(), token=token)
        assert answer.status_code == 401
        assert "HEADGATE_COLLECTOR_TOKEN" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b"", "application/json", 400, "not JSON"),
        (b"[" * 100_000, "application/json", 400, "not JSON"),
        (b"\xff\xfe", "application/json", 400, "not UTF-8"),
        (b"[]", "application/json", 400, "JSON object"),
        (b'{"kind": "moon.landed"}', "application/json", 400, "event record"),
        (b'{"a": "\\ud800"}', "application/json", 400, "neither a CDEvent"),
        (b"x" * (MAX_BODY + 1), "application/json", 413, "at most"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "send application/cloudevents+json"),
    ],
    ids=["broken", "empty", "deep", "not utf-8", "array", "unknown kind", "other object", "large", "form"],
)
def test_bad_bodies_are_refused(site: Site, body: bytes, kind: str, status: int, words: str) -> None:
    before = site.store.last_sequence()
    answer = site.post(body, kind=kind)
    assert (answer.status_code, site.store.last_sequence()) == (status, before)
    assert words in answer.json()["error"]


def test_a_get_of_the_collector_is_405(site: Site) -> None:
    assert site.get("/events").status_code == 405


class _LockedStore(SqlEventStore):
    """Nobody gets in."""

    def append(self, batch: Any) -> int:
        raise LockHeldError("locked", where="/secret/path/events.db")

    def last_sequence(self) -> int:
        raise LockHeldError("locked", where="events.db")


def test_a_store_that_cannot_be_used_is_503_and_asks_to_retry(site: Site) -> None:
    locked = Site(_LockedStore(site.store.database, clock=SteppedClock(at("7 00:00"))))
    answer = locked.post(json.dumps(to_cdevent(EVENT)).encode())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "secret" not in answer.text
    assert locked.get("/healthz").status_code == 503


def test_an_event_posted_now_is_on_the_page(site: Site) -> None:
    other = deployed("5 09:00", "c9", release="r9", service="dags/shop")
    site.post(json.dumps(to_cloudevent(other)).encode())
    assert "dags/shop" in check(site.get("/").text).text
