"""A batch record from its file to a sealed segment: what is news in it enters the shard in one step.

The segment is written flat, which takes a moment; upkeep gives it its graph later, beside the searches.
"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.batches import BatchUpdate
from contracts.items import ItemSet
from index_service.documents import DocumentHead
from index_service.kinds import searcher as kinds
from index_service.kinds.parameters import Kind
from index_service.sealed import open_segment
from index_service.segment_files import segments_home, write_segment
from index_service.shard import Shard
from index_service.updates import check_items, check_update, read_vectors, stored_document

_NAME = "batch-"


def news_of(shard: Shard, update: BatchUpdate) -> frozenset[str]:
    """Ids of the documents that the shard does not hold at that version and revision, or newer.

    Raises:
        BadMessage, SpaceMismatch: the record is not for this shard.
    """
    updates = [update.update_of(entry) for entry in update.documents]
    for each in updates:
        check_update(each, shard.spec)
    return frozenset(each.doc_id for each in updates if shard.precedence(each) == "newer")


def take_in(
    shard: Shard, directory: Path, files: threading.Lock, update: BatchUpdate, documents: Sequence[ItemSet]
) -> None:
    """Put documents into the shard as one sealed segment; whatever is older of them goes in the same step.

    Args:
        directory: of the shard's snapshots.
        files: held until the shard names the segment, so that nobody clears it away as one that none names.
        documents: of the batch, those that are news; at least one.

    Raises:
        BadMessage: one of them breaks the contract; nothing was changed.
        OSError: the disk does not take the segment; nothing was changed.
    """
    entries = {entry.doc_id: entry for entry in update.documents}
    rows = []
    for document in documents:
        check_items(update.update_of(entries[document.doc_id]), document)
        rows.append(read_vectors(document, shard.spec))
    serial = shard.take_serials(len(documents))

    def stored() -> Iterator[tuple[DocumentHead, list[bytes], NDArray[np.float16]]]:
        for number, (document, vectors) in enumerate(zip(documents, rows, strict=True)):
            kept = stored_document(document)
            assert kept.fields is not None
            order = document.version, document.revision
            yield (
                DocumentHead(document.doc_id, *order, serial + number, 0, len(vectors), kept.fields),
                list(kept.payloads),
                vectors,
            )

    def flat(vectors: NDArray[np.float16], path: Path) -> tuple[Kind, list[str]]:
        return "flat", kinds.build(
            "flat", vectors, path, shard.parameters, text_dim=shard.spec.text_dim, trained=None, base=None
        )

    # No name is ever used twice, and none is one of upkeep's, which writes into the same folder meanwhile.
    name = f"{_NAME}{uuid.uuid4().hex}"
    with files:
        path = write_segment(segments_home(directory), name, stored(), shard.spec, shard.parameters, flat)
        shard.adopt(open_segment(path, shard.spec, shard.parameters, check=False))
