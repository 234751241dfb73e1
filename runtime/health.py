"""A small loopback HTTP door for workers and shards: /healthz, /readyz, /metrics, and what a process adds."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Readiness = Callable[[], tuple[bool, Mapping[str, object]]]

_JSON = "application/json"
_LOOPBACK = "127.0.0.1"
_OWN_NAMES = frozenset({_LOOPBACK, "localhost"})
# As the gateway asks for it: a form on a foreign page cannot send it.
_WRITE_HEADER = "X-Requested-With"


@dataclass(frozen=True, slots=True)
class DoorRequest:
    """A request for something that a process offers beside its health. `parameters` are those of the query."""

    method: Literal["GET", "POST"]
    path: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DoorAnswer:
    """What is answered to it."""

    status: int
    body: bytes
    content_type: str


Door = Callable[[DoorRequest], DoorAnswer | None]
"""Answers a request in a thread of its own; None for a path that it does not know."""


class HealthServer:
    """Serves a process's health in a thread of its own.

    Args:
        port: 0 starts nothing.
        ready: called for /readyz; returns whether the process does its job, and details for people.
        registry: what /metrics shows.
        door: answers all other paths. It is asked only from this machine, by who names it as the host, and for a
            POST by who sends `X-Requested-With`: pages in a browser on this machine can do neither.
        host: the address to listen on.
    """

    def __init__(
        self,
        port: int,
        ready: Readiness,
        registry: CollectorRegistry,
        *,
        door: Door = lambda _: None,
        host: str = _LOOPBACK,
    ) -> None:
        self._server: ThreadingHTTPServer | None = None
        if port:
            self._server = ThreadingHTTPServer((host, port), _handler(ready, registry, door))
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


def _handler(ready: Readiness, registry: CollectorRegistry, door: Door) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(200, b'{"status":"alive"}', _JSON)
            elif self.path == "/readyz":
                is_ready, details = ready()
                body = json.dumps({"ready": is_ready, **details}).encode()
                self._answer(200 if is_ready else 503, body, _JSON)
            elif self.path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            else:
                self._ask_door("GET")

        def do_POST(self) -> None:
            if _WRITE_HEADER in self.headers:
                self._ask_door("POST")
            else:
                self._answer(403, b'{"status":"the header X-Requested-With is missing"}', _JSON)

        def _ask_door(self, method: Literal["GET", "POST"]) -> None:
            own_name = self.headers.get("Host", "").rsplit(":", 1)[0] in _OWN_NAMES
            if not own_name or self.client_address[0] != _LOOPBACK:
                self._answer(421, b'{"status":"not the name of this machine"}', _JSON)
                return
            url = urlsplit(self.path)
            answer = door(DoorRequest(method, url.path, dict(parse_qsl(url.query))))
            if answer is None:
                self._answer(404, b'{"status":"not found"}', _JSON)
            else:
                self._answer(answer.status, answer.body, answer.content_type)

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests for health are not worth a log line."""

    return Handler
