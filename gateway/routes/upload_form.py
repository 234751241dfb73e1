"""Reads a form with files: each goes to a temporary file piece by piece, hashed, refused as soon as may be."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from contracts.access import checked_groups
from contracts.errors import DeadlineExceeded, InvalidInput
from contracts.ids import DEFAULT_COLLECTION
from contracts.media import HEAD_BYTES
from contracts.names import safe_name
from gateway.core.upload import Upload, refuse_early

FIELD = "file"
MOST_FILES = 32
_MOST_FIELDS = 8
_LONGEST_FIELD_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class UploadForm:
    """What was handed in."""

    collection: str
    readers: tuple[str, ...]
    uploads: list[Upload]


@dataclass(slots=True)
class _Seen:
    """What is known of a file while it arrives."""

    name: str
    size_bytes: int = 0
    head: bytes = b""
    hash: Any = field(default_factory=hashlib.sha256)


class _HashingParser(MultiPartParser):
    """Starlette's parser, with an eye on what passes."""

    def __init__(self, *arguments: Any, **limits: Any) -> None:
        super().__init__(*arguments, **limits)
        self.seen: dict[int, _Seen] = {}

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        super().on_part_data(data, start, end)
        file = self._current_part.file
        if file is None:
            return
        seen = self.seen.setdefault(id(file), _Seen(self._named() or file.filename or ""))
        piece = data[start:end]
        before, seen.size_bytes = seen.size_bytes, seen.size_bytes + len(piece)
        seen.hash.update(piece)
        if before < HEAD_BYTES:
            seen.head += piece[: HEAD_BYTES - before]
            if seen.size_bytes >= HEAD_BYTES:
                refuse_early(seen.head, seen.name)

    def _named(self) -> str | None:
        """The field that names the document, if it came before the file."""
        return next((value for name, value in self.items if name == "source_key" and isinstance(value, str)), None)


@asynccontextmanager
async def upload_form(request: Request, *, arrives_s: float) -> AsyncIterator[UploadForm]:
    """The form of an upload; its temporary files are gone after the block, and if it never came in full.

    Args:
        arrives_s: how long it may take to arrive.

    Raises:
        InvalidInput: no form, no file, or a name that cannot be. UnsupportedMedia: a kind that is not read.
        PayloadTooLarge: the body is over its limit (`gateway.routes.guards`). DeadlineExceeded: it did not arrive.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InvalidInput("Send the file as a form: multipart/form-data with a field 'file'.")
    parser = _HashingParser(
        request.headers,
        request.stream(),
        max_files=MOST_FILES,
        max_fields=_MOST_FIELDS,
        max_part_size=_LONGEST_FIELD_BYTES,
    )
    try:
        async with asyncio.timeout(arrives_s):
            form = await parser.parse()
    except TimeoutError as exc:
        raise DeadlineExceeded(f"The file did not arrive within {arrives_s:.0f} seconds.") from exc
    except MultiPartException as exc:
        raise InvalidInput(
            f"The form cannot be read; it may hold {MOST_FILES} files and {_MOST_FIELDS} fields."
        ) from exc
    try:
        files = [file for file in form.getlist(FIELD) if isinstance(file, UploadFile)]
        if not files:
            raise InvalidInput("The field 'file' with the document's bytes is missing.")
        named = _text(form.get("source_key"))
        if named is not None and len(files) > 1:
            raise InvalidInput("A 'source_key' names one document; several files keep their own names.")
        uploads = [_upload(file, named, parser.seen.get(id(file))) for file in files]
        readers = checked_groups(_text(form.get("readers")) or "")
        yield UploadForm(_text(form.get("collection")) or DEFAULT_COLLECTION, readers, uploads)
    finally:
        await form.close()


def _upload(file: UploadFile, named: str | None, seen: _Seen | None) -> Upload:
    seen = seen or _Seen("")
    name = safe_name(named or (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1])
    return Upload(name, file.file, seen.size_bytes, seen.hash.hexdigest())


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None
