"""Every Kafka topic: name, partitions, cleanup, retention, acknowledgements. Partition counts never change."""

from dataclasses import dataclass
from typing import Literal

FILE_ADDED = "file_added"
EMBEDDINGS = "embeddings"
DOCUMENT_STATUS = "document_status"
SEARCH_REQUESTS = "search_req"
SEARCH_REPLIES = "search_res"
DEAD_LETTERS = "dlq_embeddings"
INDEX_GENERATIONS = "index_generations"
EXPERIMENTS = "experiments"
EXPERIMENT_EVENTS = "experiment_events"

FILE_PARTITIONS = 24
STATUS_PARTITIONS = 12
REPLY_PARTITIONS = 32
REPLICA_GROUPS = 2

Stage = Literal["text", "image", "join", "shard"]
RETRY_DELAYS_S: tuple[int, ...] = (10, 120, 1200)
RETRIED_STAGES: tuple[Stage, ...] = ("text", "image", "join")
BULK_STAGES: tuple[Stage, ...] = ("text", "image")

_DAY_S = 86_400
# A segment of the log goes as a whole: its first record waits for its last. Short-lived topics roll by themselves.
_SEGMENT_S = _DAY_S


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it is created.

    Args:
        cleanup: "delete" after `retention_s`, or "compact" (retention then None).
        acks: acknowledgements that a producer waits for.
        from_end: True where consumers start at the end and a lost offset is harmless (search topics).
    """

    name: str
    partitions: int
    cleanup: Literal["delete", "compact"]
    retention_s: int | None
    acks: Literal["all", "1"]
    from_end: bool = False

    def config(self) -> dict[str, str]:
        """Topic configuration in Kafka's own names."""
        config: dict[str, str] = {"cleanup.policy": self.cleanup}
        if self.retention_s is not None:
            config["retention.ms"] = str(self.retention_s * 1000)
        if self.from_end:
            config["segment.ms"] = str(60_000)
        elif self.retention_s is not None:
            config["segment.ms"] = str(_SEGMENT_S * 1000)
        return config

    @property
    def gone_after_s(self) -> int | None:
        """How old a record can become before the broker removes it; None where the newest of a key stays."""
        return None if self.retention_s is None else self.retention_s + _SEGMENT_S


def index_updates(generation: str) -> str:
    """Topic that carries a generation's updates; partition = shard."""
    return f"index_updates.{generation}"


def index_touches(generation: str) -> str:
    """Topic that tells which of a generation's documents answers have shown; partition = shard."""
    return f"index_touches.{generation}"


def retry_topic(stage: Stage, delay_s: int) -> str:
    """Delay topic of a stage."""
    return f"retry.{stage}.{delay_s}s"


def bulk_topic(stage: Stage) -> str:
    """Topic that holds a stage's share of a backfill."""
    return f"bulk.{stage}"


def fixed_topics() -> tuple[TopicSpec, ...]:
    """All topics that exist whatever the generations are."""
    return (
        TopicSpec(FILE_ADDED, FILE_PARTITIONS, "delete", 7 * _DAY_S, "all"),
        TopicSpec(EMBEDDINGS, 24, "delete", 7 * _DAY_S, "all"),
        *(TopicSpec(bulk_topic(stage), 24, "delete", 7 * _DAY_S, "all") for stage in BULK_STAGES),
        TopicSpec(DOCUMENT_STATUS, STATUS_PARTITIONS, "compact", None, "all"),
        TopicSpec(SEARCH_REQUESTS, REPLICA_GROUPS, "delete", 60, "1", from_end=True),
        TopicSpec(SEARCH_REPLIES, REPLY_PARTITIONS, "delete", 60, "1", from_end=True),
        *(
            TopicSpec(retry_topic(stage, delay_s), 12, "delete", 2 * _DAY_S, "all")
            for stage in RETRIED_STAGES
            for delay_s in RETRY_DELAYS_S
        ),
        TopicSpec(DEAD_LETTERS, 12, "delete", 30 * _DAY_S, "all"),
        TopicSpec(INDEX_GENERATIONS, 1, "compact", None, "all"),
        TopicSpec(EXPERIMENTS, 1, "compact", None, "all"),
        # One partition, so that every gateway sees the same order.
        TopicSpec(EXPERIMENT_EVENTS, 1, "delete", 30 * _DAY_S, "all"),
    )


def generation_topics(generation: str, n_shards: int) -> tuple[TopicSpec, ...]:
    """Topics that belong to one generation.

    `index_updates` outlives the older kept snapshot and is never compacted: a shard replays it in order.
    """
    return (
        TopicSpec(index_updates(generation), n_shards, "delete", 14 * _DAY_S, "all"),
        TopicSpec(index_touches(generation), n_shards, "delete", 3 * _DAY_S, "1"),
    )
