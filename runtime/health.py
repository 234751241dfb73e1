"""A small loopback HTTP door for workers and shards: /healthz, /readyz and /metrics."""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Readiness = Callable[[], tuple[bool, Mapping[str, object]]]


class HealthServer:
    """Serves a process's health on 127.0.0.1 in a thread of its own.

    Args:
        port: 0 starts nothing.
        ready: called for /readyz; returns whether the process does its job, and details for people.
        registry: what /metrics shows.
    """

    def __init__(self, port: int, ready: Readiness, registry: CollectorRegistry) -> None:
        self._server: ThreadingHTTPServer | None = None
        if port:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(ready, registry))
            self._server.daemon_threads = True

    def start(self) -> None:
        """Begin to answer."""
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _handler(ready: Readiness, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(200, b'{"status":"alive"}', "application/json")
            elif self.path == "/readyz":
                is_ready, details = ready()
                body = json.dumps({"ready": is_ready, **details}).encode()
                self._answer(200 if is_ready else 503, body, "application/json")
            elif self.path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            else:
                self._answer(404, b'{"status":"not found"}', "application/json")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests for health are not worth a log line."""

    return Handler
