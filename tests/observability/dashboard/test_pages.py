"""The pages: what they show, that they hold for hostile data, and that they need nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from headgate.errors import ConfigError
from observability.dashboard import render_static
from observability.dashboard.changes import safe_url
from observability.events import DeliveryEvent, Kind
from observability.store import open_store
from tests.testing.delivery import at, deployed, event, incident, rolled_back
from tests.testing.stepped_clock import SteppedClock

CLOCK = SteppedClock(at("7 00:00"))
_VOID = {"meta", "link", "br", "hr", "img", "input"}

STORY = [
    deployed("1 09:00", "c1aaaaaaaa", release="r1", data={"version": "1.0.0"}),
    event(
        Kind.GATE_FINISHED, "2 08:00", subject="quality", change="!12", commit="c2aaaaaaaa", outcome="failure",
        data={"reason": "fact_sales.amount: 312 rows < 0"},
    ),
    event(Kind.CHANGE_MERGED, "2 08:30", subject="!12", change="!12", commit="c2aaaaaaaa", data={"title": "Widen dim"}),
    deployed("2 09:00", "c2aaaaaaaa", committed="2 06:00", release="r2"),
    rolled_back("2 09:05", release="r2"),
    deployed("3 09:00", "c3aaaaaaaa", committed="3 06:00", release="r3", outcome="canceled"),
    incident("4 09:00", "INC-loose", service=None),
]  # fmt: skip


class _Checker(HTMLParser):
    """Tags close in order; collects text, links and everything that would be loaded."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        if found.get("id"):
            self.ids.add(found["id"] or "")
        if tag == "a":
            self.links.append(found.get("href") or "")
        if tag in ("script", "img", "iframe", "link"):
            self.loaded.append(found.get("src") or found.get("href") or "")
        assert not [name for name in found if name.startswith("on") or name == "style"], found
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def check(html: str) -> _Checker:
    checker = _Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def static(tmp_path: Path, events: list[DeliveryEvent]) -> _Checker:
    store = open_store("sqlite:///events.db", root=tmp_path)
    store.append(events)
    path = render_static(store, tmp_path / "out" / "dashboard.html", title="shop/platform", clock=CLOCK)
    return check(path.read_text(encoding="utf-8"))


def test_the_page_shows_metrics_timeline_gates_and_changes(tmp_path: Path) -> None:
    page = static(tmp_path, STORY)
    for words in (
        "Change lead time", "Deployment frequency", "Change fail rate", "Recovery time", "Rework rate",
        "shop", "prod", "1 of 2 failed", "5 min", "not counted: 1 canceled",
        "fact_sales.amount: 312 rows < 0", "Widen dim", "rolled back", "INC-loose",
    ):  # fmt: skip
        assert words in page.text, words
    assert "svg" in page.tags


def test_the_page_is_whole_and_runs_nothing(tmp_path: Path) -> None:
    page = static(tmp_path, STORY)
    assert "script" not in page.tags
    assert all(address.startswith("data:") for address in page.loaded)
    anchors = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert anchors
    assert set(anchors) <= page.ids
    assert [link for link in page.links if not link.startswith("#")] == []


def test_an_empty_store_is_said(tmp_path: Path) -> None:
    page = static(tmp_path, [])
    assert "No deployments are known yet" in page.text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    events = [
        DeliveryEvent(
            kind=kind, source=evil, id=kind.value, occurred_at=at("1 09:00"), subject=evil, service=evil,
            environment=evil, commit=evil, outcome="failure", change=evil, release=evil, url="javascript:alert(1)",
            data={evil: evil, "reason": evil, "title": evil, "version": evil},
        )
        for kind in Kind
    ]  # fmt: skip
    page = static(tmp_path, events)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert "alert(1)" in page.text
    assert not [link for link in page.links if "javascript" in link]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ci.example.com/1", True),
        ("http://ci.example.com/1", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//ci.example.com", False),
        ("http://[broken", False),
        (None, False),
    ],
)
def test_only_web_addresses_become_links(url: str | None, kept: bool) -> None:
    assert safe_url(url) == (url if kept else None)


def test_a_page_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = open_store("sqlite:///events.db", root=tmp_path)
    with pytest.raises(ConfigError, match="dashboard cannot be written"):
        render_static(store, tmp_path / "file" / "dashboard.html", clock=CLOCK)


def test_colours_have_both_themes() -> None:
    from observability.dashboard.pages import style

    light, dark = (set(re.findall(r"--[a-z-]+(?=:)", part)) for part in style().split("prefers-color-scheme:dark"))
    assert dark <= light
    assert light - dark == set()
