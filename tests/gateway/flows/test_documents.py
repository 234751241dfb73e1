"""The life of documents as callers see it."""

import asyncio

import pytest

from contracts.api import DocumentView
from contracts.errors import DependencyDown, InvalidInput, NotFound, Overloaded, UnsupportedMedia
from contracts.status import StageEvent
from gateway.core.clock import Clock
from gateway.core.links import Links
from gateway.core.signing import UrlSigner
from gateway.core.upload import Upload
from gateway.flows.document_changes import WantedChanges
from gateway.flows.documents import Documents
from tests.gateway.fakes import TRACE
from tests.gateway.library import DictStore, MemoryDoor, MemoryStatus
from tests.gateway.virtual_time import UNIX_START_S

PDF = b"%PDF-1.7 some bytes"


class Library:
    """The flow over its fakes."""

    def __init__(self, **limits: int) -> None:
        self.status = MemoryStatus()
        self.store = DictStore()
        self.door = MemoryDoor(self.store, self.status)
        links = Links(UrlSigner(b"sixteen bytes at least"), Clock(lambda: 0.0, lambda: UNIX_START_S))
        self.flow = Documents(self.door, self.status, self.store, links, **limits)

    async def upload(self, name: str = "a.pdf", data: bytes = PDF) -> str:
        return (await self.take(name, data)).doc_id

    async def take(self, name: str, data: bytes = PDF) -> DocumentView:
        [(view, _)] = await self.flow.upload("t", "default", [Upload.of(name, data)], TRACE)
        return view


async def test_an_upload_is_stored_announced_and_seen_at_once() -> None:
    library = Library()
    view = await library.take("manuals/a.pdf", PDF)
    assert (view.state, view.source, view.content_type) == ("processing", "manuals/a.pdf", "application/pdf")
    assert library.store.objects == {"objects/t/default/manuals/a.pdf": PDF}
    assert await library.flow.get("t", view.doc_id) == view


async def test_the_same_name_is_the_same_document_in_a_new_version() -> None:
    library = Library()
    first = await library.take("a.pdf", PDF)
    second = await library.take("a.pdf", PDF + b"2")
    assert second.doc_id == first.doc_id
    assert second.version > first.version


async def test_the_same_bytes_again_are_no_new_version() -> None:
    library = Library()
    first = await library.take("a.pdf")
    assert (await library.take("a.pdf")).version == first.version
    assert (await library.take("b.pdf")).doc_id != first.doc_id


async def test_the_same_bytes_twice_at_once_are_one_version() -> None:
    library = Library()
    first, second = await asyncio.gather(library.take("a.pdf"), library.take("a.pdf"))
    assert first.version == second.version


async def test_what_was_deleted_or_has_failed_is_taken_in_again() -> None:
    library = Library()
    first = await library.take("a.pdf")
    library.status.stage(first.doc_id, "join", "failed", reason="It is damaged.")
    second = await library.take("a.pdf")
    await library.flow.delete("t", first.doc_id, TRACE)
    third = await library.take("a.pdf")
    assert first.version < second.version < third.version


async def test_one_file_that_cannot_be_read_keeps_all_of_a_request_out() -> None:
    library = Library()
    uploads = [Upload.of("a.pdf", PDF), Upload.of("b.exe", b"MZ\x00\x01")]
    with pytest.raises(UnsupportedMedia):
        await library.flow.upload("t", "default", uploads, TRACE)
    assert library.store.objects == {}


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.pdf", b"", InvalidInput),
        ("a.exe", b"MZ\x00\x01", UnsupportedMedia),
        ("a.png", PDF, UnsupportedMedia),
        ("../a.pdf", PDF, InvalidInput),
        ("", PDF, InvalidInput),
    ],
)
async def test_what_cannot_be_read_is_refused_before_anything_is_stored(
    name: str, data: bytes, error: type[Exception]
) -> None:
    library = Library()
    with pytest.raises(error):
        await library.upload(name, data)
    assert library.store.objects == {}


async def test_while_the_log_is_away_nothing_is_taken_in() -> None:
    library = Library()
    library.door.up = False
    with pytest.raises(DependencyDown):
        await library.upload()
    assert library.store.objects == {}


async def test_waiting_for_the_index_ends_when_the_version_is_settled() -> None:
    library = Library()
    view = await library.take("a.pdf", PDF)
    waiting = asyncio.create_task(library.flow.settled("t", view, timeout_s=10))
    await asyncio.sleep(0)
    library.status.stage(view.doc_id, "text", count=1)
    library.status.stage(view.doc_id, "shard", revision=1)
    settled = await waiting
    assert (settled.state, settled.visible_version) == ("indexed", view.version)


async def test_waiting_gives_up_with_the_state_as_it_is() -> None:
    library = Library()
    view = await library.take("a.pdf", PDF)
    assert (await library.flow.settled("t", view, timeout_s=0.01)).state == "processing"


async def test_a_delete_goes_through_the_log_and_is_seen_at_once() -> None:
    library = Library()
    doc_id = await library.upload()
    assert (await library.flow.delete("t", doc_id, TRACE)).state == "deleting"
    library.status.stage(doc_id, "shard", op="delete", revision=1)
    assert (await library.flow.get("t", doc_id)).state == "deleted"


async def test_deleting_again_announces_nothing_new() -> None:
    library = Library()
    doc_id = await library.upload()
    once = await library.flow.delete("t", doc_id, TRACE)
    assert await library.flow.delete("t", doc_id, TRACE) == once


