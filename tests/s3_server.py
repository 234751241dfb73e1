"""A real S3 API server in this process (moto's), and a proxy before it that can say SlowDown."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "library"
_SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
)
_OWN_HEADERS = frozenset({"transfer-encoding", "connection", "server", "date", "content-length"})


class S3Server:
    """Where the server listens, and a client that knows nothing of ours."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )

    def object_keys(self, bucket: str = BUCKET) -> list[str]:
        """Keys of all objects."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def unfinished_uploads(self, bucket: str = BUCKET) -> list[str]:
        """Keys of multipart uploads that were neither completed nor aborted."""
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """moto's server with one empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        started = S3Server(*server.get_host_and_port())
        # moto's state belongs to this process, so a server started earlier may have left some.
        connection = HTTPConnection(started.host, started.port, timeout=10)
        connection.request("POST", "/moto-api/reset")
        # Waited for: it would take the bucket with it.
        assert connection.getresponse().status == 200
        connection.close()
        started.client.create_bucket(Bucket=BUCKET)
        yield started
    finally:
        server.stop()


def aws_variables(host: str, port: int) -> dict[str, str]:
    """What a process needs in its environment to use a server at this address."""
    return {
        "AWS_ENDPOINT": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }


def use(server: S3Server | FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `ObjectStore.from_url("s3://...")` go to this server."""
    for name, value in aws_variables(server.host, server.port).items():
        monkeypatch.setenv(name, value)


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on, and answers 503 SlowDown itself as often as `faults` says."""

    def __init__(self, behind: S3Server) -> None:
        proxy = self
        self.faults = 0
        self.asked: list[str] = []
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if proxy.take_fault(f"{self.command} {self.path}"):
                    self._answer(503, {"Content-Type": "application/xml"}, _SLOW_DOWN)
                    return
                onward = HTTPConnection(behind.host, behind.port, timeout=30)
                onward.request(self.command, self.path, body, dict(self.headers))
                answer = onward.getresponse()
                headers = {k: v for k, v in answer.getheaders() if k.lower() not in _OWN_HEADERS}
                length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else None
                self._answer(answer.status, headers, answer.read(), length)
                onward.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815

            def _answer(
                self, status: int, headers: dict[str, str], body: bytes, length: str | None = None
            ) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", length or str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True
        self.host, self.port = "127.0.0.1", self.server_port

    def take_fault(self, what: str) -> bool:
        """Note a request; whether it is to fail."""
        with self._lock:
            self.asked.append(what)
            fails = self.faults > 0
            self.faults -= fails
            return fails


@contextmanager
def faulty_proxy(behind: S3Server) -> Iterator[FaultyProxy]:
    """A proxy before the server that passes everything on until it is told to fail."""
    with FaultyProxy(behind) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()
