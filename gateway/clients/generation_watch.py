"""Follows the topic `index_generations`: which generation searches go to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from contracts.codec import decode, encode
from contracts.errors import BadMessage, DependencyDown, TriremeError
from contracts.generations import Generation
from contracts.space import Space
from runtime.generations import read_generations, serving_generation
from runtime.telemetry import get_logger

AUTO = "auto"

_SEARCHING_S = 1.0
_FOUND_S = 10.0
_TIMEOUT_S = 5.0

_log = get_logger(__name__)


class GenerationWatch:
    """Knows the generation that searches go to, and keeps it when Kafka goes away.

    Args:
        wanted: a generation's name, or "auto" for the youngest one that is serving in this gateway's space.
        remembered: file that holds the last one, so that a gateway which starts while Kafka is away still finds
            the answers kept in the cache.
    """

    def __init__(self, bootstrap: str, space: Space, *, wanted: str, remembered: Path) -> None:
        self._bootstrap = bootstrap
        self._space = space
        self._wanted = wanted
        self._remembered = remembered
        self._current = self._recalled()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["GenerationWatch"]:
        """Follow the topic while the block lasts."""
        task = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            task.cancel()

    def current(self) -> Generation:
        """The generation to search.

        Raises:
            DependencyDown: none is known yet.
        """
        if self._current is None:
            raise DependencyDown("index", "No index is ready to be searched yet.")
        return self._current

    async def _follow(self) -> None:
        pause_s = _SEARCHING_S
        while True:
            try:
                found = await asyncio.to_thread(read_generations, self._bootstrap, timeout_s=_TIMEOUT_S)
                chosen = choose(found, self._space, self._wanted)
                if chosen is not None:
                    pause_s = _FOUND_S
                if chosen is not None and chosen != self._current:
                    _log.info("generation_chosen", generation=chosen.name, shards=chosen.n_shards)
                    self._current = chosen
                    await asyncio.to_thread(self._remember, chosen)
            except TriremeError as exc:
                _log.debug("generations_unreadable", reason=exc.message)
            except Exception as exc:  # noqa: BLE001 - the outermost loop of a task
                _log.error("generation_watch_failed", exc_info=exc)
            await asyncio.sleep(pause_s)

    def _recalled(self) -> Generation | None:
        try:
            last = decode(Generation, self._remembered.read_bytes())
        except (OSError, BadMessage):
            return None
        return choose({last.name: last}, self._space, self._wanted)

    def _remember(self, generation: Generation) -> None:
        unfinished = self._remembered.with_name(f"{self._remembered.name}.new")
        self._remembered.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(encode(generation))
        unfinished.replace(self._remembered)


def choose(found: Mapping[str, Generation], space: Space, wanted: str) -> Generation | None:
    """The generation to search among those found, or None. One of another space is never searched."""
    fitting = {name: g for name, g in found.items() if g.space_id == space.space_id}
    return serving_generation(fitting) if wanted == AUTO else fitting.get(wanted)
