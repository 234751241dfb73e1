"""What embedders gave up on while a generation of another space is filled, out of the log of dead letters."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import confluent_kafka as ck

from contracts.codec import decode
from contracts.documents import DeadLetter, FileAdded
from contracts.errors import BadMessage, DependencyDown
from contracts.generations import Generation
from contracts.halves import HalfReady
from contracts.topics import DEAD_LETTERS, Stage, fixed_topics
from runtime.kafka import assigned_consumer, to_record
from runtime.telemetry import get_logger

_log = get_logger(__name__)
_TIMEOUT_S = 10.0
_POLL_S = 0.2


class SpaceLetters:
    """Reads the letters about one space that were written since its generation was announced."""

    def __init__(self, kafka: str, generation: Generation) -> None:
        self._kafka = kafka
        self._generation = generation
        self._reasons: dict[tuple[str, int], dict[Stage, str]] = {}
        self._over = threading.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SpaceLetters"]:
        """Read while the block lasts."""
        reading = asyncio.create_task(asyncio.to_thread(self._read))
        try:
            yield self
        finally:
            self._over.set()
            await asyncio.gather(reading, return_exceptions=True)

    def reason(self, doc_id: str, version: int, *, one_sided: bool) -> str | None:
        """See `Refusals.reason`. Half of a document that always was a half is no loss."""
        known = self._reasons.get((doc_id, version), {})
        if not known or (one_sided and len(known) == 1 and "join" not in known):
            return None
        return next(iter(known.values()))

    def take(self, letter: DeadLetter) -> None:
        """Note a letter, if it is about this space alone."""
        try:
            half = decode(HalfReady, letter.payload) if letter.stage == "join" else None
            document = half.document if half else decode(FileAdded, letter.payload)
        except BadMessage:
            return
        if document.space_id == self._generation.space_id:
            self._reasons.setdefault((letter.doc_id, letter.version), {})[letter.stage] = letter.reason

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                self._follow()
            except DependencyDown as exc:
                _log.warning("dead_letters_unreadable", reason=exc.message)
                self._over.wait(1.0)

    def _follow(self) -> None:
        [topic] = [spec for spec in fixed_topics() if spec.name == DEAD_LETTERS]
        since = [
            ck.TopicPartition(DEAD_LETTERS, partition, self._generation.created_ms)
            for partition in range(topic.partitions)
        ]
        with closing(assigned_consumer(self._kafka, "backfill-letters")) as consumer:
            try:
                consumer.assign(consumer.offsets_for_times(since, timeout=_TIMEOUT_S))
            except ck.KafkaException as exc:
                raise DependencyDown("kafka") from exc
            while not self._over.is_set():
                message = consumer.poll(_POLL_S)
                record = to_record(message) if message is not None else None
                if record is None:
                    continue
                try:
                    self.take(decode(DeadLetter, record.value))
                except BadMessage:
                    continue  # Of another build.
