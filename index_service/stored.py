"""Which items the object store holds for a shard: the newest of each document, found by listing."""

from collections.abc import Iterable
from dataclasses import dataclass

from contracts.ids import shard_of
from contracts.keys import item_prefix
from index_service.spec import ShardSpec
from runtime.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class StoredItems:
    """Where a document's newest items lie. `order` is their (version, revision)."""

    doc_id: str
    order: tuple[int, int]
    key: str


async def newest_items(
    spec: ShardSpec, store: ObjectStore, *, doc_ids: Iterable[str] | None = None
) -> dict[str, StoredItems]:
    """The items of the highest (version, revision) of each document of the shard.

    Args:
        doc_ids: only these documents; all when None.

    Raises:
        DependencyDown: the object store does not answer.
    """
    everything = item_prefix(spec.generation)
    prefixes = [everything] if doc_ids is None else [item_prefix(spec.generation, doc_id) for doc_id in doc_ids]
    newest: dict[str, StoredItems] = {}
    for prefix in prefixes:
        async for meta in store.list(prefix):
            doc_id, _, name = meta.key.removeprefix(everything).partition("/")
            version, _, revision = name.partition(".")
            if not (version.isdigit() and revision.isdigit()) or shard_of(doc_id, spec.n_shards) != spec.shard:
                continue
            found = StoredItems(doc_id, (int(version), int(revision)), meta.key)
            if doc_id not in newest or found.order > newest[doc_id].order:
                newest[doc_id] = found
    return newest
