"""Spans to an OpenTelemetry collector: OTLP over HTTP with protobuf, by OpenTelemetry's own exporter.

What else the standard variables say (OTEL_EXPORTER_OTLP_HEADERS, _CERTIFICATE, _COMPRESSION and so on) is read by
the exporter itself.
"""

from __future__ import annotations

import logging

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

# For one batch with all its tries; the queue holds what comes meanwhile.
DEADLINE_S = 3.0
_PATH = "/v1/traces"


def collector_exporter(endpoint: str) -> OTLPSpanExporter:
    """An exporter to the collector whose OTLP door is at `endpoint`, such as "http://collector:4318"."""
    # Its own lines are not JSON, and one for each try: `runtime.span_queue` says when spans are lost.
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH, timeout=DEADLINE_S)
