"""Spans of a process: where they begin and end. Without `configure_tracing` nothing is recorded or loaded."""

from __future__ import annotations

import atexit
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.trace import TraceContext

if TYPE_CHECKING:
    from prometheus_client import Counter

    from runtime.span_recorder import SpanRecorder

_recorder: SpanRecorder | None = None
_share = 1.0


def configure_tracing(process: str, folder: Path | None, share: float, collector: str | None = None) -> None:
    """Set up once per process, as logging is; before its `Metrics` are made, so that they count lost spans.

    Args:
        folder: where spans are written.
        collector: where they are sent, an OTLP endpoint. With neither, nothing is recorded.
        share: of the traces that begin here, those that are recorded, 0 to 1. A trace that came from elsewhere
            brings its own decision along.
    """
    global _recorder, _share
    _share = share
    if folder is None and collector is None:
        return
    from runtime.span_recorder import recorder_to

    _recorder = recorder_to(process, folder, collector)
    atexit.register(_recorder.close)


def lost_spans() -> Counter | None:
    """What counts the spans that were not delivered, where any are recorded."""
    return _recorder.lost if _recorder is not None else None


def sampled() -> bool:
    """Whether a trace that begins now shall be recorded."""
    return _share >= 1.0 or random.random() < _share


def record(
    name: str,
    trace: TraceContext,
    start_ns: int,
    end_ns: int | None = None,
    **attributes: str | int | float | bool,
) -> None:
    """Record the hop `trace` as a span; times are Unix time in ns, `end_ns` is now when left out."""
    if _recorder is not None and trace.sampled:
        _recorder.record(name, trace, start_ns, time.time_ns() if end_ns is None else end_ns, attributes)


def sibling_of(trace: TraceContext) -> TraceContext:
    """A span beside `trace`, below the same parent: for one of several results of one request."""
    return TraceContext(trace.trace_id, secrets.token_hex(8), trace.sampled, trace.parent_id)


def child_of(trace: TraceContext) -> TraceContext:
    """A span below `trace`."""
    return trace.child(secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """A span that has not ended.

    Args:
        trace: what to pass on.
        attributes: what it will be recorded with; add to them.
    """

    trace: TraceContext | None
    attributes: dict[str, str | int | float | bool]


@contextmanager
def span(
    name: str, parent: TraceContext | None, **attributes: str | int | float | bool
) -> Iterator[TraceContext | None]:
    """Record the block as a span below `parent`, also when it fails; gives what to pass on."""
    with open_span(name, parent, **attributes) as hop:
        yield hop.trace


@contextmanager
def open_span(
    name: str, parent: TraceContext | None, **attributes: str | int | float | bool
) -> Iterator[OpenSpan]:
    """As `span`, for a block that learns its attributes as it goes."""
    if parent is None or _recorder is None or not parent.sampled:
        yield OpenSpan(parent, {})
        return
    hop, began_ns = OpenSpan(child_of(parent), dict(attributes)), time.time_ns()
    try:
        yield hop
    except BaseException as exc:
        hop.attributes["error"] = type(exc).__name__
        raise
    finally:
        assert hop.trace is not None
        record(name, hop.trace, began_ns, None, **hop.attributes)
