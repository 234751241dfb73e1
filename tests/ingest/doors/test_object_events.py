"""Notices about a real (versioned) bucket, and what is announced because of them."""

from collections import Counter
from collections.abc import Iterator

import pytest

from contracts.codec import decode
from contracts.documents import FileAdded
from contracts.errors import ConfigurationError, DependencyDown, InvalidInput
from contracts.ids import document_id
from contracts.topics import FILE_ADDED
from ingest.doors.notices import Kind, Notice
from ingest.doors.object_events import Bucket, ObjectEvents, Taken
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.telemetry import new_trace
from tests.ingest.memory_log import MemoryLog
from tests.s3_server import BUCKET, S3Server, s3_server, use

URL = f"s3://{BUCKET}/store"
PLACE = "store/objects/t/c/"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        started.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield started


class Scene:
    """A bucket, a log, and the door between them."""

    def __init__(self, server: S3Server) -> None:
        self.s3 = server.client
        self.log = MemoryLog(n_partitions=1)
        self.counts: Counter[str] = Counter()
        self.store = ObjectStore.from_url(URL)
        self.publisher = DocumentPublisher(self.store, self.log, 1)  # type: ignore[arg-type]
        self.events = ObjectEvents(Bucket(URL), self.store, self.publisher, lambda o: self.counts.update((o,)))

    def put(self, name: str, data: bytes = b"text", **options: str) -> str:
        answer = self.s3.put_object(Bucket=BUCKET, Key=PLACE + name, Body=data, **options)
        return str(answer["ETag"])

    def remove(self, name: str) -> str:
        """Delete it as one does in a versioned bucket; returns the id of the marker."""
        return str(self.s3.delete_object(Bucket=BUCKET, Key=PLACE + name)["VersionId"])

    async def told(self, name: str, kind: Kind, bucket: str = BUCKET) -> Taken:
        return await self.events.take(Notice(bucket, PLACE + name, kind))

    def announced(self) -> list[tuple[str, str]]:
        return [(event.event, event.source_key) for event in self.records()]

    def records(self) -> list[FileAdded]:
        return [decode(FileAdded, record.value) for record in self.log.records(FILE_ADDED)]


