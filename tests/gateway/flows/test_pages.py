"""Pages within a deadline and a few at a time, over a renderer that draws nothing."""

import asyncio

import pytest

from contracts.api import DocumentView
from contracts.errors import (
    DeadlineExceeded,
    DocumentFailed,
    NotFound,
    Overloaded,
    TriremeError,
    UnsupportedMedia,
)
from gateway.core.pages import NoSuchPage, PageFailed, PageImage, PageReply, PageWanted
from gateway.flows.documents import StoredFile
from gateway.flows.pages import Pages
from tests.gateway.virtual_time import run

DRAWN = PageImage(b"png", 2)
VIEW = DocumentView("d", "indexed", 1, 1, "a.pdf", "default", "application/octet-stream", 1, None, None)


class Files:
    """One file for every document."""

    def __init__(self, data: bytes, name: str = "a.pdf") -> None:
        self._file = StoredFile(data, "application/octet-stream", name)

    async def original(self, tenant: str, doc_id: str) -> StoredFile:
        return self._file


class Slow:
    """Answers after `takes_s` seconds; counts how many it answers side by side."""

    def __init__(self, reply: PageReply = DRAWN, takes_s: float = 1.0) -> None:
        self._reply = reply
        self._takes_s = takes_s
        self.running = self.most = 0
        self.asked: list[PageWanted] = []

    async def draw(self, wanted: PageWanted) -> PageReply:
        self.asked.append(wanted)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self._takes_s)
        finally:
            self.running -= 1
        return self._reply


PDF_FILE = Files(b"%PDF-1.7 bytes")


async def test_the_kind_is_told_by_the_bytes_whatever_the_door_has_said() -> None:
    renderer = Slow(takes_s=0)
    drawn = await Pages(PDF_FILE, renderer).draw("default", VIEW, page=2, width=300)
    assert drawn == DRAWN
    (wanted,) = renderer.asked
    assert (wanted.content_type, wanted.page, wanted.width) == ("application/pdf", 2, 300)


@pytest.mark.parametrize(
    ("data", "name", "says"), [(b"Words", "a.md", "Markdown"), (b"MZ\0", "a.exe", "not read")]
)
async def test_a_kind_without_pages_is_named(data: bytes, name: str, says: str) -> None:
    renderer = Slow()
    with pytest.raises(UnsupportedMedia, match=says):
        await Pages(Files(data, name), renderer).draw("default", VIEW, page=1, width=300)
    assert renderer.asked == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (NoSuchPage(1), NotFound("There is no page 7: the document has 1 page.")),
        (NoSuchPage(3), NotFound("There is no page 7: the document has 3 pages.")),
        (PageFailed("encrypted", "It has a password."), DocumentFailed("encrypted", "It has a password.")),
    ],
)
async def test_why_there_is_no_picture_is_said(reply: PageReply, error: TriremeError) -> None:
    with pytest.raises(type(error)) as caught:
        await Pages(PDF_FILE, Slow(reply, takes_s=0)).draw("default", VIEW, page=7, width=300)
    assert caught.value.message == error.message


def test_few_pages_are_drawn_at_once_and_too_many_are_refused() -> None:
    async def all_of_them() -> None:
        renderer = Slow()
        pages = Pages(PDF_FILE, renderer, at_once=2, max_waiting=3)
        calls = [pages.draw("default", VIEW, page=1, width=300) for _ in range(7)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ends] == [PageImage] * 5 + [Overloaded] * 2
        assert renderer.most == 2
        assert await pages.draw("default", VIEW, page=1, width=300), "places come back"

    run(all_of_them())


def test_the_wait_for_a_turn_counts_and_a_late_page_is_given_up() -> None:
    async def all_of_them() -> None:
        renderer = Slow(takes_s=6.0)
        pages = Pages(PDF_FILE, renderer, at_once=1, max_waiting=3, timeout_s=10.0)
        calls = [pages.draw("default", VIEW, page=1, width=300) for _ in range(3)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ends] == [PageImage, DeadlineExceeded, DeadlineExceeded]
        assert renderer.running == 0
        assert asyncio.get_running_loop().time() == pytest.approx(10.0)

    run(all_of_them())
