"""Search requests to replies, without a broker."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from contracts.codec import encode
from contracts.ids import shard_of
from contracts.trace import TRACEPARENT, TraceContext
from index_service.answering import Answerer
from index_service.hosted import HostedShard
from index_service.shard import Shard
from index_service.snapshot import LogPosition
from runtime.kafka import Record
from tests.index_service.building import DIM, SPEC, doc, item_set, put, query_vector, request

NOW_MS = 5_000
VECTOR = query_vector(np.random.default_rng(71))
TRACE = TraceContext("a" * 32, "b" * 16)


@pytest.fixture
def hosted(tmp_path):
    """Three shards in one process, as the replica has them, with twenty documents."""
    rng = np.random.default_rng(72)
    shards = {}
    for number in range(3):
        spec = replace(SPEC, shard=number, n_shards=3)
        shards[number] = HostedShard(spec, tmp_path, Shard(spec), position=LogPosition("c/t", 9), caught_up=True)
    for i in range(20):
        document = item_set(rng, doc(i), 1)
        put(shards[shard_of(doc(i), 3)].shard, document)
    return shards


def arrived(message, *, value=None, timestamp_ms=NOW_MS - 7):
    return Record(
        topic="search_req",
        partition=0,
        offset=0,
        key=None,
        value=encode(message) if value is None else value,
        headers={TRACEPARENT: TRACE.header().encode()},
        timestamp_ms=timestamp_ms,
    )


def answer(hosted, *records):
    return Answerer(hosted, group=1).answer(records, NOW_MS)


def test_every_hosted_shard_answers_once_to_the_gateways_partition(hosted):
    replies, tally = answer(hosted, arrived(request(VECTOR, reply_partition=17)))
    assert [reply.message.shard for reply in replies] == [0, 1, 2]
    for reply in replies:
        message = reply.message
        assert (message.correlation_id, message.outcome, message.group, message.n_shards) == ("gw-1", "ok", 1, 3)
        assert (reply.partition, reply.trace.trace_id) == (17, TRACE.trace_id)
        assert message.generation == SPEC.generation
        assert message.queue_ms >= 0
        assert message.applied_offset == 8
        assert message.items == hosted[message.shard].shard.n_items == message.vectors_scanned
    assert tally.answered == 3


def test_only_the_asked_shards_answer(hosted):
    replies, _ = answer(hosted, arrived(request(VECTOR, shards=(2, 7))))
    assert [reply.message.shard for reply in replies] == [2]


def test_requests_that_wait_together_get_the_answers_they_would_get_alone(hosted):
    rng = np.random.default_rng(73)
    requests = [request(query_vector(rng), correlation_id=f"gw-{i}", k=1 + i) for i in range(9)]
    together, _ = answer(hosted, *(arrived(one) for one in requests))
    for one in requests:
        alone, _ = answer(hosted, arrived(one))
        mine = [reply for reply in together if reply.message.correlation_id == one.correlation_id]
        assert [reply.message.hits for reply in mine] == [reply.message.hits for reply in alone]
        assert all(len(reply.message.hits) <= one.k for reply in mine)


def test_request_past_its_deadline_gets_no_answer(hosted):
    late, on_time = request(VECTOR, deadline_ms=NOW_MS - 1), request(VECTOR, deadline_ms=NOW_MS)
    replies, tally = answer(hosted, arrived(late), arrived(on_time))
    assert len(replies) == 3
    assert (tally.expired, tally.answered) == (1, 3)


REFUSED = {
    "another_space": {"space_id": "space-b"},
    "vector_too_short": {"vector": b"\0" * 4 * (DIM - 1)},
    "half_bytes": {"vector": b"\0" * (4 * DIM + 1)},
    "halves_of_another_width": {"text_dim": 3},
    "nan": {"vector": np.full(DIM, np.nan, dtype="<f4").tobytes()},
    "k_of_zero": {"k": 0},
    "k_too_large": {"k": 1001},
}


@pytest.mark.parametrize("fault", REFUSED)
def test_faulty_request_is_answered_with_a_reason_and_disturbs_no_other(hosted, fault):
    faulty = request(VECTOR, correlation_id="bad", **REFUSED[fault])
    replies, tally = answer(hosted, arrived(faulty), arrived(request(VECTOR)))
    refusals = [reply.message for reply in replies if reply.message.correlation_id == "bad"]
    assert [message.outcome for message in refusals] == ["failed"] * 3
    assert all(message.reason and not message.hits for message in refusals)
    assert {message.generation for message in refusals} == {SPEC.generation}
    assert [r.message.outcome for r in replies if r.message.correlation_id == "gw-1"] == ["ok"] * 3
    assert (tally.refused, tally.answered) == (3, 3)


@pytest.mark.parametrize(
    "record",
    [
        arrived(None, value=b"\xc1 no request"),
        arrived(request(VECTOR, reply_partition=32)),
        arrived(request(VECTOR, reply_partition=-1)),
    ],
)
def test_request_that_cannot_be_answered_is_counted_and_dropped(hosted, record):
    replies, tally = answer(hosted, record)
    assert (replies, tally.unreadable) == ([], 1)


def test_shard_that_still_replays_says_so_at_once(hosted):
    hosted[1].caught_up = False
    replies, _ = answer(hosted, arrived(request(VECTOR)))
    assert [reply.message.outcome for reply in replies] == ["ok", "failed", "ok"]
    assert "still reading" in replies[1].message.reason


def test_request_for_another_generation_is_left_to_its_own_shards(hosted):
    replies, tally = answer(
        hosted, arrived(request(VECTOR, correlation_id="theirs", generation="g9")), arrived(request(VECTOR))
    )
    assert {reply.message.correlation_id for reply in replies} == {"gw-1"}
    assert (tally.answered, tally.refused, tally.elsewhere) == (3, 0, 1)


def test_a_thousand_hits_are_a_message_that_kafka_takes_and_the_first_hundred_have_texts(tmp_path):
    rng = np.random.default_rng(75)
    shard = Shard(SPEC)
    for i in range(300):
        document = item_set(rng, doc(i), 1, n_text=4, n_pictures=0)
        long = tuple(msgspec.structs.replace(item, text="w" * 2048, heading="h" * 200) for item in document.items)
        put(shard, msgspec.structs.replace(document, items=long))
    alone = {0: HostedShard(SPEC, tmp_path, shard, position=LogPosition("c/t", 9), caught_up=True)}
    [reply], _ = answer(alone, arrived(request(VECTOR, k=1000)))
    hits = reply.message.hits
    assert len(hits) == 1000
    assert [bool(hit.text) for hit in hits] == [True] * 100 + [False] * 900
    assert len(encode(reply.message)) < 1_000_000
