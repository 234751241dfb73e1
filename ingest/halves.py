"""What both embedders do alike: fetch the document's bytes, store their half, point the joint updater to it."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.codec import encode
from contracts.documents import FileAdded
from contracts.errors import DocumentFailed, NotFound, Superseded, TriremeError
from contracts.halves import Half, HalfReady
from contracts.keys import half_key
from contracts.space import Space
from contracts.topics import EMBEDDINGS
from ingest.extraction.sniff import sniff
from ingest.patience import Patience
from ingest.work import Outcome, Outgoing, Work
from runtime.object_store import ObjectStore
from runtime.telemetry import get_logger

_log = get_logger(__name__)

MAX_DOCUMENT_BYTES = 200 * 1024**2


async def fetch(store: ObjectStore, document: FileAdded, patience: Patience) -> tuple[bytes, str]:
    """A document's bytes, exactly those that its event announced, and what kind of file they are.

    Raises:
        Superseded: the file was replaced or removed after the event.
        DocumentFailed: too large, empty, of a kind that is not read, or not what its name says.
    """
    if document.size_bytes > MAX_DOCUMENT_BYTES:
        raise DocumentFailed("too_large", f"The file is larger than {MAX_DOCUMENT_BYTES // 1024**2} MB.")
    try:
        data = await patience(lambda: store.get(document.uri, if_match=document.etag))
    except NotFound as exc:
        raise Superseded("The file was removed after it was announced.") from exc
    # A look at the whole of a large archive takes a moment that other documents need not wait for.
    return data, await asyncio.to_thread(sniff, data, document.source_key)


class SpaceEncoder(Protocol):
    """An encoder of one space, whatever it encodes."""

    @property
    def space(self) -> Space:
        """The space that its vectors belong to."""
        ...


E = TypeVar("E", bound=SpaceEncoder)


async def in_every_space(
    document: FileAdded, encoders: Sequence[E], make: Callable[[E, FileAdded], Awaitable[Outcome]]
) -> Outcome:
    """What `make` does of a document in each space; the first encoder's is the one that searches find.

    Work in the others is silent, and an error there is no error of the document's: the joint updater sees what
    is missing and asks for it in the bulk lane. `make` is given the document as the half shall name it.

    Raises:
        TriremeError: whatever `make` raised in the first space.
    """
    outcomes: list[Outcome] = []
    for encoder in encoders:
        space_id = encoder.space.space_id
        event = msgspec.structs.replace(document, space_id=space_id) if outcomes else document
        try:
            outcomes.append(await make(encoder, event))
        except TriremeError as exc:
            if not outcomes:
                raise
            _log.warning("space_left_behind", doc_id=document.doc_id, space_id=space_id, reason=exc.message)
    if not outcomes:
        return Outcome(state=None)  # Its space was retired meanwhile.
    outgoing = tuple(record for outcome in outcomes for record in outcome.outgoing)
    return Outcome(outgoing, count=outcomes[0].count)


async def store_half(store: ObjectStore, half: Half, n: int, patience: Patience) -> Outcome:
    """Write a half, then point to it. `n` is the number of its chunks or pictures."""
    key = half_key(half.space_id, half.doc_id, half.version, half.half)
    data = encode(half)
    await patience(lambda: store.put(key, data))
    ready = HalfReady(
        tenant=half.tenant,
        doc_id=half.doc_id,
        version=half.version,
        space_id=half.space_id,
        half=half.half,
        key=key,
        sha256=hashlib.sha256(data).hexdigest(),
        n=n,
        document=half.document,
    )
    return Outcome((Outgoing(EMBEDDINGS, ready, key=half.doc_id),), count=n)


def deleted(work: Work, space_id: str) -> Outgoing:
    """The news of a delete for the joint updater."""
    document = work.document
    message = HalfReady(
        tenant=document.tenant,
        doc_id=document.doc_id,
        version=work.version,
        space_id=space_id,
        half="deleted",
        key=None,
        sha256=None,
        n=0,
        document=document,
    )
    return Outgoing(EMBEDDINGS, message, key=document.doc_id)


def vector_bytes(vector: NDArray[np.float32]) -> bytes:
    """A vector as halves store it: float32 little-endian."""
    return vector.astype("<f4").tobytes()
