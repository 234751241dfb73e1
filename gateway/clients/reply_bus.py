"""Kafka request and reply: searches go out on `search_req`, answers come in on our partition of `search_res`."""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator, Sequence

import msgspec

from contracts.errors import DependencyDown, Overloaded
from contracts.metrics import LATE_REPLIES, UNKNOWN_REPLIES
from contracts.search import SearchReply, SearchRequest
from contracts.topics import SEARCH_REPLIES, SEARCH_REQUESTS
from contracts.trace import TraceContext
from gateway.clients.reply_reader import ReplyReader
from runtime.kafka_producer import KafkaProducer
from runtime.telemetry import Metrics

# A request that Kafka has not taken by then is of no use to anyone.
_DELIVERY_TIMEOUT_S = 1.0
_HEARTBEAT_S = 0.5
_REPLIES_PER_SEARCH = 256
_LATE_KEPT = 512


class ReplyBus:
    """One producer and one reading thread for all searches of a process. Use it from one event loop.

    Correlation ids are a nonce of the process and a counter. A reply with another nonce belongs to another
    process (an earlier life of this one, or a gateway with the same ordinal): counted and dropped.

    Args:
        ordinal: this gateway's partition of `search_res`.
        max_open: searches under way at once.
    """

    def __init__(self, bootstrap: str, ordinal: int, metrics: Metrics, *, max_open: int) -> None:
        self.reply_partition = ordinal
        self._max_open = max_open
        self._nonce = secrets.token_hex(8)
        self._count = 0
        self._open: dict[str, KafkaConversation] = {}
        self._late: deque[tuple[float, SearchReply]] = deque(maxlen=_LATE_KEPT)
        self._late_count = metrics.counter(LATE_REPLIES)
        self._unknown_count = metrics.counter(UNKNOWN_REPLIES)
        self._loop = asyncio.get_running_loop()
        client_id = f"gateway-{ordinal}-{self._nonce[:6]}"
        self._producer = KafkaProducer(bootstrap, client_id, acks="1", delivery_timeout_s=_DELIVERY_TIMEOUT_S)
        self._reader = ReplyReader(bootstrap, client_id, ordinal, self._from_thread)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["ReplyBus"]:
        """Read replies while the block lasts. Kafka may come later, go and come back."""
        self._reader.start()
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            yield self
        finally:
            heartbeat.cancel()
            await asyncio.to_thread(self._reader.close)
            await asyncio.to_thread(self._producer.close, 0.5)

    def available(self) -> bool:
        """False until replies are read, and while all brokers are reported down."""
        return self._reader.assigned and self._producer.reachable

    def open(self) -> "KafkaConversation":
        """Begin a search.

        Raises:
            DependencyDown: Kafka is away. Overloaded: too many searches are under way.
        """
        if not self.available():
            raise DependencyDown("kafka")
        if len(self._open) >= self._max_open:
            raise Overloaded("Too many searches are under way at the moment.")
        self._count += 1
        conversation = KafkaConversation(self, f"{self._nonce}-{self._count}")
        self._open[conversation.correlation_id] = conversation
        return conversation

    def late_replies(self) -> Sequence[tuple[float, SearchReply]]:
        """Replies to closed conversations since the last call, without their hits."""
        late = tuple(self._late)
        self._late.clear()
        return late

    def publish(self, request: SearchRequest, group: int, trace: TraceContext) -> None:
        """Queue a request for a replica group. Raises DependencyDown or Overloaded at once."""
        self._producer.send(SEARCH_REQUESTS, request, partition=group, trace=trace)

    def forget(self, correlation_id: str) -> None:
        """A conversation was closed."""
        self._open.pop(correlation_id, None)

    def _from_thread(self, reply: SearchReply, arrived_s: float) -> None:
        # The loop is closed only after the reader has ended; a shutdown that was cut short may differ.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, reply, arrived_s)

    def _deliver(self, reply: SearchReply, arrived_s: float) -> None:
        conversation = self._open.get(reply.correlation_id)
        if conversation is not None and conversation.offer(reply):
            return
        if reply.correlation_id.startswith(f"{self._nonce}-"):
            self._late_count.inc()
            self._late.append((arrived_s, msgspec.structs.replace(reply, hits=())))
        else:
            self._unknown_count.inc()

    async def _heartbeat(self) -> None:
        """While Kafka is away, send empty records to ourselves: the first one taken tells that it is back."""
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            if not self._producer.reachable:
                with contextlib.suppress(DependencyDown, Overloaded):
                    self._producer.send_bytes(SEARCH_REPLIES, b"", partition=self.reply_partition)


class KafkaConversation:
    """Replies to one correlation id, in order of arrival."""

    def __init__(self, bus: ReplyBus, correlation_id: str) -> None:
        self._bus = bus
        self.correlation_id = correlation_id
        self._replies: asyncio.Queue[SearchReply] = asyncio.Queue(_REPLIES_PER_SEARCH)

    def send(self, request: SearchRequest, group: int, trace: TraceContext) -> None:
        """Publish to a replica group. Raises DependencyDown or Overloaded at once."""
        self._bus.publish(request, group, trace)

    async def next_reply(self, timeout_s: float) -> SearchReply | None:
        """The next reply, or None when `timeout_s` has passed."""
        if not self._replies.empty():
            return self._replies.get_nowait()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._replies.get()
        except TimeoutError:
            return None

    def offer(self, reply: SearchReply) -> bool:
        """Take a reply in; False when there are absurdly many already."""
        try:
            self._replies.put_nowait(reply)
        except asyncio.QueueFull:
            return False
        return True

    def close(self) -> None:
        """No more replies are wanted."""
        self._bus.forget(self.correlation_id)
