"""Uploads through the whole app into a real S3 API server, with the real publisher and a log in memory."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from contracts.codec import decode
from contracts.documents import FileAdded
from contracts.topics import FILE_ADDED
from gateway.flows.documents import Documents
from gateway.settings import GatewaySettings
from runtime.hashed_reading import PART_BYTES
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from tests.gateway.door import WRITE, Door
from tests.gateway.routes.test_search_route import assert_problem
from tests.ingest.memory_log import MemoryLog
from tests.s3_server import BUCKET, FaultyProxy, S3Server, faulty_proxy, s3_server, use

LIMIT_BYTES = 3 * PART_BYTES
HEADERS = WRITE | {"content-type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture
def proxy(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    with faulty_proxy(server) as started:
        use(started, monkeypatch)
        yield started


class Scene:
    """The app with its documents in the bucket, under a prefix of the test's own."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.log = MemoryLog(n_partitions=1)
        store = ObjectStore.from_url(f"s3://{BUCKET}/{prefix}")
        door = Door(GatewaySettings(max_upload_bytes=LIMIT_BYTES))
        publisher = DocumentPublisher(store, self.log, 1)  # type: ignore[arg-type]
        door.services.documents = Documents(publisher, door.status, store, door.links)
        self._door = door

    async def post(self, size_bytes: int, name: str = "a.txt") -> httpx.Response:
        """Upload so many letters as a stream of no announced length."""

        async def body() -> AsyncIterator[bytes]:
            yield f"--b\r\nContent-Disposition: form-data; name=file; filename={name}\r\n\r\n".encode()
            for start in range(0, size_bytes, 65_536):
                yield b"x" * min(65_536, size_bytes - start)
            yield b"\r\n--b--\r\n"

        async with self._door.client() as client:
            return await client.post("/v1/documents?wait_s=0.1", content=body(), headers=HEADERS)

    def keys(self, server: S3Server) -> list[str]:
        return [key for key in server.object_keys() if key.startswith(f"{self.prefix}/")]


@pytest.mark.usefixtures("proxy")
async def test_a_large_file_goes_into_the_bucket_in_parts(server: S3Server) -> None:
    scene = Scene("large")
    response = await scene.post(2 * PART_BYTES + 7)
    assert response.status_code == 202
    [event] = [decode(FileAdded, record.value) for record in scene.log.records(FILE_ADDED)]
    head = server.client.head_object(Bucket=BUCKET, Key=f"large/{event.uri}")
    assert (head["ContentLength"], head["ETag"]) == (2 * PART_BYTES + 7, event.etag)
    assert (event.sha256, event.size_bytes) == (response.json()["sha256"], 2 * PART_BYTES + 7)


@pytest.mark.usefixtures("proxy")
async def test_a_file_over_the_limit_leaves_nothing_behind(server: S3Server) -> None:
    scene = Scene("over")
    assert_problem(await scene.post(LIMIT_BYTES + 1), 413, "payload_too_large")
    assert scene.keys(server) == server.unfinished_uploads() == []
    assert scene.log.records(FILE_ADDED) == []


@pytest.mark.usefixtures("proxy")
async def test_while_kafka_is_away_nothing_is_left_in_the_bucket(server: S3Server) -> None:
    scene = Scene("kafka-down")
    scene.log.down = True
    assert_problem(await scene.post(PART_BYTES + 1), 503, "dependency_down")
    assert scene.keys(server) == server.unfinished_uploads() == []


async def test_while_the_store_is_away_nothing_is_announced(proxy: FaultyProxy, server: S3Server) -> None:
    scene = Scene("store-down")
    proxy.faults = 10**6
    assert_problem(await scene.post(100), 503, "dependency_down")
    assert scene.log.records(FILE_ADDED) == []