@pytest.fixture
def scene(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Scene:
    use(server, monkeypatch)
    return Scene(server)


async def test_a_new_object_is_announced_with_what_the_store_knows_of_it(scene: Scene) -> None:
    etag = scene.put("new/Übersicht 1.pdf", b"%PDF-1.7", ContentType="application/pdf")
    assert await scene.told("new/Übersicht 1.pdf", "created") == "added"
    [event] = scene.records()
    assert (event.etag, event.size_bytes, event.content_type) == (etag, 8, "application/pdf")
    assert event.doc_id == document_id("t", "c", "new/Übersicht 1.pdf")
    assert await scene.store.get(event.uri, if_match=event.etag) == b"%PDF-1.7"


async def test_an_object_without_a_type_gets_that_of_its_name(scene: Scene) -> None:
    scene.put("untyped.md")
    await scene.told("untyped.md", "created")
    assert scene.records()[0].content_type == "text/markdown"


async def test_a_delete_marker_removes_the_document(scene: Scene) -> None:
    scene.put("gone.txt")
    scene.remove("gone.txt")
    assert await scene.told("gone.txt", "removed") == "deleted"
    [event] = scene.records()
    assert (event.event, event.size_bytes, event.doc_id) == ("deleted", 0, document_id("t", "c", "gone.txt"))


async def test_an_old_version_that_goes_removes_nothing(scene: Scene) -> None:
    scene.put("kept.txt", b"one")
    scene.put("kept.txt", b"two")
    assert await scene.told("kept.txt", "removed") == "stale"
    assert scene.announced() == []


async def test_a_late_notice_of_a_delete_does_not_remove_what_was_uploaded_since(scene: Scene) -> None:
    scene.put("again.txt")
    scene.remove("again.txt")
    scene.put("again.txt", b"newer")
    assert [await scene.told("again.txt", kind) for kind in ("created", "removed")] == ["added", "stale"]
    assert scene.announced() == [("added", "again.txt")]


async def test_notices_in_the_wrong_order_announce_what_is_there_now(scene: Scene) -> None:
    scene.put("order.txt", b"old")
    newest = scene.put("order.txt", b"new")
    await scene.told("order.txt", "created")
    await scene.told("order.txt", "created")
    assert {event.etag for event in scene.records()} == {newest}


async def test_a_notice_of_an_object_that_has_gone_again_is_stale(scene: Scene) -> None:
    assert await scene.told("fleeting.txt", "created") == "stale"
    assert scene.announced() == []


async def test_what_comes_back_while_its_delete_is_announced_is_announced_after_it(scene: Scene) -> None:
    class ComesBack(DocumentPublisher):
        async def announce(self, event, trace):  # type: ignore[no-untyped-def]
            published = await super().announce(event, trace)
            if event.event == "deleted":
                scene.put("back.txt", b"returned")
            return published

    publisher = ComesBack(scene.store, scene.log, 1)  # type: ignore[arg-type]
    events = ObjectEvents(Bucket(URL), scene.store, publisher, lambda _: None)
    assert await events.take(Notice(BUCKET, PLACE + "back.txt", "removed")) == "added"
    assert scene.announced() == [("deleted", "back.txt"), ("added", "back.txt")]


async def test_what_another_door_has_announced_is_not_announced_again(scene: Scene) -> None:
    long = "漢" * 100 + ".txt"
    for name in ("mine.txt", long):
        await scene.publisher.publish("t", "c", name, b"text", "text/plain", new_trace())
    keys = [event.uri for event in scene.records()]
    notices = [Notice(BUCKET, f"store/{key}", "created") for key in keys]
    assert await scene.events.take_all(notices) == ["announced", "announced"]
    assert scene.announced() == [("added", "mine.txt"), ("added", long)]


async def test_folders_and_changes_of_tags_are_no_documents(scene: Scene) -> None:
    assert await scene.told("folder/", "created") == "ignored"
    assert await scene.told("x.txt", "other") == "ignored"


async def test_the_same_object_twice_in_one_event_is_looked_at_once(scene: Scene) -> None:
    scene.put("twice.txt")
    notice = Notice(BUCKET, PLACE + "twice.txt", "created")
    assert await scene.events.take_all([notice, notice]) == ["added"]


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("elsewhere", PLACE + "a.txt"),
        (BUCKET, "objects/t/c/a.txt"),
        (BUCKET, "store/items/g/x"),
        (BUCKET, "store/objects/t/c/../../x"),
        (BUCKET, "storeroom/objects/t/c/a.txt"),
    ],
)
async def test_another_bucket_or_a_foreign_prefix_is_refused_and_counted(
    scene: Scene, bucket: str, key: str
) -> None:
    with pytest.raises(InvalidInput):
        await scene.events.take(Notice(bucket, key, "created"))
    assert scene.counts == {"refused": 1}
    assert scene.announced() == []


async def test_one_bad_notice_does_not_keep_the_others_back(scene: Scene) -> None:
    scene.put("good.txt")
    bad = Notice("elsewhere", "k", "created")
    with pytest.raises(InvalidInput):
        await scene.events.take_all([bad, Notice(BUCKET, PLACE + "good.txt", "created")])
    assert scene.announced() == [("added", "good.txt")]
    assert scene.counts == {"refused": 1, "added": 1}


async def test_while_kafka_is_away_the_notice_has_to_come_again(scene: Scene) -> None:
    scene.put("waits.txt")
    scene.log.down = True
    with pytest.raises(DependencyDown):
        await scene.told("waits.txt", "created")
    scene.log.down = False
    assert await scene.told("waits.txt", "created") == "added"
    assert scene.counts == {"failed": 1, "added": 1}


def test_a_directory_has_no_events() -> None:
    with pytest.raises(ConfigurationError):
        Bucket("file:///var/lib/trireme/objects")
