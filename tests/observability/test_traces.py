"""Spans: ids that follow from the events, and exporters that never hold anybody up."""

from __future__ import annotations

import io
import json
import socket
import time

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from headgate.errors import UnreachableError
from observability.events import DeliveryEvent, Kind
from observability.spans import Parent, parse_traceparent, plan_spans
from observability.traces import export_spans
from tests.testing.delivery import at, deployed, event
from tests.testing.otlp import otlp_receiver

GATE = event(
    Kind.GATE_FINISHED, "1 09:00", subject="quality", change="!12", commit="head", outcome="failure", service=None,
    environment=None, data={"duration_s": 12.5, "reason": "312 rows"},
)  # fmt: skip
MERGE = event(Kind.CHANGE_MERGED, "1 10:00", subject="!12", change="!12", commit="merge", service=None)
RELEASE = deployed("1 11:00", "merge", release="r1")
BACK = event(Kind.SERVICE_ROLLEDBACK, "1 11:05", release="r1")


def test_one_trace_per_change_however_it_is_told() -> None:
    together = plan_spans([GATE, MERGE, RELEASE, BACK], project="shop")
    assert len({span.trace_id for span in together}) == 1
    assert len({span.span_id for span in together}) == 4
    apart = [
        plan_spans([GATE], project="shop"),
        plan_spans([MERGE], project="shop"),
        plan_spans([RELEASE], project="shop", known=[MERGE]),
        plan_spans([BACK], project="shop", known=[MERGE, RELEASE]),
    ]
    assert [span for (span,) in apart] == list(together)


def test_the_merge_is_the_root_and_the_parent_of_the_others() -> None:
    gate, merge, release, back = plan_spans([GATE, MERGE, RELEASE, BACK], project="shop")
    assert merge.parent_id is None
    assert {gate.parent_id, release.parent_id, back.parent_id} == {merge.span_id}


def test_another_project_is_another_trace() -> None:
    (one,), (other,) = (plan_spans([GATE], project=name) for name in ("shop", "bank"))
    assert one.trace_id != other.trace_id


def test_an_event_on_its_own_has_a_trace_of_its_own() -> None:
    lone = event(Kind.INCIDENT_DETECTED, "1 09:00", subject="INC-1")
    (span,) = plan_spans([lone], project="shop")
    assert span.trace_id != 0


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        ({"duration_s": 12.5}, 12.5),
        ({"started_at": "2026-11-03T09:59:00+01:00"}, 60.0),
        ({"started_at": "later"}, 0.0),
        ({"started_at": "2026-12-24T00:00:00Z"}, 0.0),
        ({"duration_s": -1}, 0.0),
        ({}, 0.0),
    ],
)
def test_length_of_a_span(data: dict[str, str | float], seconds: float) -> None:
    (span,) = plan_spans([event(Kind.GATE_FINISHED, "1 09:00", data=dict(data))], project="shop")
    assert (span.end - span.start).total_seconds() == seconds
    assert span.end == at("1 09:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", True),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", True),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ("garbage", False),
        ("", False),
        (None, False),
    ],
)
def test_traceparent(text: str | None, expected: bool) -> None:
    found = parse_traceparent(text)
    assert (found is not None) == expected
    if found is not None:
        assert found == Parent(trace_id=0x0AF7651916CD43DD8448EB211C80319C, span_id=0xB7AD6B7169203331)


def test_a_given_parent_is_joined_and_the_own_trace_linked() -> None:
    parent = Parent(trace_id=7, span_id=9)
    (own,) = plan_spans([MERGE], project="shop")
    (joined,) = plan_spans([MERGE], project="shop", parent=parent)
    assert (joined.trace_id, joined.parent_id) == (7, 9)
    assert joined.link == Parent(trace_id=own.trace_id, span_id=own.span_id)
    assert joined.span_id != own.span_id


def _send(events: list[DeliveryEvent], url: str) -> None:
    export_spans(plan_spans(events, project="shop/platform"), exporter="otlp", endpoint=url)


def test_otlp_carries_everything() -> None:
    with otlp_receiver() as receiver:
        _send([GATE, MERGE, RELEASE], receiver.url)
    assert receiver.paths == ["/v1/traces"]
    gate, merge, release = receiver.spans()
    assert gate.trace_id == merge.trace_id == release.trace_id
    assert (merge.parent_span_id, gate.parent_span_id) == (b"", merge.span_id)
    assert gate.end_time_unix_nano - gate.start_time_unix_nano == 12_500_000_000
    assert (gate.status.code, release.status.code) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET)
    resource = {a.key: a.value.string_value for a in receiver.requests[0].resource_spans[0].resource.attributes}
    assert resource["service.name"] == "headgate"


def _attributes(span: Span) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in span.attributes}


def test_attributes_follow_the_semantic_conventions() -> None:
    with otlp_receiver() as receiver:
        _send([GATE, MERGE, RELEASE], receiver.url)
    gate, merge, release = (_attributes(span) for span in receiver.spans())
    assert gate["cicd.pipeline.task.name"] == "quality"
    assert gate["cicd.pipeline.task.run.result"] == "failure"
    assert gate["headgate.reason"] == "312 rows"
    assert merge["vcs.change.id"] == "12"
    assert merge["vcs.change.state"] == "merged"
    assert merge["vcs.repository.name"] == "shop/platform"
    assert release["deployment.environment.name"] == "prod"
    assert release["deployment.status"] == "succeeded"
    assert release["vcs.ref.head.revision"] == "merge"


def test_a_full_endpoint_is_taken_as_it_is() -> None:
    with otlp_receiver() as receiver:
        _send([MERGE], f"{receiver.url}/v1/traces")
    assert receiver.paths == ["/v1/traces"]


def test_a_collector_that_refuses_is_told() -> None:
    with otlp_receiver(status=400) as receiver, pytest.raises(UnreachableError, match="did not accept 1 span"):
        _send([MERGE], receiver.url)


@pytest.mark.parametrize("kind", ["silent", "closed", "unknown host"])
def test_a_dead_endpoint_is_given_up_soon(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if kind == "closed":
            listener.close()
        url = "http://collector.invalid:4318" if kind == "unknown host" else f"http://127.0.0.1:{port}"
        _warm_up()
        began = time.monotonic()
        with pytest.raises(UnreachableError):
            _send([MERGE], url)
        assert time.monotonic() - began < 9.0, "the exporter's own deadline is 10 s for each try"


def _warm_up() -> None:
    """The import of the exporter is not the endpoint's fault."""
    import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401


def test_console() -> None:
    out = io.StringIO()
    export_spans(plan_spans([MERGE], project="shop"), exporter="console", out=out)
    assert json.loads(out.getvalue())["name"] == "merge !12"


def test_nothing_to_send_asks_nobody() -> None:
    with otlp_receiver() as receiver:
        export_spans((), exporter="otlp", endpoint=receiver.url)
        assert receiver.spans() == []
