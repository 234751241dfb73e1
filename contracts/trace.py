"""W3C trace context (https://www.w3.org/TR/trace-context/) as a value: read, continue and write `traceparent`.

Injected and read by hand, because the ready-made Kafka instrumentation links traces instead of continuing
them. On re-publishing, the header is replaced, never appended.
"""

import re
from dataclasses import dataclass, field

TRACEPARENT = "traceparent"
_PATTERN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """One position in a trace.

    Args:
        trace_id: 32 lower-case hex digits, shared by all hops of one request.
        span_id: 16 lower-case hex digits of the hop that wrote the header.
        sampled: whether the hops record their spans.
        parent_id: span that this hop continues, None where the trace begins.
    """

    trace_id: str
    span_id: str
    sampled: bool = True
    parent_id: str | None = field(default=None, compare=False)

    def header(self) -> str:
        """The value of the `traceparent` header."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self, span_id: str) -> "TraceContext":
        """The same trace, continued by a hop with its own span id."""
        return TraceContext(self.trace_id, span_id, self.sampled, self.span_id)


def parse_traceparent(value: str | None) -> TraceContext | None:
    """Read a `traceparent` value; None when it is absent or not valid (the caller then starts a trace)."""
    match = _PATTERN.fullmatch(value.strip()) if value else None
    if match is None or match[1] == "ff" or set(match[2]) == {"0"} or set(match[3]) == {"0"}:
        return None
    return TraceContext(match[2], match[3], bool(int(match[4], 16) & 1))
