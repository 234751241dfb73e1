"""Between the spans of a process and one place where they go: a bounded queue with a thread of its own.

Whoever records a span never waits here. What cannot be delivered is lost, and counted; nothing is kept on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import Counter

QUEUE_SPANS = 4096
_BATCH_SPANS = 512
_EVERY_MS = 500.0

_log = structlog.get_logger(module=__name__)


class SpanQueue:
    """The queue before one exporter.

    Args:
        exporter: has a deadline of its own for each batch; it is called from one thread.
        to: where it delivers, in metrics and logs.
        lost: counts by (to, cause).
    """

    def __init__(self, exporter: SpanExporter, to: str, lost: Counter) -> None:
        self._overflown = lost.labels(to, "queue_full")
        self._delivery = _Delivery(exporter, to, lost)
        self._processor = BatchSpanProcessor(
            self._delivery,
            max_queue_size=QUEUE_SPANS,
            schedule_delay_millis=_EVERY_MS,
            max_export_batch_size=_BATCH_SPANS,
        )

    def add(self, span: ReadableSpan) -> None:
        """Queue a finished span; a full queue loses it. From any thread; never blocks."""
        if self._delivery.admit():
            self._processor.on_end(span)
        else:
            self._overflown.inc()

    def close(self) -> None:
        """Deliver what is queued, as long as that goes without a failure, and stop."""
        self._delivery.closing = True
        self._processor.shutdown()  # type: ignore[no-untyped-call]


class _Delivery(SpanExporter):
    """Counts what waits and what is lost around the exporter, and says once when its other end goes and comes."""

    def __init__(self, exporter: SpanExporter, to: str, lost: Counter) -> None:
        self.closing = False
        self._exporter = exporter
        self._to = to
        self._lost = lost.labels(to, "not_delivered")
        self._lock = threading.Lock()
        self._waiting = 0
        self._away = False

    def admit(self) -> bool:
        """Whether there is a place in the queue; it is taken then."""
        # The SDK's queue would throw its oldest spans out uncounted. It holds at most what is counted here.
        with self._lock:
            if self._waiting >= QUEUE_SPANS:
                return False
            self._waiting += 1
            return True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand a batch on."""
        with self._lock:
            self._waiting -= len(spans)
        # A process that ends gives what does not take spans one more try, not one for each batch.
        given_up = self.closing and self._away
        result = SpanExportResult.FAILURE if given_up else self._exporter.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away:
            self._lost.inc(len(spans))
        if away != self._away:
            self._away = away
            _log.warning("spans_are_lost" if away else "spans_are_delivered_again", to=self._to)
        return result

    def shutdown(self) -> None:
        """Close the exporter."""
        self._exporter.shutdown()
