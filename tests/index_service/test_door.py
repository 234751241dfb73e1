"""The door of an index process: pages of what shards hold, asked over HTTP."""

import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from client.index_door import IndexDoor as DoorClient
from contracts.errors import Conflict, DependencyDown, InvalidInput, NotFound
from contracts.touches import DAY_MS
from index_service.door import IndexDoor
from index_service.errands import Errands
from index_service.hosted import HostedShard
from index_service.reading import head_of_items
from index_service.shard import Shard
from index_service.snapshot import LogPosition
from runtime.health import HealthServer
from stack.ports import free_ports
from tests.index_service.building import SPEC, doc, item_set, put, removal

TODAY = 20_000


class Process:
    """A hosted shard behind a real door, with a thread that does errands."""

    def __init__(self, folder, *, read_only=False):
        self.hosted = HostedShard(SPEC, folder, Shard(SPEC), position=LogPosition("c/t", 42), caught_up=True)
        self.errands, self.stop = Errands(), threading.Event()
        door = IndexDoor(
            {0: self.hosted}, self.errands, group=0, read_only=read_only, today=lambda: TODAY, now_ms=lambda: 1000
        )
        [self.port] = free_ports(1)
        self.server = HealthServer(self.port, lambda: (True, {}), CollectorRegistry(), door=door.answer)
        self.thread = threading.Thread(target=self._do_errands)
        self.client = DoorClient(f"127.0.0.1:{self.port}")

    def _do_errands(self):
        while not self.stop.wait(0.001):
            self.errands.do_waiting()

    def __enter__(self):
        self.server.start()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.client.close()
        self.server.stop()


@pytest.fixture
def process(tmp_path):
    with Process(tmp_path) as process:
        yield process


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_pages_show_every_document_once_with_its_sums(process, rng):
    documents = [item_set(rng, doc(i), 5 + i) for i in range(2500)]
    for document in documents:
        put(process.hosted.shard, document)
    process.hosted.shard.apply(removal(doc(7), 9000), None)

    pages = list(process.client.heads(0))

    heads = [head for page in pages for head in page.heads]
    assert len(pages) == 3
    assert [head.doc_id for head in heads] == sorted(doc(i) for i in range(2500))
    by_id = {head.doc_id: head for head in heads}
    assert by_id[doc(7)].op == "delete"
    assert all(by_id[d.doc_id] == head_of_items(d, SPEC) for d in documents if d.doc_id != doc(7))
    assert {page.next_offset for page in pages} == {42}


def test_documents_come_back_as_they_went_in(process, rng):
    documents = [item_set(rng, doc(i), 5, content_type="application/pdf", added_ms=i) for i in range(20)]
    for document in documents:
        put(process.hosted.shard, document)
    process.hosted.shard.apply(removal(doc(3), 9), None)
    expected = sorted((d for d in documents if d.doc_id != doc(3)), key=lambda d: d.doc_id)
    assert list(process.client.documents(0)) == expected


def test_a_page_ends_where_its_bytes_are_full(process, rng):
    for i in range(3):
        put(process.hosted.shard, item_set(rng, doc(i), 1, n_text=60_000, n_pictures=0))
    pages = list(process.client.heads(0))
    assert [len(page.heads) for page in pages] == [2, 1]


def test_named_documents_are_told_of_and_unknown_ones_left_out(process, rng):
    put(process.hosted.shard, item_set(rng, doc(1), 5))
    heads, place = process.client.heads_of(0, [doc(1), doc(2)])
    assert (list(heads), place) == ([doc(1)], 42)


def test_unused_documents_are_old_and_not_seen_for_long(process, rng):
    long_ago, day = TODAY - 200, TODAY - 90
    for i, added_day in enumerate((long_ago, long_ago, TODAY - 1, long_ago)):
        put(process.hosted.shard, item_set(rng, doc(i), 5, added_ms=added_day * DAY_MS))
    access = process.hosted.access
    access.count([doc(0), doc(2)], long_ago, today=TODAY, identity="c/t", next_offset=1)
    access.count([doc(1)], TODAY - 2, today=TODAY, identity="c/t", next_offset=2)

    [page] = process.client.unused(0, added_before_ms=day * DAY_MS, accessed_before_day=day)

    assert page.documents == 4
    assert [(one.doc_id, one.accessed_day, one.version) for one in page.unused] == [(doc(0), long_ago, 5)]
    assert access.day(doc(3)) == TODAY


def test_a_replica_and_a_shard_that_reads_its_log_do_not_tell_what_is_unused(process, tmp_path):
    process.hosted.caught_up = False
    with pytest.raises(Conflict, match="log"):
        list(process.client.unused(0, added_before_ms=1, accessed_before_day=1))
    with Process(tmp_path / "replica", read_only=True) as replica, pytest.raises(Conflict, match="replica"):
        list(replica.client.unused(0, added_before_ms=1, accessed_before_day=1))


def test_a_rebuild_is_noted_for_the_updating_thread(process):
    assert process.client.rebuild(0).rebuilds == 0
    assert process.hosted.rebuild_wanted


def test_what_is_not_there_is_told(process):
    with pytest.raises(NotFound, match="shard 5"):
        list(process.client.heads(5))
    with pytest.raises(DependencyDown, match="no index process"):
        DoorClient(f"127.0.0.1:{free_ports(1)[0]}").shards()
    with pytest.raises(InvalidInput, match="limit"):
        process.client._request("GET", "/documents", shard=0, limit="many")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/documents?shard=0", {"Host": "evil.example"}, 421),
        ("POST", "/rebuild?shard=0", {}, 403),
        ("POST", "/rebuild?shard=0", {"X-Requested-With": "me", "Host": "evil.example"}, 421),
        ("GET", "/rebuild?shard=0", {}, 404),
        ("GET", "/somewhere", {}, 404),
    ],
)
def test_pages_of_a_browser_get_nothing(process, method, path, headers, status):
    request = urllib.request.Request(f"http://127.0.0.1:{process.port}{path}", headers=headers, method=method)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    assert refused.value.code == status
    assert not process.hosted.rebuild_wanted
