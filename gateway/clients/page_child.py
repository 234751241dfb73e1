"""The drawing process: `python -m gateway.clients.page_child PARENT_PID`, one page from stdin to stdout.

Pages of different documents, and so of different tenants, never share a process.
"""

import io
import os
import sys

import msgspec
from PIL import Image

from contracts.documents import Box
from contracts.errors import InvalidInput, PayloadTooLarge
from contracts.media import PDF
from gateway.core.pages import NoSuchPage, PageFailed, PageImage, PageReply, PageWanted
from runtime.confinement import end_with_parent, limit_memory, private_pipes

# Half the time of zlib's usual level for a twentieth more bytes.
_COMPRESSION = 3
# Searches have milliseconds; a page may be a little late.
_NICENESS = 5

_Drawn = tuple[Image.Image, int, tuple[Box, ...]]


def main(parent_pid: int) -> None:
    """Draw the page that the input asks for."""
    end_with_parent(parent_pid)
    os.nice(_NICENESS)
    wanted_bytes, reply_bytes = private_pipes()
    wanted = msgspec.msgpack.decode(wanted_bytes.read(), type=PageWanted)
    limit_memory(wanted.memory_bytes)
    reply_bytes.write(msgspec.msgpack.encode(_answer(wanted)))
    reply_bytes.flush()


def _answer(wanted: PageWanted) -> PageReply:
    try:
        drawn = _pdf_page(wanted) if wanted.content_type == PDF else _picture_page(wanted)
        if not isinstance(drawn, tuple):
            return drawn
        image, n_pages, marks = drawn
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=_COMPRESSION)
        return PageImage(file.getvalue(), n_pages, marks)
    except MemoryError:
        return PageFailed("too_much_memory", "Drawing the page needs more memory than is allowed.")
    except Exception:  # noqa: BLE001 - the outermost of a process; what draws is no code of ours
        return PageFailed(
            "corrupt", "The document is damaged in a way that what draws its pages does not understand."
        )


def _pdf_page(wanted: PageWanted) -> _Drawn | NoSuchPage | PageFailed:
    import pypdfium2

    from gateway.clients.page_words import boxes_of

    try:
        document = pypdfium2.PdfDocument(wanted.data)
        n_pages = len(document)
        if wanted.page > n_pages:
            return NoSuchPage(n_pages)
        page = document[wanted.page - 1]
        width, height = page.get_size()
        scale = min(wanted.width / max(width, 1.0), (wanted.max_pixels / max(width * height, 1.0)) ** 0.5)
        image = page.render(scale=scale, rev_byteorder=True).to_pil().convert("RGB")
        return image, n_pages, boxes_of(page, wanted.quote) if wanted.quote else ()
    except pypdfium2.PdfiumError as exc:
        if exc.err_code in (pypdfium2.raw.FPDF_ERR_PASSWORD, pypdfium2.raw.FPDF_ERR_SECURITY):
            return PageFailed("encrypted", "The PDF is protected with a password.")
        return PageFailed("corrupt", "The PDF is damaged: this page cannot be drawn.")


def _picture_page(wanted: PageWanted) -> _Drawn | NoSuchPage | PageFailed:
    from encoding.pictures import decode_picture, page_count

    try:
        n_pages = page_count(wanted.data)
        if wanted.page > n_pages:
            return NoSuchPage(n_pages)
        image = decode_picture(wanted.data, target_edge=wanted.width, page=wanted.page - 1)
    except PayloadTooLarge as exc:
        return PageFailed("too_many_pixels", exc.message)
    except InvalidInput as exc:
        return PageFailed("corrupt", exc.message)
    scale = min(1.0, wanted.width / image.width, (wanted.max_pixels / (image.width * image.height)) ** 0.5)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), n_pages, ()


if __name__ == "__main__":
    main(int(sys.argv[1]))
