"""Keeps the stack's index processes as the topic `index_generations` says: one set for each live generation.

Whoever announces a generation starts nothing: the stack sees it and starts its shards. What was running at last is
kept in a file, so that the next start begins with it before Kafka can be asked.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from contracts.codec import decode, encode
from contracts.errors import BadMessage, TriremeError
from contracts.generations import Generation, oldest_first, serving_of
from runtime.telemetry import get_logger
from stack.process import ProcessSpec

PAUSE_S = 1.0
_FILE = "generations.json"
_LOG = get_logger(__name__)


class Processes(Protocol):
    """The part of `stack.supervisor.Supervisor` that a keeper needs."""

    async def start(self, specs: Sequence[ProcessSpec]) -> None:
        """Start them and return when all are ready. Raises StackFailed."""
        ...

    async def remove(self, names: Iterable[str]) -> None:
        """Stop them for good."""
        ...


def remembered(data: Path) -> tuple[Generation, ...]:
    """The generations that were live when the stack ran last; empty for a new home.

    Raises:
        BadMessage: the file cannot be read.
    """
    try:
        text = (data / _FILE).read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return tuple(decode(Generation, line.encode()) for line in msgspec.json.decode(text, type=list[str]))
    except msgspec.DecodeError as exc:
        raise BadMessage(f"The list of the index's generations ({_FILE}) cannot be read.") from exc


def remember(data: Path, generations: Iterable[Generation]) -> None:
    """Replace the list in one step."""
    staged = data / f"{_FILE}.new"
    staged.write_bytes(msgspec.json.encode([encode(generation).decode() for generation in generations]))
    staged.replace(data / _FILE)


class GenerationKeeper:
    """Starts and ends index processes as generations come and go. Used by one task.

    Args:
        spaces: ids of the joint spaces whose models are here, asked at every look: an index of any other is not
            this stack's.
        running: generations whose processes run already.
        specs_of: the processes of a generation.
        snapshots_of: the folders that processes of these names keep.
        on_serving: hears of the generation that searches go to, at every look.
    """

    def __init__(
        self,
        processes: Processes,
        data: Path,
        spaces: Callable[[], Collection[str]],
        running: Mapping[str, Sequence[str]],
        *,
        specs_of: Callable[[Generation], Sequence[ProcessSpec]],
        snapshots_of: Callable[[Sequence[str]], Iterable[Path]],
        on_serving: Callable[[Generation], None],
    ) -> None:
        self._processes = processes
        self._data = data
        self._spaces = spaces
        self._running = {name: tuple(names) for name, names in running.items()}
        self._specs_of = specs_of
        self._snapshots_of = snapshots_of
        self._on_serving = on_serving
        self._known: tuple[Generation, ...] | None = None

    async def run(self, read: Callable[[], Mapping[str, Generation]]) -> None:
        """Look again and again until cancelled. A look that fails changes nothing.

        Args:
            read: reads the topic; blocks, and is called in a thread.
        """
        while True:
            try:
                await self.follow(await asyncio.to_thread(read))
            except (TriremeError, OSError) as exc:
                _LOG.warning("generations_not_followed", reason=str(exc))
            await asyncio.sleep(PAUSE_S)

    async def follow(self, found: Mapping[str, Generation]) -> None:
        """Make the processes be as the topic says.

        Raises:
            StackFailed: a process did not come up; it is not tried again before the stack is started anew.
        """
        spaces = self._spaces()
        mine = oldest_first(generation for generation in found.values() if generation.space_id in spaces)
        live = tuple(generation for generation in mine if generation.is_live)
        if live and live != self._known:
            remember(self._data, live)
            self._known = live
        if (serving := serving_of(mine)) is not None:
            self._on_serving(serving)
        for generation in mine:
            if not generation.is_live and generation.name in self._running:
                await self._end(generation.name)
        for generation in live:
            if generation.name not in self._running:
                await self._begin(generation)

    async def _begin(self, generation: Generation) -> None:
        specs = self._specs_of(generation)
        self._running[generation.name] = tuple(spec.name for spec in specs)
        # One after the other: each takes a processor for seconds, and searches want some of it.
        for spec in specs:
            await self._processes.start([spec])

    async def _end(self, name: str) -> None:
        names = self._running.pop(name)
        await self._processes.remove(names)
        for folder in self._snapshots_of(names):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
