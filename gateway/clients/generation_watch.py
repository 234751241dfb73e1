"""Follows the topic `index_generations`: which generation searches go to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from pathlib import Path

from contracts.codec import decode, encode
from contracts.errors import BadMessage, DependencyDown, TriremeError
from contracts.generations import Generation, serving_of
from runtime.generations import GenerationReader
from runtime.telemetry import get_logger

AUTO = "auto"

WATCH_PAUSE_S = 1.0
"""How long a cut-over may take to be noticed, apart from the question to the new generation's shards."""
_TIMEOUT_S = 5.0

Spaces = Callable[[], Collection[str]]
"""Tells which spaces there are. Reads files."""

IsReady = Callable[[Generation], Awaitable[bool]]
"""Whether every shard of a generation answers now. May raise errors of the tree."""

_log = get_logger(__name__)


async def _always(_generation: Generation) -> bool:
    return True


class GenerationWatch:
    """Knows the generation that searches go to, and keeps it when Kafka goes away.

    Args:
        spaces: ids of the spaces that this gateway can search, asked at every look.
        wanted: a generation's name, or "auto" for the one that serves in these spaces.
        remembered: file that holds the last one, so that a gateway which starts while Kafka is away still finds
            the answers kept in the cache.
        is_ready: asked before searches leave a generation that still answers for another one.
    """

    def __init__(
        self, bootstrap: str, spaces: Spaces, *, wanted: str, remembered: Path, is_ready: IsReady = _always
    ) -> None:
        self._reader = GenerationReader(bootstrap)
        self._spaces = spaces
        self._wanted = wanted
        self._remembered = remembered
        self._is_ready = is_ready
        self._current = self._recalled()
        self._found: Mapping[str, Generation] = {}
        self._last_of = {self._current.space_id: self._current} if self._current else {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["GenerationWatch"]:
        """Follow the topic while the block lasts."""
        task = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            task.cancel()

    def current(self, space_id: str | None = None) -> Generation:
        """The generation to search; for a query that was begun in a space, the last one of that space.

        Raises:
            DependencyDown: none is known yet.
        """
        if self._current is None:
            raise DependencyDown("index", "No index is ready to be searched yet.")
        if space_id in (None, self._current.space_id):
            return self._current
        # Its processes run on: who goes over to another space retires the old one later.
        return self._last_of.get(space_id or "", self._current)

    def named(self, name: str) -> Generation:
        """A live generation, whether or not it is the one that serves, for those who compare.

        Raises:
            DependencyDown: it is not known, or not live.
        """
        found = self._found.get(name)
        if found is None or not found.is_live:
            raise DependencyDown("index", f"The index '{name}' is not there to be searched.")
        return found

    async def consider(self, found: Mapping[str, Generation]) -> None:
        """Take what the topic says. Searches change over only to a generation whose shards all answer.

        Until then the one that is known goes on, unless it is retired.
        """
        self._found = found
        spaces = await asyncio.to_thread(self._spaces)
        chosen, known = choose(found, spaces, self._wanted), self._current
        if chosen is None or chosen == known:
            return
        if known is None or known.name != chosen.name:
            still_answers = known is not None and known.name in found and found[known.name].is_live
            if still_answers and not await self._is_ready(chosen):
                _log.warning("generation_not_ready", generation=chosen.name)
                return
            _log.info("generation_chosen", generation=chosen.name, shards=chosen.n_shards)
        self._last_of[chosen.space_id] = self._current = chosen
        await asyncio.to_thread(self._remember, chosen)

    async def _follow(self) -> None:
        while True:
            try:
                await self.consider(await asyncio.to_thread(self._reader.read, timeout_s=_TIMEOUT_S))
            except TriremeError as exc:
                _log.debug("generations_unreadable", reason=exc.message)
            except Exception as exc:  # noqa: BLE001 - the outermost loop of a task
                _log.error("generation_watch_failed", exc_info=exc)
            await asyncio.sleep(WATCH_PAUSE_S)

    def _recalled(self) -> Generation | None:
        try:
            last = decode(Generation, self._remembered.read_bytes())
        except (OSError, BadMessage):
            return None
        return choose({last.name: last}, self._spaces(), self._wanted)

    def _remember(self, generation: Generation) -> None:
        unfinished = self._remembered.with_name(f"{self._remembered.name}.new")
        self._remembered.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(encode(generation))
        unfinished.replace(self._remembered)


def choose(found: Mapping[str, Generation], spaces: Collection[str], wanted: str) -> Generation | None:
    """The generation to search among those found, or None. One of another space is never searched."""
    fitting = {name: g for name, g in found.items() if g.space_id in spaces}
    return serving_of(fitting.values()) if wanted == AUTO else fitting.get(wanted)
