"""The shipped rules in a real Prometheus over the running stack: promised alerts fire for a cause, and resolve."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from client.client import TriremeClient
from contracts.errors import TriremeError
from stack.home import CHECKOUT
from stack.layout import REPLICA, shard_name
from stack.ports import LOOPBACK, free_ports
from stack.scrape_targets import TARGETS_FILE, TargetGroup
from tests.integration.test_documents import add
from tests.prometheus_server import PrometheusServer, prometheus
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

DAMAGED = CHECKOUT / "samples" / "damaged" / "corrupt-picture.png"
ALERT_TIMEOUT_S = 45.0
# A shard that holds every request of this long answers just before its searches give it up (180 ms).
FROZEN_S, FREE_S = 0.19, 0.04


@contextmanager
def in_background(step: object, threads: int = 1) -> Iterator[None]:
    """Call `step` over and over until the block ends."""
    assert callable(step)
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            step(over)

    running = [threading.Thread(target=repeat, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in running:
            thread.join(10)


@contextmanager
def searches(stack: RunningStack) -> Iterator[None]:
    """New questions all the time, which no cache answers."""
    client = TriremeClient(stack.url, timeout_s=10.0)

    def ask(_: threading.Event) -> None:
        with suppress(TriremeError):
            client.search(f"the harbour of {uuid.uuid4()}")

    with in_background(ask):
        yield
    client.close()


@contextmanager
def slow_shard(stack: RunningStack) -> Iterator[None]:
    """A shard that stands still most of the time."""
    pid = stack.process(shard_name(0)).pid
    assert pid is not None

    def hold(over: threading.Event) -> None:
        os.kill(pid, signal.SIGSTOP)
        over.wait(FROZEN_S)
        os.kill(pid, signal.SIGCONT)
        over.wait(FREE_S)

    with in_background(hold):
        yield


@contextmanager
def bad_pictures(stack: RunningStack) -> Iterator[None]:
    """Pictures that no decoder can read."""
    client = TriremeClient(stack.url, timeout_s=10.0)
    names = itertools.count()

    def upload(over: threading.Event) -> None:
        client.upload(DAMAGED.read_bytes(), f"bad-{next(names)}.png", collection="alerts")
        over.wait(0.2)

    with in_background(upload):
        yield
    client.close()


@contextmanager
def one_more_replica(stack: RunningStack, folder: Path, cores: float) -> Iterator[int]:
    """Another replica of the stack's index, with a limit on its processor time; gives the port of its metrics."""
    pid = stack.process(REPLICA).pid
    (port,) = free_ports(1)
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0").split("\0")
    environment = dict(pair.split("=", 1) for pair in pairs) | {
        "TRIREME_PROCESS": "replica-under-load",
        "TRIREME_HEALTH_PORT": str(port),
        "TRIREME_SNAPSHOT_DIR": str(folder / "snapshots"),
        "TRIREME_CPU_LIMIT_CORES": str(cores),
    }
    with (folder / "replica.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "index_service"], env=environment, cwd=CHECKOUT, stdout=log, stderr=log
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def busy_loop(port: int) -> Iterator[None]:
    """Requests that keep a process's processor busy."""

    def ask(_: threading.Event) -> None:
        with suppress(OSError), urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as answer:
            answer.read()

    with in_background(ask, threads=2):
        yield


def fires(server: PrometheusServer, name: str) -> None:
    until(lambda: name in server.firing(), f"{name} fires", ALERT_TIMEOUT_S)


def test_promised_alerts_fire_for_their_causes_and_resolve(stack: RunningStack, tmp_path: Path) -> None:
    promised = {"SearchLatencyHigh", "EmbeddingWorkerErrors", "FaissIndexCpuHigh"}
    add(stack, "alerts", "harbour.txt", b"The harbour of Osterkai was dug in 1801.")
    stacks_own = msgspec.json.decode((stack.home.run / TARGETS_FILE).read_bytes(), type=list[TargetGroup])
    assert len(stacks_own) == len(stack.state().processes) - 2, "all but Kafka and Redis"
    with one_more_replica(stack, tmp_path, cores=0.3) as port:
        targets = tmp_path / "targets-of-test" / TARGETS_FILE
        targets.parent.mkdir()
        more = TargetGroup((f"{LOOPBACK}:{port}",), {"job": "index", "instance": "replica-under-load"})
        targets.write_bytes(msgspec.json.encode([*stacks_own, more]))
        folder = tmp_path / "prometheus"
        folder.mkdir()
        with prometheus(folder, targets) as server:
            until(lambda: len(server.query("up == 1")) == len(stacks_own) + 1, "every target is scraped")
            with bad_pictures(stack):
                fires(server, "EmbeddingWorkerErrors")
            with busy_loop(port):
                fires(server, "FaissIndexCpuHigh")
            with searches(stack):
                with slow_shard(stack):
                    fires(server, "SearchLatencyHigh")
                until(lambda: not promised & server.firing(), "all three resolve", ALERT_TIMEOUT_S)
            assert server.unhealthy_rules() == []
