"""Events of an S3-compatible store by HTTP: the app, and the process over a real bucket and a broker."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote_plus

import httpx
import pytest

from contracts.codec import decode
from contracts.documents import FileAdded
from contracts.topics import FILE_ADDED
from ingest.doors.object_events import Bucket, ObjectEvents
from ingest.doors.webhook import webhook_app
from runtime.log_epoch import LOG_EPOCH_KEY
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from stack.home import CHECKOUT
from stack.ports import free_ports
from tests.ingest.doors.test_notices import filer_event, s3_event
from tests.ingest.memory_log import MemoryLog
from tests.mock_kafka import file_events, mock_kafka
from tests.s3_server import BUCKET, S3Server, aws_variables, s3_server, use

TOKEN = "a token of the store's"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
URL = f"s3://{BUCKET}/store"
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


class Scene:
    """The app over a real bucket and a log in memory."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.counts: Counter[str] = Counter()
        store = ObjectStore.from_url(URL)
        publisher = DocumentPublisher(store, self.log, 1)  # type: ignore[arg-type]
        events = ObjectEvents(Bucket(URL), store, publisher, lambda outcome: self.counts.update((outcome,)))
        transport = httpx.ASGITransport(webhook_app(events, TOKEN))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://door", headers=HEADERS)

    def names(self) -> list[str]:
        return [decode(FileAdded, record.value).source_key for record in self.log.records(FILE_ADDED)]


@pytest.fixture
async def scene(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    use(server, monkeypatch)
    made = Scene()
    async with made.client:
        yield made


async def test_each_store_s_form_announces_the_object(scene: Scene, server: S3Server) -> None:
    for name in ("minio é.txt", "ceph é+.txt", "seaweed.txt"):
        server.client.put_object(Bucket=BUCKET, Key=f"store/objects/t/c/{name}", Body=b"x")
    key = "store/objects/t/c/"
    bodies = [
        s3_event("s3:ObjectCreated:Put", quote_plus(f"{key}minio é.txt"), source="minio:s3"),
        s3_event("ObjectCreated:Put", f"{key}ceph é+.txt", source="ceph:s3"),
        filer_event("create", f"/buckets/{BUCKET}/{key}seaweed.txt", new_entry={"name": "seaweed.txt"}),
    ]
    for body in bodies:
        text = json.dumps(body).replace('"name": "b"', f'"name": "{BUCKET}"')
        answer = await scene.client.post("/events", content=text)
        assert (answer.status_code, answer.json()) == (200, {"taken": ["added"]})
    assert set(scene.names()) == {"minio é.txt", "ceph é+.txt", "seaweed.txt"}


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", TOKEN, f"Basic {TOKEN}"])
async def test_without_the_token_nothing_is_read(scene: Scene, header: str | None) -> None:
    headers = {"Authorization": header or ""}
    answer = await scene.client.post("/events", content=b"{", headers=headers)
    assert answer.status_code == 401
    assert scene.counts == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"{}",
        json.dumps(s3_event("ObjectCreated:Put", "store/objects/t/c/x")).encode(),
        json.dumps(filer_event("create", f"/buckets/{BUCKET}/elsewhere/x")).encode(),
    ],
    ids=["empty", "no JSON", "no event", "wrong bucket", "foreign prefix"],
)
async def test_what_is_wrong_with_an_event_is_said_and_counted(scene: Scene, body: bytes) -> None:
    answer = await scene.client.post("/events", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")
    assert scene.counts == {"refused": 1}


async def test_an_event_of_megabytes_is_not_read_to_its_end(scene: Scene) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64:
            sent += 1
            yield b" " * 65_536

    answer = await scene.client.post("/events", content=endless())
    assert answer.status_code == 413
    assert sent < 64


async def test_while_kafka_is_away_the_store_is_told_to_try_again(scene: Scene, server: S3Server) -> None:
    server.client.put_object(Bucket=BUCKET, Key="store/objects/t/c/later.txt", Body=b"x")
    scene.log.down = True
    body = filer_event("create", f"/buckets/{BUCKET}/store/objects/t/c/later.txt")
    answer = await scene.client.post("/events", json=body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


async def test_a_store_that_only_asks_whether_somebody_is_there_needs_no_token(scene: Scene) -> None:
    assert (await scene.client.head("/events", headers={"Authorization": ""})).status_code == 200


def test_the_process_takes_events_counts_them_and_ends_with_the_signal(server: S3Server, tmp_path: Path) -> None:
    server.client.put_object(Bucket=BUCKET, Key=f"store/{LOG_EPOCH_KEY}", Body=b'{"epoch": 1, "identity": "c/t"}')
    server.client.put_object(Bucket=BUCKET, Key="store/objects/t/c/real.txt", Body=b"x")
    port, health_port = free_ports(2)
    with mock_kafka(tmp_path) as broker:
        environment = {
            "PATH": os.environ["PATH"],
            "TRIREME_TOKEN": TOKEN,
            "TRIREME_PORT": str(port),
            "TRIREME_HEALTH_PORT": str(health_port),
            "TRIREME_KAFKA_BOOTSTRAP": broker,
            "TRIREME_OBJECT_STORE_URL": URL,
            **aws_variables(server.host, server.port),
        }
        process = subprocess.Popen([sys.executable, "-m", "ingest.webhook"], cwd=CHECKOUT, env=environment)
        try:
            answer = post(
                f"http://127.0.0.1:{port}/events",
                filer_event("create", f"/buckets/{BUCKET}/store/objects/t/c/real.txt"),
            )
            assert answer.json() == {"taken": ["added"]}
            assert [event.source_key for event in file_events(broker)] == ["real.txt"]
            metrics = httpx.get(f"http://127.0.0.1:{health_port}/metrics").text
            assert 'trireme_door_events_total{outcome="added"} 1.0' in metrics
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0


def post(url: str, body: object) -> httpx.Response:
    """Post once somebody listens there."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return httpx.post(url, json=body, headers=HEADERS)
        except httpx.ConnectError:
            assert time.monotonic() < deadline, "the process does not listen"
            time.sleep(0.05)


def test_a_token_that_is_easily_guessed_stops_the_process() -> None:
    environment = {"PATH": os.environ["PATH"], "TRIREME_TOKEN": "short", "TRIREME_OBJECT_STORE_URL": URL}
    ended = subprocess.run(
        [sys.executable, "-m", "ingest.webhook"], cwd=CHECKOUT, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "TRIREME_TOKEN" in ended.stderr
