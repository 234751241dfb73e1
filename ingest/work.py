"""What a worker's handler is given and what it gives back. Knows no Kafka client: `ingest.worker` does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from contracts.codec import Message
from contracts.documents import FileAdded
from contracts.halves import HalfReady
from contracts.status import StageState
from contracts.tensors import PRIORITY_BULK, PRIORITY_UPLOAD
from contracts.topics import Stage
from contracts.trace import TraceContext


@dataclass(frozen=True, slots=True)
class Work:
    """One document's turn at one stage.

    Args:
        document: the event that began the document's life, or ended it.
        half: the pointer that arrived; set for stage "join" only.
        version: given by the log, the same through all retries.
        attempt: tries made before this one.
        at_deadline: the join deadline of `half` has come, rather than `half` itself.
        in_bulk_lane: read from a bulk topic, so its turn has really come.
        origin_topic, payload: the record as it first arrived, for a retry or a dead letter.
    """

    stage: Stage
    document: FileAdded
    half: HalfReady | None
    version: int
    attempt: int
    at_deadline: bool
    in_bulk_lane: bool
    origin_topic: str
    payload: bytes
    trace: TraceContext

    @property
    def is_bulk(self) -> bool:
        """Whether it is a backfill's: people's uploads go first."""
        return self.document.lane == "bulk"

    @property
    def priority(self) -> int:
        """Triton priority of this work's inferences."""
        return PRIORITY_BULK if self.is_bulk else PRIORITY_UPLOAD

    @property
    def is_silent(self) -> bool:
        """Whether the document's status shall say nothing of this work: it is about one space's vectors alone."""
        return self.document.space_id is not None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to publish; without a `partition` the key decides."""

    topic: str
    message: Message
    key: str
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a piece of work.

    Args:
        outgoing: records to publish; the work counts as done once all are acknowledged.
        state: what the document's status shall say of this stage, or None for no word.
        count: chunks, pictures or items made.
        revision: revision of the item set, for stage "join".
        afterwards: called once `outgoing` is acknowledged, before the work is committed; when it fails the whole
            work is tried again, so it must be safe to repeat.
    """

    outgoing: tuple[Outgoing, ...] = ()
    state: StageState | None = "done"
    count: int | None = None
    revision: int | None = None
    afterwards: Callable[[], Awaitable[None]] | None = None


class Handler(Protocol):
    """One stage's own work. Everything around it (commits, retries, dead letters, status) is the worker's.

    `announces` tells whether the status shall say "running" before the work begins.
    """

    stage: Stage
    announces: bool

    async def handle(self, work: Work) -> Outcome:
        """Do the work; raise from `contracts.errors` where it cannot be done."""
        ...
