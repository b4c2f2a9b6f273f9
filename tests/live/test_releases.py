"""`headgate release` on the real servers: real pods, real requests, real counters, a project role with minimal rights.

The stories run side by side, each in a namespace of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from headgate.exit_codes import ExitCode
from observability.events import Kind
from tests.live.core import without_server
from tests.live.platform import FIRST, Kinds, Platform, platform
from tests.live.stack import Stack
from tests.live.stories import Stories
from tests.live.waiting import eventually

pytestmark = pytest.mark.timeout(600)  # all stories are told while the first test is set up
WORKERS = 7


def _promoted(shop: Platform, version: str) -> None:
    """Release a good version of the recommender."""
    done = shop.headgate("start", "recommender", "--version", version, "-o", "json")
    assert done.code == ExitCode.PASS, done.said
    assert (done.data["ending"], done.data["version"]) == ("promoted", version)
    assert done.said.count("analysis PASS") == 2, "each of the two pauses is judged"
    shop.check_settled("recommender", version)
    shop.check_only(version, done.ended)
    assert shop.commits("recommender", version) == (1, 0)
    assert shop.events("recommender", version) == [Kind.SERVICE_UPGRADED]


def _turned_back(shop: Platform, version: str, before: str) -> None:
    """Release a version that answers 3 % of the requests with errors."""
    stable = shop.rollout()["status"]["stableRS"]
    done = shop.headgate("start", "recommender", "--version", version, "-o", "json")
    assert done.code == ExitCode.FAIL, done.said
    assert "error ratio" in done.data["message"], done.data
    assert shop.served(version) > 0, "users have seen it"
    shop.check_settled("recommender", before)
    assert shop.rollout()["status"]["stableRS"] == stable
    shop.check_only(before, done.ended)
    assert shop.commits("recommender", version) == (1, 1)
    assert shop.events("recommender", version) == [Kind.SERVICE_ROLLEDBACK]


def _good_and_bad(stack: Stack, folder: Path, namespace: str, kinds: Kinds) -> None:
    with platform(stack, namespace, folder, kinds) as shop, shop.load():
        _promoted(shop, "1.1.0")
        _turned_back(shop, "1.2.0-errors", "1.1.0")


def _never_ready(stack: Stack, folder: Path, namespace: str, *, core: bool = False) -> None:
    with platform(stack, namespace, folder, Kinds(deadline_s=25)) as shop, shop.load(20):
        if core:
            without_server(shop)
        done = shop.headgate("start", "recommender", "--version", "1.1.0-never-ready", "-o", "json")
        assert done.code == ExitCode.FAIL, done.said
        assert "the deadline passed" in done.data["message"]
        assert "ready" in done.data["message"]
        shop.check_settled("recommender", FIRST)
        shop.check_only(FIRST, done.ended)
        assert shop.served("1.1.0-never-ready") == 0
        assert shop.commits("recommender", "1.1.0-never-ready") == (1, 1)


def _blue_green(stack: Stack, folder: Path, namespace: str, *, core: bool = False) -> None:
    with platform(stack, namespace, folder, Kinds(services=("catalogue",))) as shop, shop.load():
        if core:
            without_server(shop, "catalogue")
        old = {pod["metadata"]["uid"] for pod in shop.pods("catalogue")}
        done = shop.headgate("start", "catalogue", "--version", "1.1.0", "-o", "json")
        assert done.code == ExitCode.PASS, done.said
        assert "passed the soak" in done.said
        shop.check_settled("catalogue", "1.1.0")
        shop.check_only("1.1.0", done.ended, service="catalogue-active", total=5)

        # The old colour still stands: going back is a matter of a Service's selector, no pod is started for it.
        back = shop.headgate("rollback", "catalogue", "--yes", "--reason", "customers complain")
        assert back.code == ExitCode.PASS, back.said
        shop.check_settled("catalogue", FIRST)
        shop.check_only(FIRST, back.ended, service="catalogue-active")
        assert old <= {pod["metadata"]["uid"] for pod in shop.pods("catalogue")}
        assert "Headgate-Reason: customers complain" in shop.messages()[-1]
        assert shop.events("catalogue", "1.1.0") == [Kind.SERVICE_UPGRADED, Kind.SERVICE_ROLLEDBACK]

        bad = shop.headgate("start", "catalogue", "--version", "1.2.0-errors")
        assert bad.code == ExitCode.FAIL, bad.said
        rows = shop.router.record.rows()
        assert not [row for row in rows if (row.service, row.version) == ("catalogue-active", "1.2.0-errors")]
        shop.check_settled("catalogue", FIRST)


def _self_heal(stack: Stack, folder: Path, namespace: str) -> None:
    """Argo CD syncs by itself, and undoes at once what is changed beside Git."""
    with platform(stack, namespace, folder, Kinds(automated=True)) as shop, shop.load():
        _promoted(shop, "1.1.0")
        _turned_back(shop, "1.2.0-errors", "1.1.0")
        again = shop.headgate("start", "recommender", "--version", "1.1.0")
        assert again.code == ExitCode.PASS
        assert "live and healthy" in again.out
        rollout = shop.rollout()
        rollout["spec"]["replicas"] = 1
        path = shop.stack.cluster.path(rollout)
        shop.stack.cluster.http.patch(
            path, json={"spec": {"replicas": 1}}, headers={"Content-Type": "application/merge-patch+json"}
        ).raise_for_status()
        eventually(lambda: shop.rollout()["spec"]["replicas"] == 2, "self-heal at work", 30)


@pytest.fixture(scope="module")
def stories(
    request: pytest.FixtureRequest, stack: Stack, agent: str, tmp_path_factory: pytest.TempPathFactory
) -> Stories:
    assert agent

    def story(namespace: str, function: Callable[..., None], *more: object, **how: object) -> Callable[[], None]:
        return partial(function, stack, tmp_path_factory.mktemp(namespace), namespace, *more, **how)

    return Stories(
        request,
        {
            "test_canary_by_the_number_of_pods": story("pods", _good_and_bad, Kinds(replicas=4)),
            "test_canary_routed_by_nginx_and_judged_by_prometheus": story(
                "nginx", _good_and_bad, Kinds(routed=True, prometheus=True)
            ),
            "test_pods_that_never_become_ready_are_turned_back_at_the_deadline": story("never", _never_ready),
            "test_pods_that_never_become_ready_are_turned_back_in_core_mode": story(
                "never-core", _never_ready, core=True
            ),
            "test_blue_green_is_switched_and_switched_back": story("colours", _blue_green),
            "test_blue_green_is_switched_and_switched_back_in_core_mode": story("colours-core", _blue_green, core=True),
            "test_application_with_auto_sync_and_self_heal": story("heal", _self_heal),
        },
        workers=WORKERS,
    )


def test_canary_by_the_number_of_pods(stories: Stories, request: pytest.FixtureRequest) -> None:
    """A good one is promoted, one with 3 % errors turned back; judged by the pods' own counters."""
    stories.ends(request)


