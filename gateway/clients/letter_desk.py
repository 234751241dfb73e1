"""Dead letters in Kafka, for the gateway's event loop: read in threads, a few at a time; sent and acknowledged."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from contracts.codec import Message
from contracts.errors import DependencyDown, Overloaded
from contracts.generations import Generation
from contracts.letters import KeptLetter, LetterFilter, LetterPlace
from contracts.trace import TraceContext
from runtime.generations import read_generations
from runtime.kafka_producer import KafkaProducer
from runtime.letter_log import LetterLog, Reading

_READ_TIMEOUT_S = 15.0
_GET_TIMEOUT_S = 10.0
_ACK_TIMEOUT_S = 10.0
_AT_ONCE = 2
_WAITING = 16


class KafkaLetterDesk:
    """Reads letters, and sends what is done about them."""

    def __init__(self, bootstrap: str, client_id: str, producer: KafkaProducer) -> None:
        self._bootstrap = bootstrap
        self._log = LetterLog(bootstrap, client_id)
        self._producer = producer
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._places = _AT_ONCE + _WAITING

    async def read(self, wanted: LetterFilter) -> Reading:
        """See `gateway.flows.dead_letters.LetterDesk.read`."""
        async with self._turn():
            return await asyncio.to_thread(self._log.read, wanted, timeout_s=_READ_TIMEOUT_S)

    async def get(self, place: LetterPlace) -> KeptLetter | None:
        """See `gateway.flows.dead_letters.LetterDesk.get`."""
        async with self._turn():
            return await asyncio.to_thread(self._log.get, place, timeout_s=_GET_TIMEOUT_S)

    async def generations(self) -> Mapping[str, Generation]:
        """See `gateway.flows.dead_letters.LetterDesk.generations`."""
        return await asyncio.to_thread(read_generations, self._bootstrap, timeout_s=_GET_TIMEOUT_S)

    async def send(
        self, topic: str, message: Message, *, key: str, partition: int | None, trace: TraceContext
    ) -> None:
        """See `gateway.flows.dead_letters.LetterDesk.send`."""
        future = self._producer.send(topic, message, key=key, partition=partition, trace=trace)
        try:
            async with asyncio.timeout(_ACK_TIMEOUT_S):
                # Shielded: a cancelled waiter must not cancel the future that the client's thread will complete.
                await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError as exc:
            raise DependencyDown("kafka") from exc

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._places == 0:
            raise Overloaded("Too many look at dead letters at the moment.", retry_after_s=2.0)
        self._places -= 1
        try:
            async with self._turns:
                yield
        finally:
            self._places += 1
