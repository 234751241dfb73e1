"""Search over Kafka: one `search_req` fans out to the shards of a replica group, each answers on `search_res`."""

from typing import ClassVar, Literal

import msgspec

from contracts.codec import Message
from contracts.documents import Box
from contracts.items import ItemKind

MAX_K = 1000
# Hits whose text is in a reply; those below have none, so that a reply stays below a megabyte.
TEXTS_TRAVEL = 100
PRIMARY_GROUP = 0
CPU_GROUP = 1


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which items may match; None means any. The tenant is no filter: it is part of every request.

    Args:
        groups: of whoever asks: a document with a list of readers matches if one of them is on it. None sees all.
    """

    collections: tuple[str, ...] | None = None
    kinds: tuple[ItemKind, ...] | None = None
    doc_ids: tuple[str, ...] | None = None
    content_types: tuple[str, ...] | None = None
    added_after_ms: int | None = None
    added_before_ms: int | None = None
    groups: tuple[str, ...] | None = None


class SearchRequest(Message, frozen=True, kw_only=True):
    """A query for all (or some) shards of one replica group (topic `search_req`, partition = group).

    Args:
        correlation_id: nonce of the gateway process, '-', counter.
        reply_partition: the gateway's own partition of `search_res`.
        deadline_ms: Unix time in ms after which an answer is of no use and the request is dropped.
        shards: which shards shall answer; None = all. A hedge asks only for the late ones.
        vector: float32 little-endian [dim of the space], the joint query.
        words: the query's words for the lexical candidates, None when nobody asked with words.
        lexical_weight: how much an item's lexical score counts; 0 = words are not looked up.
        text_dim: where the text half ends, so that a hit can tell how much each half gave.
        exact: compare with every vector, without an index: for probes and comparisons.
    """

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    correlation_id: str
    reply_partition: int
    deadline_ms: int
    space_id: str
    generation: str
    vector: bytes
    text_dim: int
    k: int
    filter: Filter = Filter()
    shards: tuple[int, ...] | None = None
    words: str | None = None
    lexical_weight: float = 0.0
    exact: bool = False


class ShardHit(msgspec.Struct, frozen=True, kw_only=True):
    """One item found.

    Args:
        score: `text_score + image_score + lexical_weight * lexical_score`; higher is better.
        text_score, image_score: exact inner products of the halves.
        lexical_score: from 0 (none of the query's words, or they were not looked up) to 1 (all of them).
    """

    doc_id: str
    version: int
    item_id: str
    kind: ItemKind
    score: float
    text_score: float
    image_score: float
    collection: str
    source_key: str
    content_type: str
    text: str
    added_ms: int
    page: int | None = None
    box: Box | None = None
    char_start: int | None = None
    char_end: int | None = None
    heading: str | None = None
    caption: str | None = None
    picture_key: str | None = None
    thumbnail_key: str | None = None
    swallows: str | None = None
    machine_caption: str | None = None
    captioned_by: str | None = None
    lexical_score: float = 0.0


class SearchReply(Message, frozen=True, kw_only=True):
    """One shard's answer (topic `search_res`, partition = the gateway's).

    Args:
        outcome: "ok", or "failed" with a reason; a request past its deadline gets no answer at all.
        generation: the shard's. Requests reach the shards of all generations that are up, and only those of the
            one that is asked answer; a reply of another one says nothing about the shard that was asked.
        queue_ms, search_ms: time from taking the request off the log to its search, and time of the search itself
            with re-ranking. Both by the shard's own clock: no two machines' clocks are compared.
        applied_offset: offset of the last update this shard has applied, None before the first.
        items: live items in the shard.
    """

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    correlation_id: str
    shard: int
    n_shards: int
    group: int
    outcome: Literal["ok", "failed"]
    generation: str | None = None
    hits: tuple[ShardHit, ...] = ()
    reason: str | None = None
    queue_ms: float = 0.0
    search_ms: float = 0.0
    vectors_scanned: int = 0
    applied_offset: int | None = None
    items: int = 0
