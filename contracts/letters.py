"""Dead letters as operators handle them: names, filters, what ended one, and what puts its work back. Pure.

Letters and the records that end them share the topic `dlq_embeddings` and the partition: a letter is open while no
later record of its partition ends it.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from contracts.codec import Message, decode
from contracts.documents import DeadLetter, Delayed, FileAdded
from contracts.errors import BadMessage, Conflict, NotFound
from contracts.generations import Generation
from contracts.halves import HalfReady
from contracts.ids import shard_of
from contracts.items import IndexUpdate
from contracts.topics import EMBEDDINGS, FILE_ADDED, RETRY_DELAYS_S, Stage, index_updates, retry_topic

Ending = Literal["requeued", "discarded"]
LetterState = Literal["open", "requeued", "discarded"]
REQUEUED = "requeued"
"""Cause of work that an operator put back into its queue."""

_ID = re.compile(r"(0|[1-9]\d{0,4})-(0|[1-9]\d{0,17})")


class LetterPlace(NamedTuple):
    """Where a letter lies in its topic; its name for people is `id`."""

    partition: int
    offset: int

    @property
    def id(self) -> str:
        """The letter's name, unique within the log."""
        return f"{self.partition}-{self.offset}"


def letter_place(letter_id: str) -> LetterPlace:
    """The place that a letter's name tells.

    Raises:
        NotFound: no letter can have this name.
    """
    match = _ID.fullmatch(letter_id)
    if match is None:
        raise NotFound("There is no dead letter with this id.")
    return LetterPlace(int(match[1]), int(match[2]))


class LetterEnded(Message, frozen=True, kw_only=True):
    """An operator ended a dead letter (topic `dlq_embeddings`, in the letter's own partition).

    Args:
        ended: what was done about it.
        offset: of the letter.
        by: who did it, as far as the door knows.
        note: why, in the operator's words.
    """

    ended: Ending
    offset: int
    doc_id: str
    version: int
    stage: Stage
    at_ms: int
    by: str
    note: str | None = None


class _Peek(msgspec.Struct, frozen=True):
    ended: str | None = None


def read_letter_record(value: bytes) -> DeadLetter | LetterEnded:
    """A record of the topic.

    Raises:
        BadMessage: it is neither.
    """
    try:
        ends = msgspec.json.decode(value, type=_Peek).ended is not None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadMessage("The record is no dead letter.") from exc
    return decode(LetterEnded, value) if ends else decode(DeadLetter, value)


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A letter as it lies in the log, and what has ended it."""

    place: LetterPlace
    letter: DeadLetter
    end: LetterEnded | None = None

    @property
    def state(self) -> LetterState:
        """Whether anything was done about it."""
        return "open" if self.end is None else self.end.ended


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which letters are wanted; None means any.

    Args:
        since_ms, until_ms: when the work was given up: since_ms <= at_ms < until_ms.
    """

    tenant: str
    doc_id: str | None = None
    stage: Stage | None = None
    cause: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def wants(self, letter: DeadLetter) -> bool:
        """Whether a letter is wanted, whatever was done about it."""
        return (
            letter.tenant == self.tenant
            and self.doc_id in (None, letter.doc_id)
            and self.stage in (None, letter.stage)
            and self.cause in (None, letter.cause)
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
        )


@dataclass(frozen=True, slots=True)
class Again:
    """The work of a letter as it goes back to its stage.

    Args:
        partition: where the key does not decide.
        document: names of the document, where the work tells them.
        revision: of an update that a shard had refused.
    """

    topic: str
    message: Message
    version: int
    op: Literal["upsert", "delete", "expire"]
    partition: int | None = None
    document: FileAdded | None = None
    revision: int | None = None


def work_again(letter: DeadLetter, now_ms: int, generations: dict[str, Generation]) -> Again:
    """The record that has a letter's work done again, with the version that it had.

    Work of an embedder or the joint updater goes to the stage's first delay topic, due now; an update that a shard
    refused goes to that shard.

    Raises:
        Conflict: this work cannot be done again from what was kept of it; says why.
    """
    try:
        if letter.stage == "shard":
            return _update_again(letter, generations)
        if letter.stage == "join" and letter.origin_topic == EMBEDDINGS:
            half = decode(HalfReady, letter.payload)
            document, version = half.document, half.version
        elif letter.stage in ("text", "image") and letter.origin_topic == FILE_ADDED:
            document, version = decode(FileAdded, letter.payload), letter.version
        else:
            raise BadMessage("The record never was one of its stage.")
    except BadMessage as exc:
        raise Conflict(
            "The record itself could not be read and still cannot be: putting it back would fail again. "
            "Upload the file again, or discard the letter."
        ) from exc
    message = Delayed(
        tenant=document.tenant,
        doc_id=document.doc_id,
        version=version,
        stage=letter.stage,
        attempt=0,
        due_ms=now_ms,
        cause=REQUEUED,
        origin_topic=letter.origin_topic,
        payload=letter.payload,
    )
    op: Literal["upsert", "delete"] = "delete" if document.event == "deleted" else "upsert"
    return Again(retry_topic(letter.stage, RETRY_DELAYS_S[0]), message, version, op, document=document)


def _update_again(letter: DeadLetter, generations: dict[str, Generation]) -> Again:
    if not letter.payload:
        raise Conflict("The update was too large to be kept with its letter. Rebuild the shard, or upload again.")
    update = decode(IndexUpdate, letter.payload)
    generation = generations.get(update.generation)
    if generation is None or not generation.is_live:
        raise Conflict("The generation of the index that this update was for takes no updates any more.")
    return Again(
        index_updates(generation.name),
        update,
        update.version,
        update.op,
        partition=shard_of(update.doc_id, generation.n_shards),
        revision=update.revision,
    )


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """`GET /v1/dead-letters/{id}`: work that was given up.

    Args:
        source, collection: the document's names, where its record could be read.
        state: "open", or what an operator did about it: at `ended_at_ms`, by `ended_by`, with a `note`.
        payload_bytes: size of the record that was kept.
        record: that record, where it is JSON; only of a single letter.
    """

    id: str
    doc_id: str
    version: int
    stage: str
    cause: str
    reason: str
    attempt: int
    at_ms: int
    trace_id: str | None
    uri: str
    origin_topic: str
    payload_bytes: int
    source: str | None = None
    collection: str | None = None
    state: LetterState = "open"
    ended_at_ms: int | None = None
    ended_by: str | None = None
    note: str | None = None
    record: object = None


@dataclass(frozen=True, slots=True)
class DeadLetterList:
    """`GET /v1/dead-letters`, the newest first.

    Args:
        complete: False when the topic could not be read to its beginning at once: there may be older letters;
            `since` and `until` reach them.
    """

    letters: list[DeadLetterView]
    complete: bool
    next_cursor: str | None = None
