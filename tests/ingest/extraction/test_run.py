"""The reading process: it may hang, break or be killed, and its caller goes on."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from contracts.errors import DocumentFailed
from contracts.media import PDF, PNG, TEXT, TIFF
from ingest.extraction import ExtractionLimits, Extractor
from ingest.extraction.wire import SPARE_BYTES
from tests.ingest.extraction.making import black_png, encoded, pdf, picture, scan, written

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 30.0
# Tesseract needs about a second for such a page: long enough to be caught at it.
FULL_PAGE = [f"Line {index} of a page that is full of words to read one by one" for index in range(24)]


def slow_scan(n_pages: int = 3) -> bytes:
    return pdf(*[scan(*FULL_PAGE)] * n_pages)


async def caught_reading(extractor: Extractor, *, unlike: int | None = None) -> int:
    """Id of the reading process, another one than `unlike`, once it runs Tesseract."""

    def pid_while_reading() -> int | None:
        pid = extractor.pid
        if pid is None or pid == unlike:
            return None
        try:
            return pid if psutil.Process(pid).children() else None
        except psutil.NoSuchProcess:
            return None

    await until(pid_while_reading)
    pid = extractor.pid
    assert pid is not None
    return pid


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what happens in other processes sets no event here
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_text_and_pictures_come_out_of_the_other_process():
    async with Extractor() as extractor:
        text = await extractor.extract_text(b"Two words", TEXT)
        pictures = await extractor.extract_pictures(encoded(picture(1)), PNG)

        assert text.text == "Two words"
        assert [(found.width, found.height) for found in pictures] == [(200, 150)]
        assert extractor.pid != os.getpid()


async def test_one_process_reads_many_documents_and_is_then_replaced():
    async with Extractor(documents_per_process=3) as extractor:
        pids = []
        for _ in range(4):
            await extractor.extract_text(b"text", TEXT)
            pids.append(extractor.pid)

        assert len(set(pids[:3])) == 1
        assert pids[3] != pids[0]
        assert gone(pids[0])


async def test_failure_of_one_document_leaves_the_process_for_the_next():
    async with Extractor() as extractor:
        with pytest.raises(DocumentFailed) as failure:
            await extractor.extract_pictures(b"\x89PNG\r\n\x1a\n", PNG)
        pid = extractor.pid

        assert failure.value.cause == "corrupt"
        assert (await extractor.extract_text(b"text", TEXT)).text == "text"
        assert extractor.pid == pid


async def test_slow_document_is_stopped_with_all_that_it_has_started():
    async with Extractor(ExtractionLimits(timeout_s=1.5)) as extractor:
        await extractor.extract_text(b"text", TEXT)
        pid = extractor.pid
        assert pid is not None

        with pytest.raises(DocumentFailed, match=r"longer than 1\.5 seconds") as failure:
            await extractor.extract_text(encoded(written(FULL_PAGE * 4, 2000, 6000)), PNG)

        assert failure.value.cause == "timeout"
        assert gone(pid)
        await until(lambda: not [p for p in psutil.process_iter() if _group(p.pid) == pid and not gone(p.pid)])
        assert (await extractor.extract_text(b"next", TEXT)).text == "next"


async def test_limit_for_the_whole_document_holds_where_every_page_is_quick():
    async with Extractor(ExtractionLimits(document_timeout_s=1.5)) as extractor:
        with pytest.raises(DocumentFailed, match=r"longer than 1\.5 seconds"):
            await extractor.extract_text(slow_scan(12), PDF)


async def test_document_is_tried_again_when_its_reader_was_killed_once():
    async with Extractor() as extractor:
        reading = asyncio.create_task(extractor.extract_text(slow_scan(1), PDF))
        os.kill(await caught_reading(extractor), signal.SIGKILL)

        assert "Line 3 of a page" in (await reading).text


async def test_document_that_kills_every_reader_has_crashed():
    async with Extractor() as extractor:
        reading = asyncio.create_task(extractor.extract_text(slow_scan(1), PDF))
        first = await caught_reading(extractor)
        os.kill(first, signal.SIGKILL)
        os.kill(await caught_reading(extractor, unlike=first), signal.SIGKILL)

        with pytest.raises(DocumentFailed) as failure:
            await reading
        assert failure.value.cause == "crashed"
        assert (await extractor.extract_text(b"next", TEXT)).text == "next"


async def test_document_that_needs_more_memory_than_allowed_fails():
    limits = ExtractionLimits(memory_bytes=330 * 2**20)
    async with Extractor(limits) as extractor:
        with pytest.raises(DocumentFailed) as failure:
            await extractor.extract_pictures(black_png(39), PNG)

        assert failure.value.cause == "too_much_memory"
        assert (await extractor.extract_text(b"next", TEXT)).text == "next"


async def test_cancelled_caller_stops_the_reading_and_the_next_one_gets_its_own_answer():
    async with Extractor() as extractor:
        reading = asyncio.create_task(extractor.extract_text(slow_scan(), PDF))
        pid = await caught_reading(extractor)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

        assert gone(pid)
        assert (await extractor.extract_text(b"mine", TEXT)).text == "mine"


async def test_callers_at_the_same_time_get_each_their_own_answer():
    async with Extractor() as extractor:
        words = [f"document {index}" for index in range(20)]
        texts = await asyncio.gather(*(extractor.extract_text(word.encode(), TEXT) for word in words))

    assert [text.text for text in texts] == words


async def test_closing_ends_the_process():
    extractor = Extractor()
    await extractor.extract_text(b"text", TEXT)
    pid = extractor.pid
    assert pid is not None
    await extractor.close()

    assert gone(pid)


async def test_credentials_of_the_worker_do_not_reach_the_reader(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the worker")
    async with Extractor() as extractor:
        await extractor.extract_text(b"text", TEXT)

        assert "of the worker" not in "".join(psutil.Process(extractor.pid).environ().values())


async def test_killed_worker_leaves_neither_reader_nor_tesseract(tmp_path: Path):
    (tmp_path / "scan.pdf").write_bytes(slow_scan(12))
    program = (
        "import asyncio, pathlib, sys\n"
        "from ingest.extraction import Extractor\n"
        "data = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "asyncio.run(Extractor().extract_text(data, 'application/pdf'))\n"
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path / "scan.pdf"), cwd=ROOT
    )
    try:
        await until(lambda: len(psutil.Process(worker.pid).children(recursive=True)) >= 2)
        children = [child.pid for child in psutil.Process(worker.pid).children(recursive=True)]
    finally:
        worker.kill()
        await worker.wait()

    await until(lambda: all(gone(pid) for pid in children))


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


async def test_pictures_beyond_the_limit_of_an_answer_are_left_out():
    pages = [picture(seed, 600, 400) for seed in range(8)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    async with Extractor() as extractor:
        everything = await extractor.extract_pictures(data, TIFF)
    limit = SPARE_BYTES + sum(len(p.data) + len(p.thumbnail) + 200 for p in everything[:3])
    async with Extractor(ExtractionLimits(max_output_bytes=limit)) as extractor:
        some = await extractor.extract_pictures(data, TIFF)

    assert len(everything) == 8
    assert some == everything[:3]


async def test_text_beyond_the_limits_is_refused():
    words = b"word " * 100_000
    async with Extractor(ExtractionLimits(max_characters=400_000)) as extractor:
        with pytest.raises(DocumentFailed, match=r"more than 0\.4 million characters") as characters:
            await extractor.extract_text(words, TEXT)
    async with Extractor(ExtractionLimits(max_output_bytes=600_000)) as extractor:
        with pytest.raises(DocumentFailed, match=r"exceed 0\.6 MB") as answered:
            await extractor.extract_text(words, TEXT)
        assert (await extractor.extract_text(b"next", TEXT)).text == "next"
    assert {characters.value.cause, answered.value.cause} == {"too_much_text"}
