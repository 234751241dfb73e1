"""A collector for tests: a real HTTP server that decodes OTLP's protobuf; it can be slow, and it can refuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from runtime.span_files import SpanLine


class Receiver:
    """What came in, as the lines that the file exporter would have written.

    Args:
        url: the endpoint to name in OTEL_EXPORTER_OTLP_ENDPOINT.
    """

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.answering = threading.Event()
        self.answering.set()
        self.asked = threading.Event()
        self._received: list[SpanLine] = []
        self._changed = threading.Condition()

    def take(self, body: bytes) -> None:
        """Decode one request."""
        request = ExportTraceServiceRequest.FromString(body)
        spans = [
            SpanLine(
                trace=span.trace_id.hex(),
                span=span.span_id.hex(),
                parent=span.parent_span_id.hex() or None,
                name=span.name,
                process=next(
                    each.value.string_value for each in group.resource.attributes if each.key == "service.name"
                ),
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                attributes={
                    each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
                    for each in span.attributes
                },
            )
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        with self._changed:
            self._received += spans
            self._changed.notify_all()

    def spans(self, at_least: int = 0, within_s: float = 20.0) -> list[SpanLine]:
        """Everything that has come, once it is so many spans."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._received) >= at_least, within_s), self._received
            return msgspec.convert(msgspec.to_builtins(self._received), list[SpanLine])


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.asked.set()
            made.answering.wait(30)
            status = made.status if self.path == "/v1/traces" else 404
            if self.headers["Content-Type"] != "application/x-protobuf":
                status = 415
            if status == 200:
                made.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        made.answering.set()
        server.shutdown()
        server.server_close()
        thread.join()
