"""`trireme trace ID`: one trace as a tree, from the request or the file to the last hop, with durations."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, out, print_json
from cli.target import HomeOption
from contracts.errors import InvalidInput, NotFound
from runtime.span_files import SpanLine, read_spans
from stack.home import DEFAULT_HOME, StackHome

IdArgument = Annotated[
    str, typer.Argument(help="Trace id: the response header X-Trace-Id, or `trace_id` in answers and logs.")
]
_ID = re.compile(r"[0-9a-f]{32}")


def run(trace_id: IdArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print a trace as a tree with durations."""
    if not _ID.fullmatch(trace_id):
        raise InvalidInput("A trace id has 32 lower-case hexadecimal digits.")
    spans = read_spans(StackHome(home or DEFAULT_HOME).traces, trace_id)
    if not spans:
        raise NotFound("No span of this trace is kept here. Spans are written within a second of their end.")
    if as_json:
        print_json(spans)
        return
    for line in tree(spans):
        out.print(escape(line), highlight=False)


def roots_of(spans: Sequence[SpanLine]) -> list[SpanLine]:
    """Spans whose parent is not kept here: one, where a trace is whole."""
    known = {span.span for span in spans}
    return [span for span in spans if span.parent not in known]


def tree(spans: Sequence[SpanLine]) -> Iterator[str]:
    """A line for each span, under its parent: when it began after the first, how long it took, where."""
    below: dict[str | None, list[SpanLine]] = defaultdict(list)
    for span in spans:
        below[span.parent].append(span)
    roots = roots_of(spans)
    first_ns = min(span.start_ns for span in spans)
    waiting = [(root, 0) for root in reversed(roots)]
    seen: set[str] = set()
    while waiting:
        span, depth = waiting.pop()
        if span.span in seen:
            continue
        seen.add(span.span)
        after_ms, took_ms = (span.start_ns - first_ns) / 1e6, (span.end_ns - span.start_ns) / 1e6
        more = " ".join(f"{name}={value}" for name, value in span.attributes.items())
        yield f"{after_ms:9.1f} ms {took_ms:9.1f} ms  {'  ' * depth}{span.name} [{span.process}] {more}".rstrip()
        waiting += [(child, depth + 1) for child in reversed(below[span.span])]
