"""Pages as pictures: a process for each, because what draws them may hang or die of a hostile document."""

import asyncio
from typing import Protocol

import msgspec

from contracts.errors import DependencyDown, DocumentFailed
from gateway.core.pages import PageImage, PageReply, PageWanted
from runtime.confinement import kill_confined, start_confined
from runtime.telemetry import get_logger

# A picture of `gateway.core.pages.MAX_PIXELS` that cannot be compressed at all, and what stands around it.
_LONGEST_REPLY = 20_000_000

_log = get_logger(__name__)


class PageProcess(Protocol):
    """Starts a process that draws one page."""

    async def __call__(self) -> asyncio.subprocess.Process:
        """Raises OSError when this machine starts none."""
        ...


async def page_process() -> asyncio.subprocess.Process:
    """The process that draws pages with PDFium and Pillow."""
    return await start_confined("gateway.clients.page_child")


class PageRenderer:
    """Draws pages, each in a process that ends with it, also when whoever waits for it gives up."""

    def __init__(self, start: PageProcess = page_process) -> None:
        self._start = start

    async def draw(self, wanted: PageWanted) -> PageReply:
        """A page, or why there is none.

        Raises:
            DocumentFailed: cause "crashed": the process ended without an answer, or gave none that is one.
            DependencyDown: this machine starts no process.
        """
        try:
            process = await self._start()
        except OSError as exc:
            raise DependencyDown("page renderer", "The process that draws pages did not start.") from exc
        sending = asyncio.create_task(_send(process, msgspec.msgpack.encode(wanted)))
        try:
            reply: PageReply = msgspec.msgpack.decode(await _all_of(process), type=PageReply)
        except msgspec.DecodeError as exc:
            _log.warning("page_process_died", content_type=wanted.content_type, page=wanted.page)
            reason = "The page broke the program that draws it: it is damaged or needs too much memory."
            raise DocumentFailed("crashed", reason) from exc
        finally:
            sending.cancel()
            await kill_confined(process)
        if isinstance(reply, PageImage) and not reply.png.startswith(b"\x89PNG\r\n\x1a\n"):
            raise DocumentFailed("crashed", "The page broke the program that draws it.")
        return reply


async def _send(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # it is gone; the reading side finds no answer


async def _all_of(process: asyncio.subprocess.Process) -> bytes:
    """What the process writes until it ends; cut off where it is too long to be an answer."""
    assert process.stdout is not None
    parts, size = [], 0
    while size <= _LONGEST_REPLY and (part := await process.stdout.read(1 << 16)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
