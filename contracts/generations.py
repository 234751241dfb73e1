"""Index generations: which space, how many shards, in what state (compacted topic `index_generations`)."""

from typing import Literal

from contracts.codec import Message

GenerationState = Literal["building", "ready", "serving", "retired"]
LIVE_STATES: frozenset[str] = frozenset({"building", "ready", "serving"})


class Generation(Message, frozen=True, kw_only=True):
    """One generation of the index (key = `name`).

    Args:
        name: part of topic names and object keys: lower-case letters, digits and '-'.
        n_shards: fixed for the generation's life; another number is another generation.
    """

    name: str
    space_id: str
    n_shards: int
    state: GenerationState
    created_ms: int


def generation_name(space_id: str, n_shards: int) -> str:
    """Default name of the generation for a space and a number of shards."""
    return f"{space_id[:12]}-{n_shards}"
