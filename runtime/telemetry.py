"""Logs, metrics and trace ids of a process. Logs are JSON lines; document text and secrets never enter them."""

import logging
import secrets
import sys
from collections.abc import Mapping
from typing import Any, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.metrics import MetricSpec
from contracts.trace import TRACEPARENT, TraceContext, parse_traceparent


def configure_logging(process: str, level: str = "INFO", *, json: bool = True) -> None:
    """Set up structlog once per process: time, level, process, then the event's own fields, to stderr."""
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that names its module."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(module=name))


def new_trace() -> TraceContext:
    """Start a trace with random ids."""
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8))


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
