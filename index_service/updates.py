"""Index updates as a shard reads them: every claim that a message makes is checked before it is believed."""

import numpy as np
from numpy.typing import NDArray

from contracts.codec import decode
from contracts.errors import BadMessage, SpaceMismatch
from contracts.ids import shard_of
from contracts.items import IndexUpdate, ItemSet
from index_service.documents import StoredDocument
from index_service.payloads import encode_payload, fields_of
from index_service.spec import ShardSpec

_LATEST_MS = 2**63 - 1  # what an int64 column holds


def check_update(update: IndexUpdate, spec: ShardSpec) -> None:
    """Check what can be told without the items.

    Raises:
        SpaceMismatch: the update belongs to another embedding space.
        BadMessage: another generation or shard, negative order, or not exactly one way to the items.
    """
    if update.space_id != spec.space_id:
        raise SpaceMismatch(f"An update of space {update.space_id} cannot enter an index of {spec.space_id}.")
    if update.generation != spec.generation:
        raise BadMessage(f"The update is for generation {update.generation}, this is {spec.generation}.")
    if shard_of(update.doc_id, spec.n_shards) != spec.shard:
        raise BadMessage(f"The document does not belong to shard {spec.shard} of {spec.n_shards}.")
    if update.version < 0 or update.revision < 0:
        raise BadMessage("Version and revision of an update must not be negative.")
    ways = (update.inline is not None) + (update.claim is not None)
    if ways != (1 if update.op == "upsert" else 0):
        raise BadMessage(f"An update of kind '{update.op}' came with {ways} ways to its items.")


def read_inline(update: IndexUpdate) -> ItemSet | None:
    """The items inside the record, or None where there are none or a claim check stands for them.

    Raises:
        BadMessage: the bytes are no item set.
    """
    return None if update.inline is None else decode(ItemSet, update.inline)


def check_items(update: IndexUpdate, item_set: ItemSet) -> None:
    """Check that an item set is the one that the update announces.

    Raises:
        BadMessage: they name different documents, orders, tenants, generations or spaces, or a time that is none.
    """
    announced = (update.tenant, update.doc_id, update.version, update.revision, update.generation, update.space_id)
    found = (
        item_set.tenant,
        item_set.doc_id,
        item_set.version,
        item_set.revision,
        item_set.generation,
        item_set.space_id,
    )
    if announced != found:
        raise BadMessage("The items belong to another document, version or generation than their update says.")
    if not 0 <= item_set.added_ms <= _LATEST_MS:
        raise BadMessage("The time at which the document was added is no time.")


def read_vectors(item_set: ItemSet, spec: ShardSpec) -> NDArray[np.float16]:
    """Vectors of an item set, float16 [n, dim].

    Raises:
        BadMessage: a vector has the wrong width or holds values that are not finite, or an item id repeats.
    """
    if len({item.item_id for item in item_set.items}) != len(item_set.items):
        raise BadMessage("Two items of the document have the same id.")
    if any(len(item.vector) != spec.vector_bytes for item in item_set.items):
        raise BadMessage(f"An item's vector does not have {spec.dim} float16 values.")
    joined = b"".join(item.vector for item in item_set.items)
    vectors = np.frombuffer(joined, dtype="<f2").reshape(len(item_set.items), spec.dim)
    if not np.isfinite(vectors).all():
        raise BadMessage("An item's vector holds values that are not finite numbers.")
    return vectors


def stored_document(item_set: ItemSet) -> StoredDocument:
    """An item set as a shard keeps it, apart from the vectors."""
    return StoredDocument(
        doc_id=item_set.doc_id,
        version=item_set.version,
        revision=item_set.revision,
        op="upsert",
        fields=fields_of(item_set),
        payloads=tuple(encode_payload(item) for item in item_set.items),
    )


def tombstone(update: IndexUpdate) -> StoredDocument:
    """What remains of a document that a delete or an expiry removes."""
    return StoredDocument(
        doc_id=update.doc_id,
        version=update.version,
        revision=update.revision,
        op=update.op,
        fields=None,
        payloads=(),
    )
