"""Sends spans to whoever listens to OTLP over HTTP, by OpenTelemetry's own SDK (extra: otel)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from bench.timeline.spans import Span
from pipelines.errors import LabError

SERVICE = "duplex-lab"
TRACES_PATH = "/v1/traces"
BATCH = 512
"""Number of spans sent at a time."""


class Exporter(Protocol):
    """Takes the SDK's spans: over the network, or into memory."""

    def export(self, spans: Any, /) -> Any:
        """Takes some spans; returns whether that went well."""


def otlp(endpoint: str, timeout_s: float = 10.0) -> Exporter:
    """The exporter to a collector.

    Args:
        endpoint: ``http://host:4318``; without a path the usual one is taken.
        timeout_s: Limit for one batch, all tries together.

    Raises:
        LabError: the SDK is not installed, or the address is not valid.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise LabError(f"--endpoint {endpoint}: an address is needed, like http://localhost:4318.")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise LabError(
            "Traces need OpenTelemetry's SDK, which is not installed: "
            "pip install 'duplex-lab[otel]' (in a checkout: pip install -e '.[otel]')."
        ) from None
    path = parts.path if parts.path not in ("", "/") else TRACES_PATH
    found: Exporter = OTLPSpanExporter(
        endpoint=urlunsplit(parts._replace(path=path)), timeout=timeout_s
    )
    return found


def send(spans: Iterable[Span], exporter: Exporter) -> int:
    """Sends all spans; returns their number.

    Raises:
        LabError: the receiver did not take them.
    """
    from opentelemetry.sdk.trace.export import SpanExportResult

    ready = [as_sdk(span) for span in spans]
    for first in range(0, len(ready), BATCH):
        if exporter.export(ready[first : first + BATCH]) is not SpanExportResult.SUCCESS:
            raise LabError(
                f"the traces were not taken (after {first} of {len(ready)} spans): is a collector "
                "listening there for OTLP over HTTP?"
            )
    return len(ready)


def as_sdk(span: Span) -> Any:
    """A span as the SDK's own type, with our ids and times."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span_id: int) -> SpanContext:
        return SpanContext(span.trace_id, span_id, False, TraceFlags(TraceFlags.SAMPLED))

    failed = span.error is not None
    return ReadableSpan(
        name=span.name,
        context=context(span.span_id),
        parent=None if span.parent_id is None else context(span.parent_id),
        resource=Resource({"service.name": SERVICE}),
        attributes=span.attributes,
        events=[Event(event.name, timestamp=event.t_ns) for event in span.events],
        kind=SpanKind.INTERNAL,
        instrumentation_scope=InstrumentationScope("bench.timeline.spans"),
        status=Status(StatusCode.ERROR, span.error) if failed else Status(StatusCode.UNSET),
        start_time=span.start_ns,
        end_time=span.end_ns,
    )
