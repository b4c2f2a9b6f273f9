"""Sending spans: to the console (stderr) or to a collector with OTLP over HTTP. OpenTelemetry is imported when used."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TextIO

from headgate import __version__
from headgate.errors import ConfigError, UnreachableError
from observability.spans import SpanFacts

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNAL_PATH = "/v1/traces"
Exporter = Literal["console", "otlp"]


def export_spans(
    spans: Sequence[SpanFacts],
    *,
    exporter: Exporter,
    endpoint: str | None = None,
    timeout_s: float = 1.0,
    out: TextIO | None = None,
) -> None:
    """Send `spans`; returns or raises within about `timeout_s` + 0.5 s, whatever the collector does.

    `endpoint` is the base URL of an OTLP/HTTP collector (None: $OTEL_EXPORTER_OTLP_ENDPOINT and its like count, as
    for any OpenTelemetry exporter). Raises `UnreachableError` when the spans were not accepted, `ConfigError` when
    OpenTelemetry is not installed.
    """
    if not spans:
        return
    try:
        sender = _console(out or sys.stderr) if exporter == "console" else _otlp(endpoint, timeout_s)
    except ImportError as error:
        raise ConfigError(
            "OpenTelemetry is not installed",
            where="observability.traces",
            next_step="Install headgate[otel], or set it to none.",
        ) from error
    readable = [_readable(span) for span in spans]
    if not _send(sender, readable, timeout_s + 0.5):
        raise UnreachableError(
            f"the collector did not accept {len(spans)} span(s) within {timeout_s:g} s",
            where=endpoint or "OTEL_EXPORTER_OTLP_ENDPOINT",
            next_step="Check observability.otlp_endpoint; the spans are lost, the events are not.",
        )


def _console(out: TextIO) -> SpanExporter:
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    return ConsoleSpanExporter(out=out)


def _otlp(endpoint: str | None, timeout_s: float) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    if endpoint is not None and not endpoint.rstrip("/").endswith(_SIGNAL_PATH):
        endpoint = endpoint.rstrip("/") + _SIGNAL_PATH
    return OTLPSpanExporter(endpoint=endpoint, timeout=timeout_s)


def _send(sender: SpanExporter, spans: Sequence[ReadableSpan], patience_s: float) -> bool:
    """Whether the spans were accepted in time. The exporter's own timeout does not cover name resolution and a body
    that trickles in, so it works in a thread that nobody has to wait for."""
    from opentelemetry.sdk.trace.export import SpanExportResult

    results: list[SpanExportResult] = []

    def work() -> None:
        with contextlib.suppress(Exception):  # an exporter that breaks has not sent; the caller says so
            results.append(sender.export(spans))

    with _quiet("opentelemetry"), _quiet("urllib3"):
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(patience_s)
    if not thread.is_alive():
        sender.shutdown()
    return results == [SpanExportResult.SUCCESS]


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a library's own log lines off the terminal: one warning, ours, says what happened."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _readable(span: SpanFacts) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(trace_id: int, span_id: int, *, remote: bool) -> SpanContext:
        return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    parent = None if span.parent_id is None else context(span.trace_id, span.parent_id, remote=True)
    links = () if span.link is None else (Link(context(span.link.trace_id, span.link.span_id, remote=True)),)
    return ReadableSpan(
        name=span.name,
        context=context(span.trace_id, span.span_id, remote=False),
        parent=parent,
        resource=_resource(),
        attributes=span.attributes,
        links=links,
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
        instrumentation_scope=InstrumentationScope("headgate", __version__),
    )


def _resource() -> Resource:
    from opentelemetry.sdk.resources import Resource

    return Resource({"service.name": "headgate", "service.version": __version__})


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
