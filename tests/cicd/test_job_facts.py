"""A deployment that our own command records and that the CI server reports as well counts once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cicd.cli.context import App
from cicd.job_facts import with_job_keys
from cicd.record import record
from observability.collector.model import Hints, Translated
from observability.events import DeliveryEvent, Kind
from observability.store import open_store
from tests.observability.collector.samples import told
from tests.testing.delivery import deployed, event, rolled_back

GITLAB = {
    "CI_JOB_ID": "5001",
    "CI_PROJECT_ID": "42",
    "CI_PROJECT_URL": "https://gitlab.example.com/shop/recommender",
    "CI_ENVIRONMENT_NAME": "production",
    "CI_ENVIRONMENT_TIER": "production",
}
JENKINS = {
    "BUILD_NUMBER": "18",
    "JENKINS_URL": "https://jenkins.example.com/",
    "JOB_URL": "https://jenkins.example.com/job/shop/job/deliver-recommender/",
    "SERVICE": "recommender",
    "ENVIRONMENT": "prod",
}
OURS = deployed("1 11:00", "c1", release="r1", service="recommender", environment="production")
OTHER = deployed("1 11:30", "c1", release="r2", service="catalogue", environment="production")


def reported(name: str, hints: Hints = Hints(), **changes: object) -> DeliveryEvent:  # noqa: B008 - a frozen value
    translated = told(name, hints, **changes)
    assert isinstance(translated, Translated)
    return translated.events[0]


def _recorded(folder: Path, own: list[DeliveryEvent], theirs: DeliveryEvent) -> list[str]:
    (folder / "headgate.yaml").write_text("version: 1\nproject: shop/platform\n")
    app = App(config_path=str(folder / "headgate.yaml"))
    for one in own:
        record(app, [one])
    store = open_store(app.config.observability.store, root=folder)
    store.append([theirs])
    return [found.release or "" for found in store.read(kinds=[Kind.SERVICE_DEPLOYED, Kind.SERVICE_UPGRADED])]


@pytest.mark.parametrize(
    ("environ", "own", "theirs"),
    [
        (GITLAB, OURS, reported("gitlab/job_deploy_success")),
        (JENKINS, deployed("1 11:00", release="r1", service="recommender"), reported("jenkins/completed", Hints(environment="prod"))),
    ],
)  # fmt: skip
def test_it_counts_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: Mapping[str, str],
    own: DeliveryEvent,
    theirs: DeliveryEvent,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert _recorded(tmp_path, [own], theirs) == ["r1"]


def test_a_job_that_deploys_twice_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GITLAB.items():
        monkeypatch.setenv(name, value)
    assert _recorded(tmp_path, [OURS, OTHER, OURS], reported("gitlab/job_deploy_success")) == ["r1", "r2"]


def test_a_release_that_was_turned_back_is_the_build_that_failed() -> None:
    turned = event(
        Kind.SERVICE_ROLLEDBACK, "1 11:00", service="recommender", environment="prod", release="r1", outcome="failure"
    )
    (keyed,) = with_job_keys([turned], JENKINS)
    theirs = reported("jenkins/completed", Hints(environment="prod"), build__status="FAILURE")
    assert keyed.data["natural_key"] == theirs.data["natural_key"]


@pytest.mark.parametrize(
    ("batch", "environ"),
    [
        ([OURS], {}),
        ([OURS], {**GITLAB, "CI_ENVIRONMENT_NAME": ""}),
        ([OURS], {**GITLAB, "CI_ENVIRONMENT_NAME": "staging", "CI_ENVIRONMENT_TIER": "staging"}),
        ([OURS], {**GITLAB, "CI_ENVIRONMENT_ACTION": "stop"}),
        ([OURS, OTHER], GITLAB),
        ([OTHER], JENKINS),
        ([event(Kind.GATE_FINISHED, "1 10:00", environment="production")], GITLAB),
        ([rolled_back("1 12:00", release="r1")], {**JENKINS, "SERVICE": "catalogue"}),
    ],
)
def test_where_it_is_not_clear_nothing_is_said(batch: list[DeliveryEvent], environ: Mapping[str, str]) -> None:
    assert with_job_keys(batch, environ) == tuple(batch)
