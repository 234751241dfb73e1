"""Request and reply over a real broker."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import DependencyDown, Overloaded
from contracts.search import SearchReply, SearchRequest
from contracts.topics import SEARCH_REPLIES
from gateway.clients.reply_bus import KafkaConversation, ReplyBus
from runtime.kafka_producer import KafkaProducer
from runtime.telemetry import Metrics
from tests.gateway.clients.echo_shard import EchoShard
from tests.gateway.conftest import create_topics, kafka_server, wait_until_ready
from tests.gateway.fakes import TRACE
from tests.stack.servers.conftest import started

pytestmark = pytest.mark.integration


def request(conversation: KafkaConversation, bus: ReplyBus, k: int = 1) -> SearchRequest:
    return SearchRequest(
        tenant="default",
        correlation_id=conversation.correlation_id,
        reply_partition=bus.reply_partition,
        deadline_ms=int(time.time() * 1000) + 10_000,
        space_id="s",
        generation="g",
        vector=b"",
        text_dim=0,
        k=k,
    )


async def until(condition: Callable[[], bool], *, within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the condition changes in another thread
            await asyncio.sleep(0.01)


def count(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"{name}_total") or 0.0


def new_bus(kafka: str, metrics: Metrics | None = None, *, ordinal: int = 3, max_open: int = 32) -> ReplyBus:
    return ReplyBus(kafka, ordinal, metrics or Metrics(), max_open=max_open)


async def test_a_request_to_each_group_is_answered_by_that_group(kafka: str) -> None:
    with EchoShard(kafka, group=0), EchoShard(kafka, group=1):
        async with new_bus(kafka).running() as bus:
            await until(bus.available)
            conversation = bus.open()
            for group in (0, 1):
                conversation.send(request(conversation, bus, k=group), group, TRACE)
            replies = [await conversation.next_reply(10.0) for _ in range(2)]
            found = {reply.group: reply.hits[0] for reply in replies if reply is not None}
            assert {group: (hit.text, hit.score) for group, hit in found.items()} == {
                0: ("group 0", 0.0),
                1: ("group 1", 1.0),
            }
            assert {hit.doc_id for hit in found.values()} == {conversation.correlation_id}


async def test_the_reply_to_the_very_first_request_is_not_missed(kafka: str) -> None:
    with EchoShard(kafka, group=0):
        for _ in range(5):
            async with new_bus(kafka).running() as bus:
                await until(bus.available)
                conversation = bus.open()
                conversation.send(request(conversation, bus), 0, TRACE)
                assert await conversation.next_reply(10.0) is not None


async def test_many_searches_at_once_each_get_their_own_replies(kafka: str) -> None:
    with EchoShard(kafka, group=0):
        async with new_bus(kafka, max_open=200).running() as bus:
            await until(bus.available)

            async def search(k: int) -> float:
                conversation = bus.open()
                conversation.send(request(conversation, bus, k), 0, TRACE)
                reply = await conversation.next_reply(20.0)
                conversation.close()
                assert reply is not None
                assert reply.correlation_id == conversation.correlation_id
                return reply.hits[0].score

            assert await asyncio.gather(*(search(k) for k in range(150))) == list(range(150))


async def test_no_reply_in_time_is_none_and_a_late_one_is_counted_and_kept_without_its_hits(kafka: str) -> None:
    metrics = Metrics()
    async with new_bus(kafka, metrics).running() as bus:
        await until(bus.available)
        conversation = bus.open()
        conversation.send(request(conversation, bus), 0, TRACE)
        assert await conversation.next_reply(0.05) is None
        conversation.close()
        sender = KafkaProducer(kafka, "late", acks="1")
        late = SearchReply(
            tenant="default",
            correlation_id=conversation.correlation_id,
            shard=2,
            n_shards=3,
            group=0,
            outcome="ok",
        )
        sender.send(SEARCH_REPLIES, late, partition=bus.reply_partition)
        await until(lambda: count(metrics, "trireme_search_late_replies") == 1)
        sender.close()
        [(arrived_s, reply)] = bus.late_replies()
        assert (reply.shard, reply.hits) == (2, ())
        assert abs(time.monotonic() - arrived_s) < 10
        assert bus.late_replies() == ()


async def test_replies_to_another_process_on_the_same_partition_are_counted_and_dropped(kafka: str) -> None:
    mine, theirs = Metrics(), Metrics()
    with EchoShard(kafka, group=0):
        async with new_bus(kafka, mine).running() as one, new_bus(kafka, theirs).running() as two:
            await until(lambda: one.available() and two.available())
            conversation = two.open()
            conversation.send(request(conversation, two), 0, TRACE)
            assert await conversation.next_reply(10.0) is not None
            await until(lambda: count(mine, "trireme_search_unknown_replies") == 1)
            assert count(theirs, "trireme_search_unknown_replies") == 0
            assert one.late_replies() == ()


async def test_more_open_searches_than_places_are_refused(kafka: str) -> None:
    async with new_bus(kafka, max_open=2).running() as bus:
        await until(bus.available)
        first = bus.open()
        bus.open()
        with pytest.raises(Overloaded):
            bus.open()
        first.close()
        bus.open()


async def test_records_that_are_no_replies_do_not_stop_the_reader(kafka: str) -> None:
    with EchoShard(kafka, group=0):
        async with new_bus(kafka).running() as bus:
            await until(bus.available)
            sender = KafkaProducer(kafka, "noise", acks="1")
            sender.send_bytes(SEARCH_REPLIES, b"\x00no reply", partition=bus.reply_partition).result(10)
            sender.close()
            conversation = bus.open()
            conversation.send(request(conversation, bus), 0, TRACE)
            assert await conversation.next_reply(10.0) is not None


async def test_a_broker_that_comes_late_goes_and_returns_is_noticed_each_time(tmp_path: Path) -> None:
    server = kafka_server(tmp_path)
    async with new_bus(server.address).running() as bus:
        assert not bus.available()
        with pytest.raises(DependencyDown):
            bus.open()
        for _ in range(2):
            with started(server.spec, server.log) as process:
                await asyncio.to_thread(wait_until_ready, server, process)
                await asyncio.to_thread(create_topics, server.address)
                await until(bus.available, within_s=30)
                with EchoShard(server.address, group=0):
                    conversation = bus.open()
                    conversation.send(request(conversation, bus), 0, TRACE)
                    assert await conversation.next_reply(10.0) is not None
                    conversation.close()
                process.kill()
                process.wait(20)
                await until(lambda: not bus.available(), within_s=10)
            with pytest.raises(DependencyDown):
                bus.open()
