"""How a shard comes to its place in the log: from its newest snapshot if that joins up, else from `items/`.

Knows no Kafka client: the log's identity and bounds are arguments.
"""

import asyncio
from typing import Literal

from index_service.hosted import HostedShard
from index_service.notices import Notice
from index_service.rebuild import rebuild
from index_service.snapshot import LogPosition, newest_snapshot
from runtime.object_store import ObjectStore
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)
# `runtime.topics_admin.topic_identity` of a broker without topic ids: it cannot tell two logs apart.
_UNKNOWN_TOPIC_ID = "/none"


def plan_start(position: LogPosition | None, identity: str, first: int, end: int) -> Literal["resume", "rebuild"]:
    """Whether a shard that stands at `position` can go on in this log.

    Args:
        position: None for a shard without a snapshot. Even an empty log does not make that a fresh start,
            because the log may be the one that is new.
        identity: of the log as it is now; `first` and `end` are its bounds, next_offset may be first..end.
    """
    if position is None or position.identity != identity or identity.endswith(_UNKNOWN_TOPIC_ID):
        return "rebuild"
    return "resume" if first <= position.next_offset <= end else "rebuild"


def load(hosted: HostedShard) -> None:
    """Give a hosted shard what its newest whole snapshot holds, if it has one."""
    with hosted.files:
        loaded = newest_snapshot(hosted.directory, hosted.spec, hosted.shard.parameters)
    if loaded is not None:
        hosted.shard, hosted.position = loaded.shard, loaded.position
        _LOG.info(
            "snapshot_loaded",
            shard=hosted.spec.shard,
            items=hosted.shard.n_items,
            next_offset=hosted.position.next_offset,
        )


def enter_log(
    hosted: HostedShard, store: ObjectStore, identity: str, first: int, end: int, at_ms: int
) -> list[Notice]:
    """Settle where the shard goes on in the log, rebuilding it where it must; returns what to tell the world.

    Afterwards `hosted.position` is the place to read from, and the shard serves once it has passed `end`.

    Raises:
        DependencyDown: a rebuild is needed and the object store does not answer; nothing was changed.
    """
    notices: list[Notice] = []
    if hosted.rebuild_wanted or plan_start(hosted.position, identity, first, end) == "rebuild":
        same_log = hosted.position is not None and hosted.position.identity == identity
        _LOG.info(
            "shard_rebuild", shard=hosted.spec.shard, snapshot=hosted.position is not None, same_log=same_log
        )
        tombstones = hosted.shard.tombstones() if same_log else []
        # What somebody asked to have rebuilt still joins up with the log, and answers until the new one is there.
        hosted.caught_up = hosted.caught_up and hosted.rebuild_wanted
        hosted.shard, notices = asyncio.run(
            rebuild(hosted.spec, store, at_ms, parameters=hosted.shard.parameters, tombstones=tombstones)
        )
        hosted.caught_up = False
        hosted.position = LogPosition(identity, first)
        hosted.parked = []
        hosted.unsaved_updates += 1
        hosted.rebuild_wanted = False
        hosted.rebuilds += 1
    assert hosted.position is not None
    hosted.replay_end = end
    hosted.see_log_end(end)
    hosted.reach(hosted.position.next_offset)
    return notices
