"""The reading process seen from its parent: start, ask, kill.

PDFium is not thread-safe, and a hostile document may hang or crash what reads it; so reading happens in a process
of its own (`runtime.confinement`).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping

import msgspec

from contracts.errors import DependencyDown
from ingest.extraction import wire
from ingest.extraction.wire import Failed, Finished, Reply, Request, Started
from runtime.confinement import kill_confined, start_confined

START_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 5.0


class ReaderDied(Exception):
    """The reading process ended before it had answered."""


class ReaderTimeout(Exception):
    """The reading process was silent for too long.

    Args:
        limit_s: the limit that passed.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s


class ReaderProcess:
    """One reading process that takes one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._may_receive_bytes = wire.SPARE_BYTES
        self.documents = 0

    @classmethod
    async def start(cls, environ: Mapping[str, str] = os.environ) -> "ReaderProcess":
        """Start a reading process and wait until it takes requests.

        Raises:
            DependencyDown: it did not start; this is this machine's fault, not a document's.
        """
        reader = cls(await start_confined("ingest.extraction.child", environ))
        try:
            started = await asyncio.wait_for(reader._receive(), START_TIMEOUT_S)
        except (TimeoutError, ReaderDied) as exc:
            await reader.kill()
            raise DependencyDown("document reader", "The process that reads documents did not start.") from exc
        except BaseException:
            await reader.kill()
            raise
        assert isinstance(started, Started)
        return reader

    @property
    def pid(self) -> int:
        """Process id, also of its process group."""
        return self._process.pid

    async def ask(self, request: Request, end_s: float) -> AsyncIterator[Reply]:
        """Send one request and give what comes back, up to and with `Finished` or `Failed`.

        Args:
            end_s: the event loop's time at which `document_timeout_s` of the request's limits has passed.

        Whoever stops early, for whatever reason, must `kill()`: the rest of the answer is still in the pipe.

        Raises:
            ReaderDied: the process ended, or wrote something that is no reply, or more than the limits allow.
            ReaderTimeout: nothing has come for `timeout_s` of the request's limits, or `end_s` has passed.
        """
        self.documents += 1
        limits = request.limits
        self._may_receive_bytes = limits.max_output_bytes
        loop = asyncio.get_running_loop()
        sending = asyncio.ensure_future(self._send(wire.frame(request)))
        try:
            while True:
                wait_s = min(limits.timeout_s, end_s - loop.time())
                try:
                    reply = await asyncio.wait_for(self._receive(), max(wait_s, 0.0))
                except TimeoutError as exc:
                    whole = wait_s < limits.timeout_s
                    raise ReaderTimeout(limits.document_timeout_s if whole else limits.timeout_s) from exc
                yield reply
                if isinstance(reply, Finished | Failed):
                    return
        finally:
            sending.cancel()

    async def kill(self) -> None:
        """End the process and everything that it has started, now."""
        await kill_confined(self._process)

    async def close(self) -> None:
        """Let the process end by closing its input; kill it when it does not."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            await self.kill()

    async def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # the process is gone; the reading side says so

    async def _receive(self) -> Reply:
        assert self._process.stdout is not None
        try:
            (size,) = wire.HEADER.unpack(await self._process.stdout.readexactly(wire.HEADER.size))
            self._may_receive_bytes -= wire.HEADER.size + size
            if self._may_receive_bytes < 0:
                raise ReaderDied
            return wire.read_reply(await self._process.stdout.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionResetError, msgspec.DecodeError) as exc:
            raise ReaderDied from exc
