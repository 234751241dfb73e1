"""Seeded documents, updates and queries for tests of the shard, and the brute force that checks its answers."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from contracts.codec import encode
from contracts.ids import document_id
from contracts.items import IndexUpdate, Item, ItemSet
from contracts.search import Filter, SearchRequest, ShardHit
from index_service.queries import Query
from index_service.shard import Shard
from index_service.spec import ShardSpec
from runtime.kafka import Record

TEXT_DIM = 12
IMAGE_DIM = 8
DIM = TEXT_DIM + IMAGE_DIM
SPEC = ShardSpec("g1", 0, 1, "space-a", TEXT_DIM, IMAGE_DIM)
EVERYTHING = Filter()


def doc(number: int) -> str:
    """Id of the n-th document."""
    return document_id("default", "default", f"file-{number}")


def vectors(rng: np.random.Generator, n: int, *, kind: str = "text") -> NDArray[np.float16]:
    """Joint vectors, float16 [n, DIM]: unit text half; unit image half for pictures, else zeros."""
    rows = rng.standard_normal((n, DIM))
    rows[:, :TEXT_DIM] /= np.linalg.norm(rows[:, :TEXT_DIM], axis=1, keepdims=True)
    rows[:, TEXT_DIM:] /= np.linalg.norm(rows[:, TEXT_DIM:], axis=1, keepdims=True)
    if kind == "text":
        rows[:, TEXT_DIM:] = 0
    return rows.astype(np.float16)


def items(rng: np.random.Generator, *, n_text: int, n_pictures: int) -> tuple[Item, ...]:
    """Chunks t0, t1, ... and pictures p0, p1, ..., each joined with the chunk of its number."""
    chunks = [
        Item(item_id=f"t{i}", kind="text", vector=row.tobytes(), text=f"chunk {i}", page=i + 1)
        for i, row in enumerate(vectors(rng, n_text))
    ]
    pictures = [
        Item(
            item_id=f"p{i}",
            kind="picture",
            vector=row.tobytes(),
            text=f"picture {i}",
            picture_key=f"derived/picture-{i}",
            swallows=f"t{i}" if i < n_text else None,
        )
        for i, row in enumerate(vectors(rng, n_pictures, kind="picture"))
    ]
    return (*chunks, *pictures)


def item_set(
    rng: np.random.Generator,
    doc_id: str,
    version: int,
    revision: int = 1,
    *,
    n_text: int = 2,
    n_pictures: int = 1,
    tenant: str = "default",
    collection: str = "default",
    content_type: str = "text/plain",
    added_ms: int = 0,
    readers: tuple[str, ...] = (),
    spec: ShardSpec = SPEC,
) -> ItemSet:
    """Items of one document with random vectors."""
    return ItemSet(
        tenant=tenant,
        doc_id=doc_id,
        version=version,
        revision=revision,
        generation=spec.generation,
        space_id=spec.space_id,
        collection=collection,
        source_key=f"{doc_id}.txt",
        content_type=content_type,
        added_ms=added_ms,
        readers=readers,
        items=items(rng, n_text=n_text, n_pictures=n_pictures),
    )


def inline(item_set: ItemSet) -> IndexUpdate:
    """The update that brings an item set, inline."""
    return IndexUpdate(
        op="upsert",
        tenant=item_set.tenant,
        doc_id=item_set.doc_id,
        version=item_set.version,
        revision=item_set.revision,
        generation=item_set.generation,
        space_id=item_set.space_id,
        inline=encode(item_set),
    )


def removal(doc_id: str, version: int, revision: int = 1, *, op: str = "delete") -> IndexUpdate:
    """A tombstone."""
    return IndexUpdate(
        op=op,  # type: ignore[arg-type]
        tenant="default",
        doc_id=doc_id,
        version=version,
        revision=revision,
        generation=SPEC.generation,
        space_id=SPEC.space_id,
    )


def put(shard: Shard, item_set: ItemSet) -> None:
    """Apply an item set that must be news."""
    assert shard.apply(inline(item_set), item_set).outcome == "applied"


def record(update: IndexUpdate, offset: int, *, value: bytes | None = None) -> Record:
    """The update as it comes from the log."""
    return Record(
        topic=f"index_updates.{SPEC.generation}",
        partition=SPEC.shard,
        offset=offset,
        key=update.doc_id,
        value=encode(update) if value is None else value,
        headers={},
        timestamp_ms=0,
    )


def query_vector(rng: np.random.Generator, *, text: float = 1.0, image: float = 1.0) -> NDArray[np.float32]:
    """A weighted joint query, float32 [DIM]."""
    row = rng.standard_normal(DIM).astype(np.float32)
    row[:TEXT_DIM] *= text / np.linalg.norm(row[:TEXT_DIM])
    row[TEXT_DIM:] *= image / np.linalg.norm(row[TEXT_DIM:])
    return row


def query(
    vector: NDArray[np.float32],
    k: int = 10,
    *,
    wanted: Filter = EVERYTHING,
    tenant: str = "default",
    exact: bool = False,
) -> Query:
    """A query as the shard takes it."""
    return Query(tenant=tenant, vector=vector, k=k, filter=wanted, exact=exact)


def request(asked: NDArray[np.float32], *, correlation_id: str = "gw-1", **changes: object) -> SearchRequest:
    """A proper search request, with changes."""
    fields: dict[str, object] = {
        "tenant": "default",
        "correlation_id": correlation_id,
        "reply_partition": 3,
        "deadline_ms": 10_000,
        "space_id": SPEC.space_id,
        "generation": SPEC.generation,
        "vector": asked.astype("<f4").tobytes(),
        "text_dim": TEXT_DIM,
        "k": 5,
    }
    return SearchRequest(**{**fields, **changes})  # type: ignore[arg-type]


def brute_force(documents: Iterable[ItemSet], vector: NDArray[np.float32], k: int) -> list[tuple[float, str, str]]:
    """The top k by definition: (score, doc_id, item_id), computed one item at a time in float64."""
    scored = []
    for document in documents:
        for item in document.items:
            row = np.frombuffer(item.vector, dtype="<f2").astype(np.float64)
            text = float(np.float32(np.dot(row[:TEXT_DIM], vector[:TEXT_DIM].astype(np.float64))))
            image = float(np.float32(np.dot(row[TEXT_DIM:], vector[TEXT_DIM:].astype(np.float64))))
            scored.append((text + image, document.doc_id, item.item_id))
    return sorted(scored, key=lambda one: (-one[0], one[1], one[2]))[:k]


def found(hits: Iterable[ShardHit]) -> list[tuple[float, str, str]]:
    """Hits in the form of `brute_force`."""
    return [(hit.score, hit.doc_id, hit.item_id) for hit in hits]
