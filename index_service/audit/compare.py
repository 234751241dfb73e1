"""Compares what a shard holds with what the object store and the log say it should hold. Pure."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from contracts.ids import shard_of
from contracts.index_door import DocumentHead

Heads = Mapping[str, DocumentHead]
DifferenceKind = Literal[
    "missing",
    "extra",
    "other_version",
    "other_vectors",
    "other_payload",
    "not_removed",
    "stale_tombstone",
    "missing_tombstone",
    "wrong_shard",
    "not_stored",
    "left_in_store",
    "unreadable_items",
]

_SENTENCES: Mapping[DifferenceKind, str] = {
    "missing": "The shard does not hold the document.",
    "extra": "The shard holds a document that neither the object store nor the log knows.",
    "other_version": "The shard holds another version than the newest that the object store and the log know.",
    "other_vectors": "The shard's vectors are others than those stored or sent for this version.",
    "other_payload": "What the shard shows of the document is not what was stored or sent for this version.",
    "not_removed": "The log removed the document, and the shard still holds it.",
    "stale_tombstone": "The shard holds the document for removed, although something newer is stored or was sent.",
    "missing_tombstone": "The log removed the document, and the shard does not know that.",
    "wrong_shard": "The document belongs to another shard.",
    "not_stored": "The shard holds the document, and the object store does not: a rebuild would lose it.",
    "left_in_store": "The document was removed, and its items are still in the object store.",
    "unreadable_items": "The stored items cannot be used: a rebuild would leave the document out.",
}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One document about which the shard and its sources do not agree.

    Args:
        held, stored, logged: what shard, object store and log say; None where they know nothing of it.
    """

    shard: int
    doc_id: str
    kind: DifferenceKind
    sentence: str
    held: DocumentHead | None
    stored: DocumentHead | None
    logged: DocumentHead | None


def compare(
    shard: int, n_shards: int, held: Heads, stored: Heads, logged: Heads, unreadable: frozenset[str] = frozenset()
) -> list[Difference]:
    """Every difference, by document id; a document may have several.

    Args:
        held: all that the shard holds, tombstones included.
        stored: the newest items of each document in the object store.
        logged: the newest update of each document that is still in the log.
        unreadable: documents whose newest stored items are not what a shard would take.
    """
    found = []
    for doc_id in sorted(held.keys() | stored.keys() | logged.keys() | unreadable):
        here, in_store, in_log = held.get(doc_id), stored.get(doc_id), logged.get(doc_id)
        kinds = _kinds(here, in_store, in_log)
        if shard_of(doc_id, n_shards) != shard:
            kinds = ["wrong_shard"]
        elif doc_id in unreadable:
            kinds = [*(kind for kind in kinds if kind not in ("not_stored", "extra")), "unreadable_items"]
        found += [
            Difference(
                shard=shard,
                doc_id=doc_id,
                kind=kind,
                sentence=_SENTENCES[kind],
                held=here,
                stored=in_store,
                logged=in_log,
            )
            for kind in kinds
        ]
    return found


def _kinds(
    held: DocumentHead | None, stored: DocumentHead | None, logged: DocumentHead | None
) -> list[DifferenceKind]:
    sources = [head for head in (logged, stored) if head is not None]
    best = max(sources, key=lambda head: head.order, default=None)
    kinds: list[DifferenceKind] = []
    if held is None:
        if best is not None:
            kinds.append("missing" if best.op == "upsert" else "missing_tombstone")
    elif held.op == "upsert":
        kinds += _kinds_of_document(held, best, sources)
    elif best is not None and best.order > held.order:
        kinds.append("stale_tombstone" if best.op == "upsert" else "other_version")
    removed = _removed_at(held, logged)
    if stored is not None and removed is not None and stored.order < removed:
        kinds.append("left_in_store")
    if held is not None and held.op == "upsert" and stored is None and best is not None:
        kinds.append("not_stored")
    return kinds


def _kinds_of_document(
    held: DocumentHead, best: DocumentHead | None, sources: list[DocumentHead]
) -> list[DifferenceKind]:
    if best is None:
        return ["extra"]
    if best.op != "upsert" and best.order >= held.order:
        return ["not_removed"]
    if best.order != held.order:
        return ["other_version"]
    same = [head for head in sources if head.order == held.order]
    kinds: list[DifferenceKind] = []
    if any(_differ(head.vectors_sha256, held.vectors_sha256) for head in same):
        kinds.append("other_vectors")
    if any(_differ(head.payload_sha256, held.payload_sha256) for head in same):
        kinds.append("other_payload")
    return kinds


def _removed_at(held: DocumentHead | None, logged: DocumentHead | None) -> tuple[int, int] | None:
    """The order of the newest thing known, where that is a removal."""
    newest = max((head for head in (held, logged) if head is not None), key=lambda head: head.order, default=None)
    return newest.order if newest is not None and newest.op != "upsert" else None


def _differ(expected: str | None, found: str | None) -> bool:
    """Whether two sums are known and differ."""
    return expected is not None and found is not None and expected != found
