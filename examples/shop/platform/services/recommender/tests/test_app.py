"""The recommender, asked over HTTP on a free port."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from services.recommender import app


@contextmanager
def serving(environment):
    with app.Server(("127.0.0.1", 0), environment) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def ask(url):
    """Status and body."""
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_recommendations_are_stable_and_counted():
    with serving({}) as url:
        status, body = ask(f"{url}/recommend?user=7&n=3")
        assert status == 200
        assert json.loads(body)["products"] == app.recommend("7", 3)
        metrics = ask(f"{url}/metrics")[1]
    assert 'http_requests_total{app="recommender",status="200"} 1' in metrics
    assert 'http_requests_total{app="recommender",status="500"} 0' in metrics
    assert metrics.endswith("# EOF\n")


@pytest.mark.parametrize("query", ["", "user=7&n=0", "user=7&n=many", "user=7&n=21"])
def test_bad_questions_are_400(query):
    with serving({}) as url:
        assert ask(f"{url}/recommend?{query}")[0] == 400


def test_health_says_the_version():
    with serving({}) as url:
        status, body = ask(f"{url}/healthz")
    assert (status, json.loads(body)["version"]) == (200, app.VERSION)


def test_rehearsed_errors_are_spread_evenly():
    faults = app.Faults({"BAD_ERROR_RATIO": "0.25"})
    assert sum(faults.fails() for _ in range(100)) == 25
