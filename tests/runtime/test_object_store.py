import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from contracts.errors import ConfigurationError, DependencyDown, NotFound, Superseded
from runtime.log_epoch import read_log_epoch, settle_log_epoch
from runtime.object_store import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/objects")


async def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    await store.put("objects/t/c/a b.pdf", b"bytes")
    assert await store.get("objects/t/c/a b.pdf") == b"bytes"
    assert (await store.head("objects/t/c/a b.pdf")).size_bytes == 5


async def test_reading_with_the_etag_of_a_replaced_object_is_superseded(store: ObjectStore) -> None:
    old = await store.put("k", b"old")
    new = await store.put("k", b"newer")
    with pytest.raises(Superseded):
        await store.get("k", if_match=old)
    assert await store.get("k", if_match=new) == b"newer"


async def test_a_file_is_stored_like_its_bytes(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    with (tmp_path / "f").open("rb") as file:
        stored = await store.put_stream("k", file)
    assert await store.get("k", if_match=stored.etag) == b"x" * 100_000
    assert (stored.size_bytes, stored.sha256) == (100_000, hashlib.sha256(b"x" * 100_000).hexdigest())


async def test_deleting_twice_is_deleting(store: ObjectStore) -> None:
    await store.put("k", b"")
    await store.delete("k")
    await store.delete("k")
    with pytest.raises(NotFound):
        await store.get("k")


async def test_a_prefix_lists_whole_segments_only(store: ObjectStore) -> None:
    for key in ("items/g/a/1.0", "items/g/a/1.1", "items/g/ab/1.0"):
        await store.put(key, b"x")
    assert sorted([meta.key async for meta in store.list("items/g/a/")]) == ["items/g/a/1.0", "items/g/a/1.1"]


async def test_listing_what_does_not_exist_is_empty(store: ObjectStore) -> None:
    assert [meta async for meta in store.list("nothing/")] == []


class S3(ThreadingHTTPServer):
    """A server with one object, or one that is broken; counts what it was asked."""

    def __init__(self, status: int) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                self.send_header("ETag", '"e"')
                self.send_header("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT")
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"bytes")

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = asked


@pytest.fixture
def s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with S3(request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield server
        server.shutdown()


@pytest.mark.parametrize("s3", [200], indirect=True)
async def test_an_s3_server_is_reached_as_its_variables_say(s3: S3) -> None:
    assert await ObjectStore.from_url("s3://bucket/prefix").get("k") == b"bytes"
    assert s3.asked == ["/bucket/prefix/k"]


@pytest.mark.parametrize("s3", [503], indirect=True)
async def test_a_broken_s3_server_is_given_up_after_six_tries(s3: S3) -> None:
    with pytest.raises(DependencyDown):
        await ObjectStore.from_url("s3://bucket").get("k")
    assert len(s3.asked) == 6


@pytest.mark.parametrize("url", ["", "http://x/y", "file://", "/tmp/x"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        ObjectStore.from_url(url)


async def test_the_log_epoch_rises_only_when_the_topic_was_re_created(store: ObjectStore) -> None:
    with pytest.raises(ConfigurationError):
        await read_log_epoch(store)
    assert [await settle_log_epoch(store, name) for name in ("c/1", "c/1", "c/2", "c/2", "d/1")] == [1, 1, 2, 2, 3]
    assert await read_log_epoch(store) == 3
