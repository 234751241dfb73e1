"""Logs, metrics and trace ids of a process. Logs are JSON lines; document text and secrets never enter them."""

import logging
import secrets
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.typing import EventDict, ExcInfo, Processor

from contracts.metrics import MetricSpec
from contracts.trace import TRACEPARENT, TraceContext, parse_traceparent
from runtime.tracebacks import traceback_of
from runtime.tracing import lost_spans, sampled


def configure_logging(process: str, level: str = "INFO", *, json: bool = True) -> None:
    """Set up logs once per process: time, level, process, then the event's own fields, to stderr.

    Warnings of libraries come out as lines of the same kind.
    """
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer()

    def name_process(_logger: object, _method: str, event: EventDict) -> EventDict:
        # No context variable: threads that begin without a context of ours would not have it.
        event["process"] = process
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        name_process,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_traceback),
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def about(**fields: str | int) -> AbstractContextManager[None]:
    """Log lines within the block, of this task and of what it starts, have these fields."""
    return structlog.contextvars.bound_contextvars(**fields)


def _traceback(exc_info: ExcInfo) -> str:
    return traceback_of(exc_info[1])


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that names its module."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(module=name))


def new_trace() -> TraceContext:
    """Start a trace with random ids."""
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8), sampled())


def continue_trace(traceparent: str | bytes | None) -> TraceContext:
    """Continue the trace of a `traceparent` value with a span of our own, or start one when it is not valid."""
    text = traceparent.decode("ascii", "replace") if isinstance(traceparent, bytes) else traceparent
    parent = parse_traceparent(text)
    return parent.child(secrets.token_hex(8)) if parent else new_trace()


def trace_of(headers: Mapping[str, bytes]) -> TraceContext:
    """The trace that a record's headers continue, or a new one."""
    return continue_trace(headers.get(TRACEPARENT))


class Metrics:
    """Prometheus metrics of one process, each made once from its specification in `contracts.metrics`."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._made: dict[str, Counter | Gauge | Histogram] = {}
        if lost := lost_spans():
            self.registry.register(lost)

    def counter(self, spec: MetricSpec) -> Counter:
        """The counter of `spec`."""
        if spec.name not in self._made:
            self._made[spec.name] = Counter(spec.name, spec.help, spec.labels, registry=self.registry)
        return cast(Counter, self._made[spec.name])

    def gauge(self, spec: MetricSpec) -> Gauge:
        """The gauge of `spec`."""
        if spec.name not in self._made:
            self._made[spec.name] = Gauge(spec.name, spec.help, spec.labels, registry=self.registry)
        return cast(Gauge, self._made[spec.name])

    def histogram(self, spec: MetricSpec) -> Histogram:
        """The histogram of `spec`."""
        if spec.name not in self._made:
            self._made[spec.name] = Histogram(
                spec.name, spec.help, spec.labels, buckets=spec.buckets, registry=self.registry
            )
        return cast(Histogram, self._made[spec.name])
