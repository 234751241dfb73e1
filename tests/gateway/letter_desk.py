"""A desk for dead letters in memory: a topic of two partitions, and records that tests can look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.codec import Message, decode, encode
from contracts.documents import DeadLetter
from contracts.errors import DependencyDown
from contracts.generations import Generation
from contracts.letters import KeptLetter, LetterEnded, LetterFilter, LetterPlace, read_letter_record
from contracts.status import StageEvent
from contracts.topics import DEAD_LETTERS, DOCUMENT_STATUS
from contracts.trace import TraceContext
from runtime.letter_log import Reading
from tests.gateway.library import MemoryStatus


@dataclass
class MemoryDesk:
    """Sends into memory; status records also reach the fold."""

    status: MemoryStatus
    letters: list[list[bytes]] = field(default_factory=lambda: [[], []])
    sent: list[tuple[str, Message, int | None]] = field(default_factory=list)
    known: dict[str, Generation] = field(default_factory=dict)
    up: bool = True

    def write(self, letter: DeadLetter, partition: int = 0) -> str:
        """A worker gives up; the letter's id."""
        self.letters[partition].append(encode(letter))
        return f"{partition}-{len(self.letters[partition]) - 1}"

    async def read(self, wanted: LetterFilter) -> Reading:
        found = []
        for partition, values in enumerate(self.letters):
            for offset in range(len(values)):
                kept = await self.get(LetterPlace(partition, offset))
                if kept is not None and wanted.wants(kept.letter):
                    found.append(kept)
        return Reading(found, complete=True)

    async def get(self, place: LetterPlace) -> KeptLetter | None:
        if place.partition >= len(self.letters) or place.offset >= len(self.letters[place.partition]):
            return None
        records = [read_letter_record(value) for value in self.letters[place.partition]]
        letter = records[place.offset]
        ends = (one for one in records if isinstance(one, LetterEnded) and one.offset == place.offset)
        return KeptLetter(place, letter, next(ends, None)) if isinstance(letter, DeadLetter) else None

    async def generations(self) -> Mapping[str, Generation]:
        return self.known

    async def send(
        self, topic: str, message: Message, *, key: str, partition: int | None, trace: TraceContext
    ) -> None:
        if not self.up:
            raise DependencyDown("kafka")
        self.sent.append((topic, message, partition))
        if topic == DEAD_LETTERS:
            assert partition is not None
            self.letters[partition].append(encode(message))
        if topic == DOCUMENT_STATUS:
            self.status.tell(decode(StageEvent, encode(message)))