async def test_what_nobody_has_heard_of_cannot_be_found_or_deleted() -> None:
    library = Library()
    with pytest.raises(NotFound):
        await library.flow.get("t", "nobody")
    with pytest.raises(NotFound):
        await library.flow.delete("t", "nobody", TRACE)


async def test_another_tenant_s_document_is_not_there() -> None:
    library = Library()
    doc_id = await library.upload()
    with pytest.raises(NotFound):
        await library.flow.get("other", doc_id)


async def test_the_list_is_walked_with_its_cursor() -> None:
    library = Library()
    for n in range(5):
        await library.upload(f"{n}.pdf")
    first = await library.flow.list("t", state=None, cursor=None, limit=3)
    second = await library.flow.list("t", state=None, cursor=first.next_cursor, limit=3)
    assert [view.source for view in (*first.documents, *second.documents)] == [f"{n}.pdf" for n in (4, 3, 2, 1, 0)]
    assert second.next_cursor is None


async def test_the_original_is_there_until_the_document_goes() -> None:
    library = Library()
    doc_id = await library.upload("manuals/a.pdf")
    file = await library.flow.original("t", doc_id)
    assert (file.data, file.content_type, file.name) == (PDF, "application/pdf", "a.pdf")
    await library.flow.delete("t", doc_id, TRACE)
    with pytest.raises(NotFound):
        await library.flow.original("t", doc_id)
    assert (await library.flow.get("t", doc_id)).file_url is None


async def test_news_begin_with_a_word_to_read_the_list_and_then_name_what_changed() -> None:
    library = Library()
    news = library.flow.changes("t", WantedChanges(), every_s=0)
    first = await anext(news)
    assert first.kind == "reload"
    doc_id = await library.upload()
    change, mark = await anext(news), await anext(news)
    assert change.view is not None
    assert change.view.doc_id == doc_id
    assert mark.kind == "mark"
    await news.aclose()


async def test_who_comes_back_hears_what_changed_meanwhile_and_nothing_else() -> None:
    library = Library()
    before = await library.upload("before.pdf")
    mark = await library.status.mark()
    missed = await library.upload("missed.pdf")
    news = library.flow.changes("t", WantedChanges(mark), every_s=0)
    told = [await anext(news), await anext(news)]
    assert [change.view.doc_id if change.view else change.kind for change in told] == [missed, "mark"]
    assert before != missed
    await news.aclose()


@pytest.mark.parametrize("since", ["elsewhere-3", "nonsense", "here-x"])
async def test_a_mark_that_says_nothing_has_the_list_read_again(since: str) -> None:
    news = Library().flow.changes("t", WantedChanges(since), every_s=0)
    assert (await anext(news)).kind == "reload"
    await news.aclose()


async def test_news_can_be_limited_to_documents_and_collections() -> None:
    library = Library()
    wanted = await library.upload("wanted.pdf")
    mine = library.flow.changes("t", WantedChanges(await library.status.mark(), frozenset({wanted})), every_s=0)
    none = library.flow.changes("t", WantedChanges(await library.status.mark(), collection="other"), every_s=0)
    first, nothing = asyncio.create_task(anext(mine)), asyncio.create_task(anext(none))
    await asyncio.sleep(0)
    await library.upload("unwanted.pdf")
    library.status.stage(wanted, "text", count=1)
    assert (await nothing).kind == "mark"
    change = await first
    assert change.view is not None
    assert change.view.doc_id == wanted
    await mine.aclose()
    await none.aclose()


async def test_a_reader_who_falls_too_far_behind_is_told_and_left() -> None:
    library = Library()
    news = library.flow.changes("t", WantedChanges(), every_s=0)
    mark = (await anext(news)).mark
    for n in range(2100):
        library.status.tell(StageEvent(tenant="t", doc_id=f"d{n}", version=1, stage="door", state="done", at_ms=n))
    assert [change.kind async for change in news] == ["too_slow"]
    assert mark is not None


async def test_the_first_page_counts_documents_by_state() -> None:
    library = Library()
    ids = [await library.upload(f"{n}.pdf") for n in range(3)]
    library.status.stage(ids[0], "join", "failed", reason="Damaged.")
    first = await library.flow.list("t", state="failed", cursor=None, limit=1)
    assert first.counts == {"failed": 1, "processing": 2}
    page = await library.flow.list("t", state=None, cursor=None, limit=1)
    assert (await library.flow.list("t", state=None, cursor=page.next_cursor, limit=1)).counts is None
    assert (await library.flow.list("t", state=None, cursor=None, limit=9, collections=("other",))).documents == []


async def test_uploads_wait_for_their_turn_and_too_many_are_refused() -> None:
    library = Library(uploads_at_once=1, uploads_waiting=1)
    async with library.flow.upload_turn():
        second = asyncio.create_task(take_turn(library))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await take_turn(library)
        assert not second.done()
    await second
    await take_turn(library)


async def test_a_write_that_was_taken_in_is_never_refused_because_too_many_wait_for_news() -> None:
    library = Library()
    library.status.places = 0
    doc_id = await library.upload()
    view = await library.flow.get("t", doc_id)
    assert (await library.flow.settled("t", view, timeout_s=5)).state == "processing"
    assert (await library.flow.delete("t", doc_id, TRACE)).state == "deleting"


async def take_turn(library: Library) -> None:
    async with library.flow.upload_turn():
        pass
