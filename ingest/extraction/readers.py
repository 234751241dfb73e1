"""Which reader reads which kind of file. Runs in the reading process; every reader is a generator of replies."""

from collections.abc import Iterator

from contracts.errors import DocumentFailed
from contracts.media import DOCX, HTML, MARKDOWN, PDF, PICTURES, TEXT
from ingest.extraction import html_file, pdf_pictures, pdf_text, picture_file, text_file, word_file
from ingest.extraction.wire import Finished, Reply, Request


def read(request: Request) -> Iterator[Reply]:
    """Replies to a request; the last one is `Finished`.

    Raises:
        DocumentFailed: the document cannot be read.
        ConfigurationError: Tesseract is needed and missing.
    """
    if not request.data:
        raise DocumentFailed("empty", "The file is empty.")
    yield from _text(request) if request.want == "text" else _pictures(request)


def _text(request: Request) -> Iterator[Reply]:
    data, limits = request.data, request.limits
    if request.content_type == PDF:
        yield from pdf_text.read_text(data, limits, request.words)
    elif request.content_type == DOCX:
        yield word_file.read_text(data, limits)
    elif request.content_type in PICTURES:
        yield from picture_file.read_text(data, limits)
    elif request.content_type == HTML:
        yield html_file.read_text(data, limits)
    elif request.content_type in (TEXT, MARKDOWN):
        yield text_file.read_text(data, request.content_type, limits)
    else:
        raise _unsupported(request)


def _pictures(request: Request) -> Iterator[Reply]:
    data, limits = request.data, request.limits
    if request.content_type == PDF:
        yield from pdf_pictures.read_pictures(data, limits)
    elif request.content_type == DOCX:
        yield from word_file.read_pictures(data, limits)
    elif request.content_type in PICTURES:
        yield from picture_file.read_pictures(data, limits)
    elif request.content_type == HTML:
        yield from html_file.read_pictures(data, limits)
    elif request.content_type in (TEXT, MARKDOWN):
        yield Finished()  # pictures of Markdown are addresses, and addresses that strangers give are not fetched
    else:
        raise _unsupported(request)


def _unsupported(request: Request) -> DocumentFailed:
    return DocumentFailed("unsupported", f"Files of type {request.content_type} are not read.")
