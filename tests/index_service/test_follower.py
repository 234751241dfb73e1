"""What is saved when the process ends: only what the world has been told of for certain."""

import threading
from concurrent.futures import Future

import numpy as np

from index_service.errands import Errands
from index_service.follower import Follower
from index_service.hosted import HostedShard
from index_service.intake import take
from index_service.outbox import Outbox
from index_service.shard import Shard
from index_service.snapshot import LogPosition, newest_snapshot
from runtime.kafka_producer import Sent
from runtime.object_store import ObjectStore
from runtime.telemetry import Metrics
from tests.index_service.building import SPEC, doc, inline, item_set, record


class Broker:
    """Acknowledges everything, or nothing."""

    def __init__(self, *, acknowledges):
        self.acknowledges = acknowledges

    def send(self, topic, message, *, key=None, partition=None, trace=None):
        future = Future()
        if self.acknowledges:
            future.set_result(Sent(0, 0))
        return future


def no_claims(key):
    raise AssertionError("nothing is claimed here")


def end(tmp_path, outbox):
    """A process that has applied one update and is told to stop."""
    hosted = HostedShard(SPEC, tmp_path / "snapshots", Shard(SPEC), position=LogPosition("cluster/topic", 0))
    update = inline(item_set(np.random.default_rng(1), doc(1), 1))
    taken = take(hosted, record(update, 0), no_claims, at_ms=0)
    if outbox is not None:
        outbox.put(taken.notices[0])
    follower = Follower(
        "127.0.0.1:1",
        "test",
        "index_updates.g1",
        [hosted],
        ObjectStore.from_url(f"file://{tmp_path / 'objects'}"),
        outbox,
        Errands(),
        Metrics(),
        snapshot_every_updates=100,
    )
    stop = threading.Event()
    stop.set()
    follower.run(stop)
    return newest_snapshot(hosted.directory, SPEC)


def test_what_was_told_is_saved(tmp_path):
    loaded = end(tmp_path, Outbox(Broker(acknowledges=True)))
    assert loaded.position.next_offset == 1


def test_what_was_not_told_for_certain_is_not_saved_and_will_be_read_again(tmp_path):
    assert end(tmp_path, Outbox(Broker(acknowledges=False))) is None


def test_a_replica_saves_without_telling_anyone(tmp_path):
    loaded = end(tmp_path, None)
    assert loaded.position.next_offset == 1
