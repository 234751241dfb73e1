"""Makes finished spans into OpenTelemetry's, for each place where the spans of this process go.

Spans are made whole at their end, with the ids that `contracts.trace` carries over HTTP, gRPC and Kafka: what
is not sampled costs nothing, and what is costs one object and a place in a bounded queue; a full one loses spans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import SpanContext, TraceFlags
from prometheus_client import Counter

from contracts.metrics import SPANS_LOST
from contracts.trace import TraceContext
from runtime.span_files import FileExporter
from runtime.span_queue import SpanQueue

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)

Attributes = Mapping[str, str | int | float | bool]


class SpanRecorder:
    """Records the spans of one process.

    Args:
        exporters: by the name of the place where they deliver. One that is slow or away costs the others nothing.
    """

    def __init__(self, process: str, exporters: Mapping[str, SpanExporter]) -> None:
        self._resource = Resource({"service.namespace": "trireme", "service.name": process})
        self.lost = Counter(SPANS_LOST.name, SPANS_LOST.help, SPANS_LOST.labels, registry=None)
        self._queues: Sequence[SpanQueue] = [SpanQueue(each, to, self.lost) for to, each in exporters.items()]

    def record(self, name: str, trace: TraceContext, start_ns: int, end_ns: int, attributes: Attributes) -> None:
        """Queue the finished span `trace`. From any thread; never blocks."""
        trace_id = int(trace.trace_id, 16)
        parent = trace.parent_id
        span = ReadableSpan(
            name,
            context=SpanContext(trace_id, int(trace.span_id, 16), is_remote=False, trace_flags=_SAMPLED),
            parent=SpanContext(trace_id, int(parent, 16), is_remote=True, trace_flags=_SAMPLED)
            if parent
            else None,
            resource=self._resource,
            attributes=dict(attributes),
            start_time=start_ns,
            end_time=end_ns,
        )
        for queue in self._queues:
            queue.add(span)

    def close(self) -> None:
        """Deliver what is queued and stop."""
        for queue in self._queues:
            queue.close()


def recorder_to(process: str, folder: Path | None, collector: str | None) -> SpanRecorder:
    """A recorder whose spans land in files of `folder` and at `collector`, where there are such."""
    exporters: dict[str, SpanExporter] = {}
    if folder is not None:
        exporters["files"] = FileExporter(folder, process)
    if collector is not None:
        from runtime.span_collector import collector_exporter

        exporters["collector"] = collector_exporter(collector)
    return SpanRecorder(process, exporters)
