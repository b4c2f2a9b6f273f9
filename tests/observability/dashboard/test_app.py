"""The web application, through its ASGI interface."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from headgate.errors import LockHeldError
from observability.dashboard import create_app
from observability.store import SqlEventStore, open_store
from tests.observability.dashboard.test_pages import STORY, check
from tests.testing.delivery import at, deployed
from tests.testing.stepped_clock import SteppedClock


class Site:
    """Requests to an application on a store."""

    def __init__(self, store: SqlEventStore, *, registries: Sequence[CollectorRegistry] = ()) -> None:
        self.store = store
        self._app = create_app(store, clock=SteppedClock(at("7 00:00")), registries=registries, title="shop")

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **kwargs)

        return asyncio.run(send())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, headers=headers)


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


def test_metrics_and_json(site: Site) -> None:
    metrics = site.get("/metrics")
    assert 'headgate_deployments_total{environment="prod",outcome="success",service="shop"} 2.0' in metrics.text
    report = site.get("/api/dora.json?days=7&service=shop").json()
    assert report["services"][0]["metrics"]["change_fail_rate"]["value"] == 0.5
    assert site.get("/api/dora.json?service=nobody").json()["services"] == []


def test_openmetrics_on_request(site: Site) -> None:
    answer = site.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


class _LockedStore(SqlEventStore):
    """Nobody gets in."""

    def read(self, *args: Any, **kwargs: Any) -> Any:
        raise LockHeldError("locked", where="events.db")


def test_a_store_that_cannot_be_read_is_503_and_asks_to_retry(site: Site) -> None:
    locked = Site(_LockedStore(site.store.database, clock=SteppedClock(at("7 00:00"))))
    answer = locked.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


def test_other_metrics_are_shown_with_those_of_the_store(site: Site) -> None:
    registry = CollectorRegistry()
    Counter("others", "Something else.", registry=registry).inc()
    assert "others_total 1.0" in Site(site.store, registries=[registry]).get("/metrics").text


def test_an_event_of_now_is_on_the_page(site: Site) -> None:
    site.store.append([deployed("5 09:00", "c9", release="r9", service="dags/shop")])
    assert "dags/shop" in check(site.get("/").text).text
