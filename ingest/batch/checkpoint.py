"""What a batch job remembers of each of its batches, in the object store: what it claimed, how it ended."""

import msgspec

from contracts.documents import FileAdded
from contracts.errors import BadMessage, NotFound
from contracts.keys import batch_checkpoint_key
from runtime.object_store import ObjectStore


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is the job's to do: its event, and the version that the log gave to it."""

    document: FileAdded
    version: int


class BatchCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One batch.

    Args:
        claims: what it has to do; set once, so that a job that goes on keeps the documents' versions.
        skipped: documents that were indexed as they are already.
        finished: its records are in the log and every document has its status.
        seconds: from the claims to the end, of the run that finished it.
    """

    claims: tuple[Claim, ...]
    skipped: int = 0
    finished: bool = False
    indexed: int = 0
    failed: int = 0
    seconds: float = 0.0


async def read_batch_checkpoint(store: ObjectStore, job: str, number: int) -> BatchCheckpoint | None:
    """What is remembered of a batch; None where it was not begun.

    Raises:
        BadMessage: it cannot be read.
    """
    try:
        return msgspec.json.decode(await store.get(batch_checkpoint_key(job, number)), type=BatchCheckpoint)
    except NotFound:
        return None
    except msgspec.DecodeError as exc:
        raise BadMessage("What the job remembers of this batch cannot be read.") from exc


async def write_batch_checkpoint(store: ObjectStore, job: str, number: int, checkpoint: BatchCheckpoint) -> None:
    """Remember a batch as it is now."""
    await store.put(batch_checkpoint_key(job, number), msgspec.json.encode(checkpoint))
