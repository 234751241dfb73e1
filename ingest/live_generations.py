"""The index generations as the joint updater needs them: fresh enough, and without asking Kafka every time."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from contracts.errors import BadMessage, DependencyDown
from contracts.generations import Generation, oldest_first, serving_of
from runtime.generations import read_generations
from runtime.telemetry import get_logger

_log = get_logger(__name__)


class GenerationList(Protocol):
    """Tells which generations there are."""

    async def all(self, *, newest: bool = False) -> Sequence[Generation]:
        """Every generation known, the retired ones too.

        Args:
            newest: as the log says now, for who would drop work because of what is missing.

        Raises:
            DependencyDown: it cannot be found out.
        """
        ...


def live(generations: Sequence[Generation], space_id: str | None = None) -> list[Generation]:
    """Generations that take updates, oldest first; those of one space, or of all.

    The order matters: what is stored for, or removed from, a generation is so in those before it that it may be
    filled from. A backfill tells by that whether what it copies is still there.

    Raises:
        DependencyDown: there is none; one will come, so the work is tried again.
    """
    found = [g for g in generations if g.is_live and space_id in (None, g.space_id)]
    if not found:
        raise DependencyDown("index", "No index takes documents of this kind at the moment.")
    return oldest_first(found)


async def live_spaces_with(generations: GenerationList, space_id: str, described: Collection[str]) -> list[str]:
    """The live spaces; where `space_id` is not among them, as the log says now.

    Work for a space may come before the news of its generation: a list that is some seconds old must not end it.
    """
    spaces = live_spaces(await generations.all(), described)
    return spaces if space_id in spaces else live_spaces(await generations.all(newest=True), described)


def live_spaces(generations: Sequence[Generation], described: Collection[str]) -> list[str]:
    """Ids of the spaces with a generation that takes updates, that of the serving one first.

    Args:
        described: spaces whose models are there; an index of any other is somebody else's.
    """
    found = oldest_first(g for g in generations if g.is_live and g.space_id in described)
    serving = serving_of(found)
    ids = [generation.space_id for generation in ([serving] if serving else []) + found]
    return list(dict.fromkeys(ids))


class LogGenerations:
    """Reads the topic `index_generations` again when what is known is older than `keep_s`.

    A new generation gets every document only from `keep_s` after its announcement on: its backfill looks for
    differences once more after that.

    Args:
        read: reads the topic; may raise DependencyDown and BadMessage.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        keep_s: float = 5.0,
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        read: Callable[..., Mapping[str, Generation]] = read_generations,
    ) -> None:
        self._bootstrap = bootstrap
        self._keep_s = keep_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._read_log = read
        self._known: Sequence[Generation] = ()
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def all(self, *, newest: bool = False) -> Sequence[Generation]:
        """See `GenerationList.all`. While Kafka is away or the topic holds a bad record, what was known last,
        unless the newest is asked for."""
        async with self._reading:
            if newest or self._read_at is None or self._clock() - self._read_at > self._keep_s:
                await self._read(or_fail=newest or self._read_at is None)
        return self._known

    async def _read(self, *, or_fail: bool) -> None:
        try:
            found = await asyncio.to_thread(self._read_log, self._bootstrap, timeout_s=self._timeout_s)
        except (DependencyDown, BadMessage) as exc:
            _log.warning("generations_not_refreshed", reason=exc.message)
            if or_fail:
                # A record that a newer build wrote is no fault of the document's that needs to know.
                raise DependencyDown("kafka", "It cannot be found out which indexes there are.") from exc
        else:
            self._known = tuple(found.values())
        self._read_at = self._clock()