def test_canary_routed_by_nginx_and_judged_by_prometheus(stories: Stories, request: pytest.FixtureRequest) -> None:
    """The same with the weights of an Ingress and Prometheus's counters."""
    stories.ends(request)


def test_blue_green_is_switched_and_switched_back(stories: Stories, request: pytest.FixtureRequest) -> None:
    """Judged on the preview, switched, soaked; back within the delay; a bad preview never has users."""
    stories.ends(request)


def test_blue_green_is_switched_and_switched_back_in_core_mode(
    stories: Stories, request: pytest.FixtureRequest
) -> None:
    """The same over the Kubernetes API, with a Lease as lock; canaries in core mode are in test_core_mode.py."""
    stories.ends(request)


def test_application_with_auto_sync_and_self_heal(stories: Stories, request: pytest.FixtureRequest) -> None:
    """Good and bad where Argo CD itself acts on every commit and every drift."""
    stories.ends(request)


def test_pods_that_never_become_ready_are_turned_back_at_the_deadline(
    stories: Stories, request: pytest.FixtureRequest
) -> None:
    """Users never notice."""
    stories.ends(request)


def test_pods_that_never_become_ready_are_turned_back_in_core_mode(
    stories: Stories, request: pytest.FixtureRequest
) -> None:
    """The same over the Kubernetes API."""
    stories.ends(request)
