"""What a backfill remembers between two runs: a small object in the store, written before the work it names."""

from contracts.codec import Message, decode, encode
from contracts.errors import NotFound
from contracts.ids import DEFAULT_TENANT
from contracts.keys import backfill_key, backfill_pause_key
from runtime.object_store import ObjectStore


class Checkpoint(Message, frozen=True, kw_only=True):
    """How far a backfill is.

    Args:
        copied: documents copied in all runs so far.
        pending: documents that were begun: their items may lie in the store although the log does not name them,
            so they are done again.
        finished: every difference was made good; kept so that a later run knows.
    """

    generation: str
    source: str
    copied: int = 0
    pending: tuple[str, ...] = ()
    finished: bool = False


async def read_checkpoint(store: ObjectStore, generation: str, source: str) -> Checkpoint:
    """What the last run left, or a beginning.

    Raises:
        BadMessage: it cannot be read. DependencyDown: the store does not answer.
    """
    try:
        return decode(Checkpoint, await store.get(backfill_key(generation)))
    except NotFound:
        return Checkpoint(tenant=DEFAULT_TENANT, generation=generation, source=source)


async def write_checkpoint(store: ObjectStore, checkpoint: Checkpoint) -> None:
    """Remember it. Raises DependencyDown."""
    await store.put(backfill_key(checkpoint.generation), encode(checkpoint))


async def forget_checkpoint(store: ObjectStore, generation: str) -> None:
    """The generation is gone. Raises DependencyDown."""
    await store.delete(backfill_key(generation))
    await store.delete(backfill_pause_key(generation))


async def set_paused(store: ObjectStore, generation: str, *, paused: bool) -> None:
    """Hold a backfill still, whoever runs it, or let it go on. An object of its own: the running backfill writes
    the checkpoint, and would overwrite what somebody else puts there. Raises DependencyDown.
    """
    if paused:
        await store.put(backfill_pause_key(generation), b"")
    else:
        await store.delete(backfill_pause_key(generation))


async def is_paused(store: ObjectStore, generation: str) -> bool:
    """Whether somebody holds the backfill still. Raises DependencyDown."""
    try:
        await store.head(backfill_pause_key(generation))
    except NotFound:
        return False
    return True
