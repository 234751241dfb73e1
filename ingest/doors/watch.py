"""The watched folder: files in it are documents, and leave the index when they leave the folder."""

import asyncio
import contextlib
import hashlib
from pathlib import Path
from typing import Protocol

import watchfiles

from contracts.errors import InvalidInput
from contracts.media import HEAD_BYTES, judge
from contracts.trace import TraceContext
from ingest.doors.folder_state import FolderState, Published, Settling, Stamp, save_state, scan
from runtime.telemetry import get_logger, new_trace

_log = get_logger(__name__)

UNKNOWN_TYPE = "application/octet-stream"
_SAVE_EVERY = 50
_LISTEN_AGAIN_S = 30.0


class Publisher(Protocol):
    """Puts documents on their way; `runtime.publishing.DocumentPublisher` does."""

    async def publish(
        self, tenant: str, collection: str, source_key: str, data: Path, content_type: str, trace: TraceContext
    ) -> tuple[str, int]:
        """Document id and version. Raises InvalidInput, DependencyDown."""
        ...

    async def delete(
        self, tenant: str, collection: str, source_key: str, content_type: str, trace: TraceContext
    ) -> tuple[str, int]:
        """Document id and the version that removes it. Raises DependencyDown."""
        ...


class WatchedFolder:
    """Brings what is published in line with a folder.

    Args:
        state: what was published before; kept up to date, here and in `state_file`.
        settle_s: a file is published once it has not changed for this long.
    """

    def __init__(
        self,
        folder: Path,
        state: FolderState,
        state_file: Path,
        publisher: Publisher,
        *,
        tenant: str,
        collection: str,
        settle_s: float,
    ) -> None:
        self._folder = folder
        self._state = state
        self._state_file = state_file
        self._publisher = publisher
        self._tenant = tenant
        self._collection = collection
        self._settling = Settling(settle_s)
        self._unsaved = 0

    async def sync(self, now_s: float) -> int:
        """Publish what is new, changed and settled, and delete what is gone.

        Returns:
            How many files have yet to settle. A folder that is not there, or not readable, deletes nothing.

        Raises:
            DependencyDown, Overloaded: not all could be published; what was is remembered.
        """
        try:
            seen, complete = await asyncio.to_thread(scan, self._folder)
        except FileNotFoundError:
            _log.warning("watched_folder_missing")
            return 0
        files = self._state.files
        changed = {n: stamp for n, stamp in seen.items() if n not in files or files[n].stamp != stamp}
        settled = self._settling.settled(changed, now_s)
        try:
            for name in settled:
                try:
                    await self._publish(name, seen[name])
                except OSError as exc:
                    # Gone meanwhile, or not ours to read: the next look sees it again, and the others go on.
                    _log.warning("file_unreadable", name=name, error=type(exc).__name__)
            for name in sorted(files.keys() - seen.keys()) if complete else ():
                await self._delete(name)
        finally:
            await self._save(at_least=1)
        return len(changed) - len(settled)

    async def _publish(self, name: str, stamp: Stamp) -> None:
        path = self._folder / name
        sha256, head = await asyncio.to_thread(_read, path)
        known = self._state.files.get(name)
        version: int | None
        if known is not None and known.sha256 == sha256:
            version = known.version
        else:
            content_type = judge(head, name, complete=len(head) == stamp.size_bytes).content_type or UNKNOWN_TYPE
            trace = new_trace()
            try:
                doc_id, version = await self._publisher.publish(
                    self._tenant, self._collection, name, path, content_type, trace
                )
                _log.info("file_published", doc_id=doc_id, version=version, stage="door", trace_id=trace.trace_id)
            except InvalidInput as exc:
                _log.warning("file_refused", reason=exc.message)
                version = None
        self._state.files[name] = Published(stamp=stamp, sha256=sha256, version=version)
        self._unsaved += 1
        await self._save(at_least=_SAVE_EVERY)

    async def _delete(self, name: str) -> None:
        if self._state.files[name].version is not None:
            trace = new_trace()
            doc_id, version = await self._publisher.delete(
                self._tenant, self._collection, name, UNKNOWN_TYPE, trace
            )
            _log.info("file_deleted", doc_id=doc_id, version=version, stage="door", trace_id=trace.trace_id)
        del self._state.files[name]
        self._unsaved += 1

    async def _save(self, *, at_least: int) -> None:
        if self._unsaved >= at_least:
            await asyncio.to_thread(save_state, self._state_file, self._state)
            self._unsaved = 0


class FolderNotices:
    """Wakes the caller when something happens in a folder. A notice may be missed; the caller rescans anyway."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._next_try_s = 0.0

    async def wait(self, timeout_s: float) -> bool:
        """Whether a notice came within `timeout_s`."""
        loop = asyncio.get_running_loop()
        if self._task is None or (self._task.done() and loop.time() > self._next_try_s):
            self._next_try_s = loop.time() + _LISTEN_AGAIN_S
            self._task = asyncio.create_task(self._listen())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        woken = self._woken.is_set()
        self._woken.clear()
        return woken

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _listen(self) -> None:
        try:
            async for _ in watchfiles.awatch(self._folder, debounce=200, step=50):
                self._woken.set()
        except (OSError, FileNotFoundError, RuntimeError) as exc:
            # No more notices to be had from the kernel, or no folder: rescans go on, and so does the next try.
            _log.warning("folder_notices_lost", error=type(exc).__name__)


def _read(path: Path) -> tuple[str, bytes]:
    """SHA-256 of a file and its first bytes."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest(), head
