"""Extraction as the workers use it: documents in, text or pictures out, whatever a document does to its reader."""

import asyncio
from types import TracebackType
from typing import Literal

from contracts.errors import ConfigurationError, DocumentFailed
from ingest.extraction.process import ReaderDied, ReaderProcess, ReaderTimeout
from ingest.extraction.types import ExtractedPicture, ExtractedText, ExtractionLimits, Paragraph
from ingest.extraction.wire import Failed, Finished, PictureFound, Request, WordsRead
from runtime.telemetry import get_logger

_log = get_logger(__name__)

# Libraries that read documents leak; a fresh process now and then costs less than looking for it.
_DOCUMENTS_PER_PROCESS = 100
# A reader may also have been killed by others, as by a kernel short of memory: the second death is the document's.
_TRIES = 2


class Extractor:
    """Reads documents in a child process, one at a time; further callers wait.

    The process starts with the first document, is used for many, and is replaced when it dies, when a document
    takes too long, and after `documents_per_process` documents. It ends with its parent, even a killed one.
    """

    def __init__(
        self, limits: ExtractionLimits | None = None, *, documents_per_process: int = _DOCUMENTS_PER_PROCESS
    ) -> None:
        self.limits = limits or ExtractionLimits()
        self._documents_per_process = documents_per_process
        self._reader: ReaderProcess | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> "Extractor":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """Id of the reading process, None while there is none."""
        return self._reader.pid if self._reader else None

    async def extract_text(
        self, data: bytes, content_type: str, *, words: dict[int, tuple[Paragraph, ...]] | None = None
    ) -> ExtractedText:
        """Text of a document with its blocks; empty when it holds none.

        Args:
            content_type: as `sniff` gives it.
            words: what OCR has found on pages of this document before, by page; what it finds now is added as it
                comes, so that whoever is cut off has it.

        Raises:
            DocumentFailed: the document cannot be read; causes are listed in `ingest.extraction`.
            DependencyDown: no reading process can be started.
            ConfigurationError: Tesseract is needed and missing.
        """
        finished, _ = await self._read("text", data, content_type, words)
        return finished.text or ExtractedText(text="", blocks=())

    async def extract_pictures(self, data: bytes, content_type: str) -> list[ExtractedPicture]:
        """Pictures of a document in reading order; the empty list when it has none.

        Args, raises: as `extract_text`. One broken picture inside a document is left out, and logged.
        """
        finished, pictures = await self._read("pictures", data, content_type)
        if finished.left_out:
            _log.warning("pictures_left_out", left_out=finished.left_out, kept=len(pictures))
        return pictures

    async def close(self) -> None:
        """End the reading process."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    async def _read(
        self,
        want: Literal["text", "pictures"],
        data: bytes,
        content_type: str,
        words: dict[int, tuple[Paragraph, ...]] | None = None,
    ) -> tuple[Finished, list[ExtractedPicture]]:
        words = {} if words is None else words
        async with self._turn:
            end_s = asyncio.get_running_loop().time() + self.limits.document_timeout_s
            for attempt in range(1, _TRIES + 1):
                request = Request(want=want, content_type=content_type, limits=self.limits, data=data, words=words)
                try:
                    return await self._exchange(request, end_s, words)
                except ReaderDied:
                    _log.warning("document_reader_died", content_type=content_type, attempt=attempt)
                except ReaderTimeout as exc:
                    reason = f"Reading the document took longer than {exc.limit_s:g} seconds and was stopped."
                    raise DocumentFailed("timeout", reason) from exc
        raise DocumentFailed(
            "crashed", "The document broke the program that reads it: it is damaged or needs too much memory."
        )

    async def _exchange(
        self, request: Request, end_s: float, words: dict[int, tuple[Paragraph, ...]]
    ) -> tuple[Finished, list[ExtractedPicture]]:
        reader = await self._ready_reader()
        pictures: list[ExtractedPicture] = []
        try:
            async for reply in reader.ask(request, end_s):
                if isinstance(reply, PictureFound):
                    pictures.append(reply.picture)
                elif isinstance(reply, WordsRead):
                    words[reply.page] = reply.paragraphs
                elif isinstance(reply, Finished):
                    return reply, pictures
                elif isinstance(reply, Failed):
                    raise _error(reply)
            raise ReaderDied
        except (DocumentFailed, ConfigurationError):
            raise
        except BaseException:
            # Timeout, death or cancellation: the process may hold half an answer, so it is not used again.
            self._reader = None
            await reader.kill()
            raise

    async def _ready_reader(self) -> ReaderProcess:
        if self._reader is not None and self._reader.documents >= self._documents_per_process:
            await self.close()
        if self._reader is None:
            self._reader = await ReaderProcess.start()
        return self._reader


def _error(failed: Failed) -> DocumentFailed | ConfigurationError:
    """The failure as an error of this process; a missing Tesseract is no fault of the document's."""
    if failed.detail:
        _log.warning("document_reader_error", cause=failed.cause, detail=failed.detail)
    if failed.cause == ConfigurationError.code:
        return ConfigurationError(failed.reason)
    return DocumentFailed(failed.cause, failed.reason)
