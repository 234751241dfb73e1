"""Spans as lines of JSON: one file for each process, in a folder that processes of one machine share.

Works without any server, on the embedded stack above all. A file of `MAX_BYTES` becomes the older of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

MAX_BYTES = 64 * 1024 * 1024
_NEW, _OLD = ".jsonl", ".jsonl.1"


class SpanLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One span. Times are Unix time in ns; `parent` is None where the trace begins."""

    trace: str
    span: str
    parent: str | None = None
    name: str
    process: str
    start_ns: int
    end_ns: int
    attributes: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)


class FileExporter(SpanExporter):
    """Appends spans to the file of one process."""

    def __init__(self, folder: Path, process: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._process = process
        self._path = folder / f"{process}{_NEW}"

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append; a disk that does not take them costs the spans and nothing else."""
        data = b"".join(msgspec.json.encode(self._line(span)) + b"\n" for span in spans)
        try:
            if self._path.exists() and self._path.stat().st_size > MAX_BYTES:
                self._path.replace(self._path.with_name(f"{self._process}{_OLD}"))
            with self._path.open("ab") as file:
                file.write(data)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def _line(self, span: ReadableSpan) -> SpanLine:
        assert span.context is not None
        return SpanLine(
            trace=f"{span.context.trace_id:032x}",
            span=f"{span.context.span_id:016x}",
            parent=f"{span.parent.span_id:016x}" if span.parent else None,
            name=span.name,
            process=self._process,
            start_ns=span.start_time or 0,
            end_ns=span.end_time or 0,
            attributes=msgspec.convert(dict(span.attributes or {}), dict[str, str | int | float | bool]),
        )


def read_spans(folder: Path, trace_id: str) -> list[SpanLine]:
    """All spans of one trace in a folder, by their beginning. A line that was cut short is skipped."""
    found: list[SpanLine] = []
    wanted = trace_id.encode()
    for path in sorted((*folder.glob(f"*{_OLD}"), *folder.glob(f"*{_NEW}"))):
        with path.open("rb") as file:
            found += _of_trace(file, wanted)
    return sorted(found, key=lambda line: line.start_ns)


def _of_trace(lines: Iterable[bytes], wanted: bytes) -> list[SpanLine]:
    found: list[SpanLine] = []
    for line in lines:
        if wanted in line:
            try:
                span = msgspec.json.decode(line, type=SpanLine)
            except msgspec.DecodeError:
                continue
            if span.trace == wanted.decode():
                found.append(span)
    return found
