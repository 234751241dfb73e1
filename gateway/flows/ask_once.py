"""Asks every shard of one generation the same thing once: for those who want to know how it is, not for searches.

No hedging, no breakers, no cache: what comes back is what the shards of one replica group say.
"""

import time

import msgspec

from contracts.generations import Generation
from contracts.ids import DEFAULT_TENANT
from contracts.search import PRIMARY_GROUP, Filter, SearchReply, SearchRequest
from contracts.space import Space
from gateway.flows.ports import ShardBus
from runtime.telemetry import new_trace

# No document has it: a shard answers without comparing a vector.
_NO_DOCUMENT = Filter(doc_ids=("",))


def probe_request(generation: Generation, space: Space) -> SearchRequest:
    """A request that every caught-up shard of the generation answers, with how many items it holds and no hits."""
    return SearchRequest(
        tenant=DEFAULT_TENANT,
        correlation_id="",
        reply_partition=0,
        deadline_ms=0,
        space_id=generation.space_id,
        generation=generation.name,
        vector=bytes(4 * space.dim),
        text_dim=space.text_dim,
        k=1,
        filter=_NO_DOCUMENT,
    )


async def ask_once(
    bus: ShardBus, generation: Generation, request: SearchRequest, *, timeout_s: float, group: int = PRIMARY_GROUP
) -> dict[int, SearchReply]:
    """The good replies by shard; those of shards that do not answer in time, or refuse, are not in it.

    Args:
        request: without correlation id, reply address and deadline, which are filled in here.

    Raises:
        DependencyDown: Kafka is away. Overloaded: too many conversations are open.
    """
    deadline_s = time.monotonic() + timeout_s
    conversation = bus.open()
    try:
        addressed = msgspec.structs.replace(
            request,
            correlation_id=conversation.correlation_id,
            reply_partition=bus.reply_partition,
            deadline_ms=time.time_ns() // 1_000_000 + int(timeout_s * 1000),
        )
        conversation.send(addressed, group, new_trace())
        answered: set[int] = set()
        replies: dict[int, SearchReply] = {}
        while len(answered) < generation.n_shards and (left_s := deadline_s - time.monotonic()) > 0:
            reply = await conversation.next_reply(left_s)
            if reply is None or reply.generation != generation.name:
                continue
            answered.add(reply.shard)
            if reply.outcome == "ok":
                replies[reply.shard] = reply
        return replies
    finally:
        conversation.close()
