"""Fakes of the search flow's ports. They compute: towers make vectors from words, shards search what they hold."""

import asyncio
import itertools
import zlib
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.codec import decode, encode
from contracts.errors import DependencyDown, InvalidInput, PayloadTooLarge, TriremeError
from contracts.generations import Generation
from contracts.ids import shard_of
from contracts.joint import Vector, Weights, join_item, join_query, unit
from contracts.search import Filter, SearchReply, SearchRequest, ShardHit
from contracts.space import Space, TextRole
from contracts.trace import TraceContext
from encoding.pictures import to_tensor
from gateway.core.cached_answer import CachedAnswer

HALF = 16
N_SHARDS = 3
SPACE = Space(
    encoders={"text": "words@1", "clip_text": "words@1", "clip_image": "pixels@1"},
    text_dim=HALF,
    image_dim=HALF,
    centred=False,
    means={tower: [0.0] * HALF for tower in ("text", "clip_text", "clip_image")},
)
TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
GENERATION = Generation(
    tenant="default",
    name="words-3",
    space_id=SPACE.space_id,
    n_shards=N_SHARDS,
    state="serving",
    created_ms=1,
)


def word_vector(words: str) -> Vector:
    """Unit vector of a text: the sum of a fixed direction for each word."""
    return token_vector(word_tokens(words))


def word_tokens(words: str) -> list[int]:
    """One token a word."""
    return [zlib.crc32(word.encode()) for word in words.lower().split()]


def token_vector(ids: Sequence[int]) -> Vector:
    """Unit vector of tokens."""
    total = np.zeros(HALF, dtype=np.float32)
    for token in ids:
        total += np.random.default_rng(token).standard_normal(HALF).astype(np.float32)
    return unit(total)


def pixel_vector(pixels: NDArray[np.uint8]) -> Vector:
    """Unit vector of a picture, from its bytes."""
    rng = np.random.default_rng(zlib.crc32(pixels.tobytes()))
    return unit(rng.standard_normal(HALF).astype(np.float32))


