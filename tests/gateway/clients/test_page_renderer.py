"""Pages drawn by the real process, sound documents and hostile ones."""

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import Callable

import numpy as np
import psutil
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from contracts.documents import Box
from contracts.errors import DependencyDown, DocumentFailed
from contracts.media import JPEG, PDF, PNG, TIFF
from gateway.clients.page_renderer import PageRenderer, page_process
from gateway.core.pages import NoSuchPage, PageFailed, PageImage, PageReply, PageWanted
from ingest.extraction.layout import union
from stack.home import CHECKOUT
from tests.ingest.extraction.making import black_png, encoded, lines, pdf, read_text

SAMPLES = CHECKOUT / "samples"
# Of a box in fractions of a page: PDFium's boxes hold ascenders and descenders, and letters are anti-aliased.
NEAR = 0.01


async def drawn(
    data: bytes, kind: str = PDF, *, page: int = 1, width: int = 600, quote: str | None = None, **limits: int
) -> PageReply:
    return await PageRenderer().draw(
        PageWanted(content_type=kind, page=page, width=width, data=data, quote=quote, **limits)
    )


async def picture(data: bytes, kind: str = PDF, **wanted: int) -> Image.Image:
    reply = await drawn(data, kind, **wanted)
    assert isinstance(reply, PageImage), reply
    return Image.open(io.BytesIO(reply.png), formats=("PNG",))


def words(x: float, y: float, text: str) -> Callable[[Canvas], None]:
    """Draws one line of text on a page of 600 x 800 points."""
    return lambda canvas: lines(canvas, x, y, [text])


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
async def test_a_block_s_box_frames_its_words_on_the_drawn_page(rotation: int) -> None:
    def upright(canvas: Canvas) -> None:
        # reportlab swaps the edges of a page that is turned by 90 degrees, so that people see 600 x 800.
        canvas.translate(*((300, 400) if rotation in (0, 180) else (400, 300)))
        canvas.rotate(rotation)
        lines(canvas, -200, 90, ["Marmots whistle when an eagle circles."])

    data = pdf(upright, rotation=rotation)
    (block,) = read_text(data, PDF).blocks
    image = await picture(data)
    assert image.size == (600, 800)
    rows, columns = np.nonzero(np.asarray(image.convert("L")) < 128)
    found = (columns.min() / 600, rows.min() / image.height, columns.max() / 600, rows.max() / image.height)
    box = block.box
    assert box is not None
    assert box.left - NEAR <= found[0] <= box.left + NEAR
    assert box.right - NEAR <= found[2] <= box.right + NEAR
    assert box.top - NEAR <= found[1]
    assert found[3] <= box.bottom + NEAR


async def test_the_page_that_is_asked_for_is_drawn_and_all_are_counted() -> None:
    data = pdf(words(80, 700, "First"), lambda canvas: None, words(80, 80, "Third"))
    dark = []
    for page in (1, 2, 3):
        reply = await drawn(data, page=page)
        assert isinstance(reply, PageImage)
        assert reply.n_pages == 3
        rows, _ = np.nonzero(np.asarray(Image.open(io.BytesIO(reply.png)).convert("L")) < 128)
        dark.append(float(rows.mean()) / 800 if rows.size else None)
    assert dark[0] is not None
    assert dark[0] < 0.2
    assert dark[1] is None
    assert dark[2] is not None
    assert dark[2] > 0.8
    assert await drawn(data, page=4) == NoSuchPage(3)


async def marks(data: bytes, quote: str, page: int = 1) -> tuple[Box, ...]:
    reply = await drawn(data, page=page, quote=quote)
    assert isinstance(reply, PageImage)
    return reply.marks


async def test_the_words_of_every_block_are_found_inside_the_block_s_box() -> None:
    data = (SAMPLES / "chess-club.pdf").read_bytes()
    for block in read_text(data, PDF).blocks[::3]:
        assert block.page is not None
        assert block.box is not None
        found = await marks(data, block.text, block.page)
        assert found
        around = union(found)
        assert around.left == pytest.approx(block.box.left, abs=NEAR)
        assert around.right == pytest.approx(block.box.right, abs=NEAR)
        assert block.box.top - NEAR <= around.top < around.bottom <= block.box.bottom + NEAR


