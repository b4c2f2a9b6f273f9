"""Selectors, expositions, pods and Prometheus answers."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.analysis.exposition import Sample, parse_exposition
from deployments.analysis.openmetrics import OpenMetricsSource, pod_url
from deployments.analysis.ports import Arm, Pod
from deployments.analysis.prometheus import PrometheusSource
from deployments.analysis.selector import Match, Matcher, Selector, parse_selector, render
from deployments.kubernetes import map_error, parse_pod
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    TransportError,
    UnreachableError,
)
from headgate.http import HttpClient
from tests.testing.stepped_clock import SteppedClock


@pytest.mark.parametrize(
    ("text", "labels", "accepted"),
    [
        ("m", {"x": "1"}, True),
        ("m{}", {}, True),
        ('m{status=~"5.."}', {"status": "503"}, True),
        ('m{status=~"5.."}', {"status": "5031"}, False),
        ('m{status=~"5..|404"}', {"status": "404"}, True),
        ('m{ a = "x" , b!="y", }', {"a": "x", "b": "z"}, True),
        ('m{a="x"}', {"a": "y"}, False),
        ('m{a=""}', {}, True),
        ('m{a!~"x.*"}', {"a": "xy"}, False),
        (r'm{a="q\"\\\n"}', {"a": 'q"\\\n'}, True),
    ],
)
def test_selectors(text: str, labels: dict[str, str], accepted: bool) -> None:
    selector = parse_selector(text)
    assert selector.accepts("m", labels) is accepted
    assert not selector.accepts("other", labels)
    assert parse_selector(str(selector)) == selector


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sum(m)",
        "rate(m[5m])",
        "m[5m]",
        'm{a="x"',
        "m{a=x}",
        'm{a="x" b="y"}',
        'm{a=~"("}',
        "1m",
        "m + m",
        'm{a="x"} > 0',
        "{}",
    ],
)
def test_only_raw_counters_are_selectors(text: str) -> None:
    with pytest.raises(ConfigError, match="not a counter selector"):
        parse_selector(text)


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


@given(value=_TEXT, match=st.sampled_from([Match.EQUAL, Match.NOT_EQUAL]))
def test_selectors_round_trip(value: str, match: Match) -> None:
    selector = Selector(name="m", matchers=(Matcher(label="a", match=match, value=value),))
    assert parse_selector(str(selector)) == selector


def test_placeholders() -> None:
    assert render('m{h="{{hash}}",r="{{ role }}"}', {"hash": "abc", "role": "canary"}) == 'm{h="abc",r="canary"}'
    with pytest.raises(ConfigError, match=r"unknown placeholder \{\{pod\}\}.*\{\{hash\}\}"):
        render("{{pod}}", {"hash": "abc"})


PAGE = """\
# HELP http_requests Requests.
# TYPE http_requests counter
http_requests_total{app="reco",status="200"} 410
http_requests_total{app="re\\"co",status="500",} 1.3e1 1700000000 # {trace_id="x"} 1
up 1
weird NaN
hist_bucket{le="+Inf"} +Inf
# EOF
"""


def test_exposition() -> None:
    samples = list(parse_exposition(PAGE, where="x"))
    assert samples[0] == Sample(name="http_requests_total", labels={"app": "reco", "status": "200"}, value=410)
    assert samples[1] == Sample(name="http_requests_total", labels={"app": 're"co', "status": "500"}, value=13)
    assert len(samples) == 5


@pytest.mark.parametrize("line", ["<html>", "m", 'm{a="x} 1', "m{a=1} 1", "m one", "1m 1", "m{} 1 2 3"])
def test_what_is_no_exposition_says_the_line(line: str) -> None:
    with pytest.raises(ServerFaultError, match="line 2 is not a metric"):
        list(parse_exposition(f"ok 1\n{line}\n", where="pod x"))


class Directory:
    def __init__(self, *pods: Pod) -> None:
        self._pods = pods

    def pods(self, version: str) -> tuple[Pod, ...]:
        return self._pods if version == "new" else ()


def _openmetrics(
    *pods: Pod, page: str = PAGE, status: int = 200, errors: str = 'http_requests_total{status=~"5.."}'
) -> OpenMetricsSource:
    def connect(url: str) -> HttpClient:
        transport = httpx.MockTransport(lambda request: httpx.Response(status, text=page))
        return HttpClient(url, timeout_s=2, clock=SteppedClock(), transport=transport)

    return OpenMetricsSource(errors=errors, total="http_requests_total", pods=Directory(*pods), connect=connect)


POD = Pod(name="a", ip="127.0.0.1", ready=True, port=8080)


def test_pods_are_scraped_and_told_apart() -> None:
    other = Pod(name="b", ip="10.0.0.7", ready=True, port=8080, restarts=2)
    waiting = Pod(name="c", ip="10.0.0.8", ready=False, port=None)
    reading = _openmetrics(POD, other, waiting).read(Arm(hash="new", role="canary"))
    assert reading.instances == {"a", "b"}
    assert (sum(reading.errors.values()), sum(reading.total.values())) == (26, 846)
    assert {key[0] for key in reading.total} == {"a/0", "b/2"}  # a restart begins another series
    assert not _openmetrics(POD).read(Arm(hash="old", role="stable")).instances


def test_selector_for_prometheus_fits_scraped_pods() -> None:
    chosen = 'http_requests_total{status="500",rollouts_pod_template_hash="{{hash}}",pod="a"}'
    assert sum(_openmetrics(POD, errors=chosen).read(Arm(hash="new", role="canary")).errors.values()) == 13


@pytest.mark.parametrize(("page", "status"), [("<html>", 200), (PAGE, 500), (PAGE, 404)])
def test_pod_that_cannot_be_scraped_fails_the_reading(page: str, status: int) -> None:
    with pytest.raises((TransportError, RemoteStateError)):
        _openmetrics(POD, page=page, status=status).read(Arm(hash="new", role="canary"))


@pytest.mark.parametrize(
    ("ip", "port", "path"),
    [
        ("169.254.169.254", 80, "/"),
        ("0.0.0.0", 80, "/"),
        ("224.0.0.1", 80, "/"),
        ("evil.test", 80, "/"),
        ("", 80, "/"),
        ("10.0.0.1", None, "/"),
        ("10.0.0.1", 70000, "/"),
        ("10.0.0.1", 80, "@evil/"),
        ("10.0.0.1", 80, "/a b"),
    ],
)
def test_only_addresses_of_pods_are_called(ip: str, port: int | None, path: str) -> None:
    with pytest.raises(RemoteStateError):
        pod_url(Pod(name="a", ip=ip, ready=True, port=port, path=path))


def test_urls_of_pods() -> None:
    assert pod_url(POD) == ("http://127.0.0.1:8080", "/metrics")
    assert pod_url(Pod(name="a", ip="fd00::7", ready=True, port=1, path="/m"))[0] == "http://[fd00::7]:1"


def _prometheus(answer: object, status: int = 200) -> PrometheusSource:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=json.dumps(answer)))
    http = HttpClient("http://prometheus.test", timeout_s=2, clock=SteppedClock(), transport=transport)
    return PrometheusSource(errors='e{h="{{hash}}"}', total="t", http=http)


def _vector(*items: tuple[dict[str, str], str]) -> object:
    result = [{"metric": metric, "value": [1700000000.0, value]} for metric, value in items]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_prometheus_vectors() -> None:
    reading = _prometheus(_vector(({"__name__": "t", "pod": "a"}, "7"), ({"instance": "b:1"}, "NaN"))).read(
        Arm(hash="new", role="canary")
    )
    assert reading.instances == {"a", "b:1"}
    assert reading.total[("a", "__name__=t", "pod=a")] == 7
    assert not _prometheus(_vector()).read(Arm(hash="new", role="canary")).instances


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ({"status": "error", "error": "parse error"}, 400, "parse error"),
        ({"status": "success", "data": {"resultType": "scalar", "result": []}}, 200, "not a vector"),
        ({"other": 1}, 200, "not an answer of Prometheus"),
        ([], 500, "not an answer of Prometheus"),
    ],
)
def test_prometheus_refusals(answer: object, status: int, message: str) -> None:
    with pytest.raises((RemoteStateError, ServerFaultError), match=message):
        _prometheus(answer, status).read(Arm(hash="new", role="canary"))


RAW = {
    "metadata": {"name": "a", "annotations": {"prometheus.io/port": "9090", "prometheus.io/path": "/m"}},
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"restartCount": 2}],
    },
}


def test_pods_of_the_api() -> None:
    assert parse_pod(RAW) == Pod(name="a", ip="10.0.0.1", ready=True, port=9090, path="/m", restarts=2)
    bare = {"metadata": {"name": "a"}, "status": {"podIP": "10.0.0.1"}}
    assert parse_pod(bare) == Pod(name="a", ip="10.0.0.1", ready=False, port=None)
    for status in ({}, {"podIP": "10.0.0.1", "phase": "Succeeded"}):
        assert parse_pod(RAW | {"status": status}) is None
    assert parse_pod(RAW | {"metadata": {"name": "a", "deletionTimestamp": "now"}}) is None


class ApiError(Exception):
    def __init__(self, status: int | None) -> None:
        super().__init__(f"status {status}")
        self.status = status


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ApiError(401), AuthenticationError),
        (ApiError(403), AuthenticationError),
        (ApiError(404), NotFoundError),
        (ApiError(422), RemoteStateError),
        (ApiError(503), ServerFaultError),
        (ApiError(None), UnreachableError),
        (type("ReadTimeoutError", (Exception,), {})("x"), RemoteTimeoutError),
        (OSError("refused"), UnreachableError),
    ],
)
def test_errors_of_the_kubernetes_client(error: Exception, kind: type[Exception]) -> None:
    mapped = map_error(error, "pods")
    assert type(mapped) is kind
    assert mapped.next_step
