"""The epoch of the `file_added` log: it rises when the topic was re-created, so that versions keep growing."""

import msgspec

from contracts.errors import BadMessage, ConfigurationError, Conflict, NotFound
from contracts.keys import LOG_EPOCH_KEY
from runtime.object_store import ObjectStore

_NOT_SETTLED = "The log epoch is not settled: run the set-up step that creates the topics first."


class LogEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept in the object store, beside the data whose versions it explains."""

    epoch: int
    identity: str


async def read_log_epoch(store: ObjectStore) -> int:
    """The epoch in force.

    Raises:
        ConfigurationError: none was settled yet; the deployment's set-up step has not run.
    """
    known = await _read(store)
    if known is None:
        raise ConfigurationError(_NOT_SETTLED)
    return known.epoch


async def settle_log_epoch(store: ObjectStore, identity: str) -> int:
    """Settle the epoch for the topic with this identity (`runtime.topics_admin.topic_identity`).

    Side effects: writes `checkpoints/log_epoch.json` when the topic is new or was re-created.
    """
    known = await _read(store)
    if known is not None and known.identity == identity:
        return known.epoch
    settled = LogEpoch(epoch=known.epoch + 1 if known else 1, identity=identity)
    data = msgspec.json.encode(settled)
    if known is not None:
        await store.put(LOG_EPOCH_KEY, data)
        return settled.epoch
    try:
        await store.create(LOG_EPOCH_KEY, data)
    except Conflict:
        # Another set-up was quicker; what it settled counts.
        return await settle_log_epoch(store, identity)
    return settled.epoch


async def raise_log_epoch(store: ObjectStore, epoch: int) -> int:
    """Raise the epoch to `epoch`, where it is lower; returns the one in force.

    Every process that gives out versions has to be started again before the next document arrives.

    Raises:
        ConfigurationError: none was settled yet.
    """
    known = await _read(store)
    if known is None:
        raise ConfigurationError(_NOT_SETTLED)
    if known.epoch < epoch:
        known = LogEpoch(epoch=epoch, identity=known.identity)
        await store.put(LOG_EPOCH_KEY, msgspec.json.encode(known))
    return known.epoch


async def _read(store: ObjectStore) -> LogEpoch | None:
    try:
        return msgspec.json.decode(await store.get(LOG_EPOCH_KEY), type=LogEpoch)
    except NotFound:
        return None
    except msgspec.DecodeError as exc:
        raise BadMessage("The stored log epoch cannot be read.") from exc
