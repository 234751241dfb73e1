"""The health door: three paths for everybody whom it listens to, all others for this machine only."""

import http.client
import socket
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from runtime.health import DoorAnswer, HealthServer
from stack.ports import free_ports

OTHER = "127.0.0.2"
"""Another address of this machine: what comes from it counts as coming from elsewhere."""


@pytest.fixture
def port() -> Iterator[int]:
    [port] = free_ports(1)
    server = HealthServer(
        port,
        lambda: (True, {"lag": 0}),
        CollectorRegistry(),
        door=lambda request: DoorAnswer(200, request.path.encode(), "text/plain"),
        host="0.0.0.0",
    )
    server.start()
    yield port
    server.stop()


def ask(port: int, path: str, source: str = "127.0.0.1", host: str = "127.0.0.1") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    connection.request("GET", path, headers={"Host": host})
    return connection.getresponse().status


def test_health_and_metrics_are_for_everybody(port: int) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert ask(port, path, OTHER, "shard-0:9100") == 200


def test_all_else_is_for_this_machine(port: int) -> None:
    assert ask(port, "/verify") == 200
    assert ask(port, "/verify", OTHER) == 421
    assert ask(port, "/verify", host="evil.example") == 421


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    [port] = free_ports(1)
    server = HealthServer(port, lambda: (True, {}), CollectorRegistry())
    server.start()
    try:
        with pytest.raises(ConnectionRefusedError), socket.create_connection((OTHER, port), timeout=10):
            pass
    finally:
        server.stop()
