"""Dead letters as operators handle them: look at them, put their work back, set them aside.

What is done about a letter is recorded beside it in its own topic, told in the document's status, and logged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from contracts.api import DocumentView
from contracts.codec import Message
from contracts.errors import Conflict, NotFound
from contracts.generations import Generation
from contracts.ids import partition_of
from contracts.letters import (
    Again,
    DeadLetterList,
    DeadLetterView,
    Ending,
    KeptLetter,
    LetterEnded,
    LetterFilter,
    LetterPlace,
    LetterState,
    letter_place,
    work_again,
)
from contracts.status import StageEvent, status_key
from contracts.topics import DEAD_LETTERS, DOCUMENT_STATUS, STATUS_PARTITIONS
from contracts.trace import TraceContext
from gateway.core.clock import Clock
from gateway.core.letter_view import discarded_event, letter_view, page_of, requeued_event
from gateway.core.status_view import read_cursor
from runtime.telemetry import get_logger

_log = get_logger(__name__)


class LetterReading(Protocol):
    """Letters that were wanted, and whether all of the time that was asked for was read."""

    @property
    def letters(self) -> list[KeptLetter]:
        """In no order."""
        ...

    @property
    def complete(self) -> bool:
        """False when older ones were left out."""
        ...


class LetterDesk(Protocol):
    """Where letters lie and where their work goes; `gateway.clients.letter_desk.KafkaLetterDesk` is one.

    Every method raises DependencyDown, DeadlineExceeded and Overloaded.
    """

    async def read(self, wanted: LetterFilter) -> LetterReading:
        """The newest letters that are wanted."""
        ...

    async def get(self, place: LetterPlace) -> KeptLetter | None:
        """One letter, or None."""
        ...

    async def generations(self) -> Mapping[str, Generation]:
        """The generations of the index by name."""
        ...

    async def send(
        self, topic: str, message: Message, *, key: str, partition: int | None, trace: TraceContext
    ) -> None:
        """Send a record and wait until it is acknowledged."""
        ...


class StatusView(Protocol):
    """What is known of documents."""

    async def get(self, tenant: str, doc_id: str) -> DocumentView | None:
        """One document, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Operator:
    """Who asks.

    Args:
        name: as it is recorded.
    """

    tenant: str
    name: str
    trace: TraceContext


class DeadLetters:
    """What operators may do with dead letters."""

    def __init__(self, desk: LetterDesk, status: StatusView, clock: Clock) -> None:
        self._desk = desk
        self._status = status
        self._clock = clock

    async def list(
        self, wanted: LetterFilter, *, state: LetterState | None, cursor: str | None, limit: int
    ) -> DeadLetterList:
        """A page of letters, the newest first.

        Raises:
            InvalidInput: the cursor is none of ours. DeadlineExceeded: too many to read at once.
        """
        after = read_cursor(cursor) if cursor else None
        reading = await self._desk.read(wanted)
        page, more = page_of(reading.letters, state=state, after=after, limit=limit)
        return DeadLetterList(
            [letter_view(kept) for kept in page], reading.complete, more.cursor() if more else None
        )

    async def show(self, tenant: str, letter_id: str) -> DeadLetterView:
        """One letter with the record that was given up.

        Raises:
            NotFound: no such letter, or its time in the log has ended.
        """
        return letter_view(await self._get(tenant, letter_id), whole=True)

    async def requeue(self, operator: Operator, letter_id: str, note: str | None = None) -> DeadLetterView:
        """Have the letter's work done again, with its version. One that was put back already stays as it is.

        Raises:
            NotFound: no such letter. Conflict: it was discarded, a newer version of the document has overtaken it,
                or its work cannot be done again.
        """
        kept = await self._get(operator.tenant, letter_id)
        if kept.end is not None:
            return _ended_already(kept, "requeued")
        now_ms = self._clock.unix_ms()
        again = work_again(kept.letter, now_ms, dict(await self._desk.generations()))
        view = await self._status.get(operator.tenant, kept.letter.doc_id)
        if view is not None:
            if view.version > again.version:
                raise Conflict("A newer version of the document has overtaken this one; there is nothing to redo.")
            # Before the work itself: what the stage says of it comes later in the log.
            await self._tell(requeued_event(kept.letter, again, view, now_ms), operator)
        await self._again(kept, again, operator)
        return await self._end(kept, "requeued", operator, now_ms, note)

    async def discard(self, operator: Operator, letter_id: str, note: str | None = None) -> DeadLetterView:
        """Set a letter aside for good. One that was set aside already stays as it is.

        Raises:
            NotFound: no such letter. Conflict: its work was put back into the queue.
        """
        kept = await self._get(operator.tenant, letter_id)
        if kept.end is not None:
            return _ended_already(kept, "discarded")
        now_ms = self._clock.unix_ms()
        view = await self._status.get(operator.tenant, kept.letter.doc_id)
        if view is not None:
            await self._tell(discarded_event(kept.letter, view, now_ms, note), operator)
        return await self._end(kept, "discarded", operator, now_ms, note)

    async def _get(self, tenant: str, letter_id: str) -> KeptLetter:
        kept = await self._desk.get(letter_place(letter_id))
        if kept is None or kept.letter.tenant != tenant:
            raise NotFound("There is no dead letter with this id; after 30 days they leave the log.")
        return kept

    async def _again(self, kept: KeptLetter, again: Again, operator: Operator) -> None:
        await self._desk.send(
            again.topic, again.message, key=kept.letter.doc_id, partition=again.partition, trace=operator.trace
        )

    async def _tell(self, event: StageEvent | None, operator: Operator) -> None:
        if event is not None:
            partition = partition_of(event.doc_id, STATUS_PARTITIONS)
            await self._desk.send(
                DOCUMENT_STATUS, event, key=status_key(event), partition=partition, trace=operator.trace
            )

    async def _end(
        self, kept: KeptLetter, ending: Ending, operator: Operator, now_ms: int, note: str | None
    ) -> DeadLetterView:
        letter, place = kept.letter, kept.place
        end = LetterEnded(
            tenant=letter.tenant,
            ended=ending,
            offset=place.offset,
            doc_id=letter.doc_id,
            version=letter.version,
            stage=letter.stage,
            at_ms=now_ms,
            by=operator.name,
            note=note,
        )
        await self._desk.send(
            DEAD_LETTERS, end, key=letter.doc_id, partition=place.partition, trace=operator.trace
        )
        _log.info(
            f"dead_letter_{ending}",
            letter=place.id,
            doc_id=letter.doc_id,
            version=letter.version,
            stage=letter.stage,
            cause=letter.cause,
            by=operator.name,
            note=note,
            trace_id=operator.trace.trace_id,
        )
        return letter_view(KeptLetter(place, letter, end))


def _ended_already(kept: KeptLetter, wanted: Ending) -> DeadLetterView:
    """The letter as it was left, where that is what is wanted now."""
    if kept.end is not None and kept.end.ended != wanted:
        done = "discarded" if kept.end.ended == "discarded" else "put back into the queue"
        raise Conflict(f"An operator has {done} this letter already.")
    return letter_view(kept)