@dataclass
class WordEncoder:
    """Towers that take `delay_s` or fail, as each test says."""

    shares_text_tower: bool = False
    delay_s: dict[str, float] = field(default_factory=dict)
    failing: dict[str, TriremeError] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    roles: list[tuple[TextRole, int]] = field(default_factory=list)
    image_size: int = 8
    max_tokens: int = 100
    has_distilled: bool = False

    def token_count(self, text: str) -> int:
        return len(text.split())

    @property
    def space(self) -> Space:
        return SPACE

    async def embed_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        self.roles.append((role, len(texts)))
        await self._work("text")
        return np.stack([word_vector(text) for text in texts])

    async def embed_query_words(
        self, words: str, *, timeout_s: float, trace: TraceContext | None = None
    ) -> Vector:
        await self._work("clip_text")
        return word_vector(words)

    async def embed_pictures(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
        distilled: bool = False,
    ) -> NDArray[np.float32]:
        await self._work("clip_image_distilled" if distilled else "clip_image")
        return np.stack([pixel_vector(picture) for picture in pictures])

    def tokenise(self, model: str, texts: Sequence[str], role: TextRole) -> list[list[int]]:
        sequences = [word_tokens(text) for text in texts]
        if any(len(ids) > self.max_tokens for ids in sequences):
            raise PayloadTooLarge(f"The text encoder reads at most {self.max_tokens}.")
        return sequences

    async def embed_tokens(
        self,
        model: str,
        sequences: Sequence[Sequence[int]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        if any(not 0 <= token < 2**32 for ids in sequences for token in ids):
            raise InvalidInput("These are no tokens of the model.")
        await self._work({"text_encoder": "text"}.get(model, model))
        return np.stack([token_vector(ids) for ids in sequences])

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        return to_tensor(image, self.image_size, "stretch")

    async def _work(self, tower: str) -> None:
        self.calls.append(tower)
        await asyncio.sleep(self.delay_s.get(tower, 0.010))
        if tower in self.failing:
            raise self.failing[tower]


class NoLlama:
    """A server without a language model."""

    async def stream(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        *,
        first_timeout_s: float,
        trace: TraceContext | None = None,
    ) -> AsyncGenerator[Mapping[str, NDArray[Any]], None]:
        for _ in range(0):
            yield {}
        raise DependencyDown("triton")

    async def ready(self, models: Iterable[str]) -> bool:
        return False


@dataclass
class StoredItem:
    """One item of a fake index."""

    tenant: str
    vector: Vector
    hit: ShardHit
    readers: tuple[str, ...] = ()


def text_item(doc_id: str, item_id: str, text: str, *, tenant: str = "default", version: int = 1) -> StoredItem:
    """A chunk with the joint vector of its words."""
    hit = ShardHit(
        doc_id=doc_id,
        version=version,
        item_id=item_id,
        kind="text",
        score=0.0,
        text_score=0.0,
        image_score=0.0,
        collection="default",
        source_key=f"{doc_id}.txt",
        content_type="text/plain",
        text=text,
        added_ms=1,
    )
    return StoredItem(tenant, join_item(SPACE, word_vector(text), None), hit)


@dataclass
class ShardBehaviour:
    """How one shard of one group answers."""

    delay_s: float = 0.005
    silent: bool = False
    failing: bool = False


class SearchingBus:
    """Shards of both groups in this process: they read real requests, search their items, send real replies."""

    def __init__(self, items: Sequence[StoredItem], n_shards: int = N_SHARDS) -> None:
        self.items = list(items)
        self.n_shards = n_shards
        self.reply_partition = 7
        self.up = True
        self.behaviour = {(group, shard): ShardBehaviour() for group in (0, 1) for shard in range(n_shards)}
        # (group, shard) pairs that answer every request although they were not asked.
        self.answers_beside: list[tuple[int, int]] = []
        # A second generation whose shards of group 0 read the same requests and refuse them.
        self.other_generation: str | None = None
        self.sent: list[tuple[float, int, SearchRequest]] = []
        self._ids = itertools.count()
        self._open: dict[str, FakeConversation] = {}
        self._late: list[tuple[float, SearchReply]] = []

    def available(self) -> bool:
        return self.up

    def open(self) -> "FakeConversation":
        if not self.up:
            raise DependencyDown("kafka")
        conversation = FakeConversation(self, f"nonce-{next(self._ids)}")
        self._open[conversation.correlation_id] = conversation
        return conversation

    def late_replies(self) -> Sequence[tuple[float, SearchReply]]:
        late, self._late = self._late, []
        return late

    def asked(self, group: int) -> list[tuple[int, ...]]:
        """Shards of each request to a group, in order."""
        everyone = tuple(range(self.n_shards))
        return [request.shards or everyone for _, to, request in self.sent if to == group]

    def publish(self, request: SearchRequest, group: int) -> None:
        """Take a request as the group's partition would; every shard that is asked answers in its own time."""
        loop = asyncio.get_running_loop()
        request = decode(SearchRequest, encode(request))
        self.sent.append((loop.time(), group, request))
        for shard in request.shards or range(self.n_shards):
            behaviour = self.behaviour[(group, shard)]
            if not behaviour.silent:
                loop.call_later(behaviour.delay_s, self._answer, request, group, shard)
        for place in self.answers_beside:
            loop.call_later(0.001, self._answer, request, *place)
        if self.other_generation is not None and group == 0:
            for shard in request.shards or range(self.n_shards):
                loop.call_later(0.001, self._refuse, request, shard, self.other_generation)

    def close(self, correlation_id: str) -> None:
        self._open.pop(correlation_id, None)

    def _answer(self, request: SearchRequest, group: int, shard: int) -> None:
        failing = self.behaviour.get((group, shard), ShardBehaviour()).failing
        reply = SearchReply(
            tenant=request.tenant,
            correlation_id=request.correlation_id,
            shard=shard,
            n_shards=self.n_shards,
            group=group,
            generation=request.generation,
            outcome="failed" if failing else "ok",
            reason="The shard was told to fail." if failing else None,
            hits=() if failing else self._search(request, shard),
            search_ms=0.5,
        )
        self._deliver(decode(SearchReply, encode(reply)))

    def _refuse(self, request: SearchRequest, shard: int, generation: str) -> None:
        self._deliver(
            SearchReply(
                tenant=request.tenant,
                correlation_id=request.correlation_id,
                shard=shard,
                n_shards=self.n_shards,
                group=0,
                generation=generation,
                outcome="failed",
                reason=f"The query asks for generation {request.generation}, this is {generation}.",
            )
        )

    def _deliver(self, reply: SearchReply) -> None:
        conversation = self._open.get(reply.correlation_id)
        if conversation is None:
            self._late.append((asyncio.get_running_loop().time(), reply))
        else:
            conversation.replies.put_nowait(reply)

    def _search(self, request: SearchRequest, shard: int) -> tuple[ShardHit, ...]:
        mine = [
            item
            for item in self.items
            if item.tenant == request.tenant
            and shard_of(item.hit.doc_id, self.n_shards) == shard
            and _matches(item, request.filter)
        ]
        return best(mine, np.frombuffer(request.vector, dtype="<f4"), request.k)


class FakeConversation:
    """One search on the fake bus."""

    def __init__(self, bus: SearchingBus, correlation_id: str) -> None:
        self._bus = bus
        self.correlation_id = correlation_id
        self.replies: asyncio.Queue[SearchReply] = asyncio.Queue()

    def send(self, request: SearchRequest, group: int, trace: TraceContext) -> None:
        self._bus.publish(request, group)

    async def next_reply(self, timeout_s: float) -> SearchReply | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await self.replies.get()
        except TimeoutError:
            return None

    def close(self) -> None:
        self._bus.close(self.correlation_id)


def _matches(item: StoredItem, wanted: Filter) -> bool:
    if wanted.collections is not None and item.hit.collection not in wanted.collections:
        return False
    return wanted.groups is None or not item.readers or not set(wanted.groups).isdisjoint(item.readers)


def best(items: Sequence[StoredItem], vector: Vector, k: int) -> tuple[ShardHit, ...]:
    """The k best items by exact score, ties by document and item."""
    scored = []
    for item in items:
        text = float(vector[:HALF] @ item.vector[:HALF])
        image = float(vector[HALF:] @ item.vector[HALF:])
        scored.append(_with_scores(item.hit, text, image))
    return tuple(sorted(scored, key=lambda hit: (-hit.score, hit.doc_id, hit.item_id))[:k])


def search_everything(
    items: Sequence[StoredItem], words: str, k: int, weights: Weights | None = None
) -> tuple[ShardHit, ...]:
    """What a search for these words must find: the oracle, over all items at once."""
    vector = word_vector(words)
    query = join_query(SPACE, weights or Weights(), text=vector, clip_text=vector)
    return best(items, query, k)


def _with_scores(hit: ShardHit, text: float, image: float) -> ShardHit:
    values = {name: getattr(hit, name) for name in hit.__struct_fields__}
    return ShardHit(**values | {"score": text + image, "text_score": text, "image_score": image})


@dataclass
class DictCache:
    """A cache in memory that keeps bytes, as the real one does."""

    kept: dict[str, bytes] = field(default_factory=dict)
    up: bool = True
    delay_s: float = 0.0

    def look_up(self, key: str) -> "asyncio.Task[CachedAnswer | None]":
        return asyncio.create_task(self._get(key))

    async def _get(self, key: str) -> CachedAnswer | None:
        await asyncio.sleep(self.delay_s)
        data = self.kept.get(key) if self.up else None
        return decode(CachedAnswer, data) if data else None

    def put(self, key: str, answer: CachedAnswer) -> None:
        if self.up:
            self.kept[key] = encode(answer)

    def available(self) -> bool:
        return self.up


@dataclass
class OneGeneration:
    """A generation that is known, or not."""

    generation: Generation | None = GENERATION
    beside: tuple[Generation, ...] = ()

    def current(self, space_id: str | None = None) -> Generation:
        if self.generation is None:
            raise DependencyDown("index", "No index is ready to be searched yet.")
        return self.generation

    def named(self, name: str) -> Generation:
        found = {each.name: each for each in (self.generation, *self.beside) if each is not None}.get(name)
        if found is None:
            raise DependencyDown("index", f"The index '{name}' is not there to be searched.")
        return found


class PlainLinks:
    """Links that name their target."""

    def picture(self, hit: ShardHit) -> str | None:
        return f"/p/{hit.picture_key}" if hit.picture_key else None

    def thumbnail(self, hit: ShardHit) -> str | None:
        return f"/t/{hit.thumbnail_key}" if hit.thumbnail_key else None

    def document(self, hit: ShardHit, tenant: str) -> str | None:
        return f"/d/{hit.doc_id}"


@dataclass
class ShownList:
    """Remembers which documents answers showed."""

    noted: list[tuple[str, int, list[str]]] = field(default_factory=list)

    def note(self, generation: str, n_shards: int, doc_ids: Iterable[str]) -> None:
        self.noted.append((generation, n_shards, list(doc_ids)))


@dataclass
class CountingMeter:
    """Remembers what was reported."""

    served_by: list[str] = field(default_factory=list)
    missing: int = 0
    hedges: list[str] = field(default_factory=list)
    breakers: dict[str, str] = field(default_factory=dict)
    refused: int = 0

    def answered(self, served_by: str, total_ms: float, timings_ms: Mapping[str, float]) -> None:
        self.served_by.append(served_by)

    def missing_shards(self, group: int, count: int) -> None:
        self.missing += count

    def hedged(self, reason: str) -> None:
        self.hedges.append(reason)

    def breaker(self, name: str, state: str) -> None:
        self.breakers[name] = state

    def admission(self, limit: int, *, refused: bool) -> None:
        self.refused += refused
