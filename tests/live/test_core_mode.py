"""`headgate release` without Argo CD's server, on the real ones: over the Kubernetes API, with the documented rights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate.exit_codes import ExitCode
from observability.events import Kind
from tests.live.core import lease, without_server
from tests.live.platform import Kinds, Platform, platform
from tests.live.stack import Stack


@pytest.fixture(scope="module")
def shop(stack: Stack, agent: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    assert agent
    with platform(stack, "core", tmp_path_factory.mktemp("core"), Kinds(replicas=4)) as made:
        without_server(made)
        yield made


def _free(shop: Platform, token: int) -> None:
    """The Lease is there without a holder, and its fencing token has grown."""
    found = lease(shop)
    assert found is not None
    assert found["spec"] == {"leaseTransitions": token}


def test_good_canary_is_promoted_and_a_bad_one_turned_back(shop: Platform) -> None:
    with shop.load():
        done = shop.headgate("start", "recommender", "--version", "1.1.0", "-o", "json")
        assert done.code == ExitCode.PASS, done.said
        assert done.data["ending"] == "promoted"
        assert done.said.count("analysis PASS") == 2
        shop.check_settled("recommender", "1.1.0")
        shop.check_only("1.1.0", done.ended)
        _free(shop, 1)

        bad = shop.headgate("start", "recommender", "--version", "1.2.0-errors", "-o", "json")
        assert bad.code == ExitCode.FAIL, bad.said
        assert "error ratio" in bad.data["message"]
        assert shop.served("1.2.0-errors") > 0
        shop.check_settled("recommender", "1.1.0")
        shop.check_only("1.1.0", bad.ended)
        _free(shop, 2)
    assert shop.commits("recommender", "1.1.0") == (1, 0)
    assert shop.commits("recommender", "1.2.0-errors") == (1, 1)
    assert shop.events("recommender", "1.2.0-errors") == [Kind.SERVICE_ROLLEDBACK]