async def test_words_are_found_across_lines_and_hyphens_and_not_where_they_do_not_stand() -> None:
    data = pdf(lambda canvas: lines(canvas, 80, 700, ["Marmots whistle when an ea-", "gle circles."]))
    upper, lower = await marks(data, "whistle \n when an eagle")
    assert upper.bottom <= lower.top
    assert upper.left > 0.2, "the first word is not part of it"
    assert await marks(data, "when an otter") == ()
    assert await marks(data, " – ") == ()


async def test_a_page_that_is_a_long_strip_is_drawn_narrower_than_asked_for() -> None:
    image = await picture(pdf(words(80, 700, "Tall")), width=2000, max_pixels=300_000)
    assert image.width * image.height == pytest.approx(300_000, rel=0.02)


async def test_a_picture_is_drawn_upright_and_never_enlarged() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (300, 100), "red"), "JPEG", exif=exif)
    assert (await picture(data, JPEG, width=1000)).size == (100, 300)
    assert (await picture(data, JPEG, width=64)).size == (64, 192)


async def test_every_page_of_a_tiff_is_one() -> None:
    colours = ("red", "lime", "blue")
    first, *rest = [Image.new("RGB", (80, 60), colour) for colour in colours]
    data = encoded(first, "TIFF", save_all=True, append_images=rest)
    seen = [(await picture(data, TIFF, page=page)).convert("RGB").getpixel((40, 30)) for page in (1, 2, 3)]
    assert seen == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert await drawn(data, TIFF, page=4) == NoSuchPage(3)


@pytest.mark.parametrize(
    ("data", "kind", "cause"),
    [
        (b"%PDF-1.7\nnot a page in it", PDF, "corrupt"),
        ((SAMPLES / "damaged" / "corrupt-picture.png").read_bytes(), PNG, "corrupt"),
        (black_png(41), PNG, "too_many_pixels"),
        (b"\x89PNG\r\n\x1a\n", PNG, "corrupt"),
    ],
)
async def test_a_damaged_file_has_a_cause(data: bytes, kind: str, cause: str) -> None:
    reply = await drawn(data, kind)
    assert isinstance(reply, PageFailed)
    assert reply.cause == cause
    assert reply.reason.endswith(".")


async def test_a_page_that_needs_too_much_memory_says_so() -> None:
    data = encoded(Image.new("I;16", (6000, 6000)), "PNG")
    reply = await drawn(data, PNG, memory_bytes=400_000_000)
    assert reply == PageFailed("too_much_memory", "Drawing the page needs more memory than is allowed.")


class Scripted:
    """Starts a Python that runs a line instead of drawing; remembers its process."""

    def __init__(self, line: str) -> None:
        self._line = line
        self.process: asyncio.subprocess.Process | None = None

    async def __call__(self) -> asyncio.subprocess.Process:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            self._line,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return self.process


WANTED = PageWanted(content_type=PDF, page=1, width=600, data=b"%PDF-" + bytes(2_000_000))


@pytest.mark.parametrize(
    "line",
    [
        "import os; os.abort()",
        "pass",
        "print('no reply')",
        "import sys; sys.stdout.buffer.write(bytes(64)); sys.stdout.flush()",
        "import sys\nwhile True: sys.stdout.buffer.write(bytes(1 << 20))",
    ],
)
async def test_a_process_that_breaks_is_the_document_s_failure(line: str) -> None:
    start = Scripted(line)
    with pytest.raises(DocumentFailed) as caught:
        await PageRenderer(start).draw(WANTED)
    assert caught.value.cause == "crashed"
    assert start.process is not None
    assert start.process.returncode is not None


async def test_a_process_that_hangs_is_killed_when_nobody_waits_any_more() -> None:
    start = Scripted("import time; time.sleep(600)")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await PageRenderer(start).draw(WANTED)
    assert start.process is not None
    assert start.process.returncode == -9


async def test_a_machine_that_starts_no_process_is_not_the_document_s_fault() -> None:
    async def nothing_starts() -> asyncio.subprocess.Process:
        raise BlockingIOError("out of processes")

    with pytest.raises(DependencyDown):
        await PageRenderer(nothing_starts).draw(WANTED)


async def test_credentials_of_the_gateway_do_not_reach_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TRIREME_LINK_SECRET", "of the gateway")
    process = await page_process()
    try:
        assert "of the gateway" not in "".join(psutil.Process(process.pid).environ().values())
    finally:
        process.kill()
        await process.wait()
