"""The recommender, asked over HTTP on a free port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


@pytest.mark.parametrize("series", ["200", "400", "404", "500"])
def test_every_series_is_there_before_the_first_request(series):
    with serving({}) as url:
        assert f'http_requests_total{{app="recommender",status="{series}"}} 0' in ask(f"{url}/metrics")[1]


def test_rehearsed_never_ready_still_tells_its_counters():
    with serving({"READY_AFTER_S": "inf"}) as url:
        status, body = ask(f"{url}/healthz")
        assert (status, json.loads(body)["status"]) == (503, "not ready")
        assert ask(f"{url}/metrics")[0] == 200


def test_rehearsed_crash_ends_the_process():
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": "0", "CRASH_AFTER_S": "0.1"}
    ended = subprocess.run([sys.executable, app.__file__], env=environment, timeout=30, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"recommender {app.VERSION} on port ")


def test_rehearsed_errors_are_spread_evenly():
    faults = app.Faults({"BAD_ERROR_RATIO": "0.25"})
    assert sum(faults.fails() for _ in range(100)) == 25
