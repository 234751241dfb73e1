"""Words and picture to one joint query vector, within the encoders' share of the budget."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, InvalidInput, TriremeError
from contracts.joint import Vector, join_query
from contracts.space import Tower
from contracts.tensors import PRIORITY_QUERY
from contracts.trace import TraceContext
from gateway.core.budget import Budget
from gateway.core.clock import Clock
from gateway.core.query import SearchQuery
from gateway.flows.ports import QueryEncoder
from runtime.breaker import CircuitBreaker

# Towers whose halves one vector fills, and what makes it.
_Run = tuple[tuple[Tower, ...], Callable[[], Coroutine[Any, Any, Vector]]]

_FAILURES = 5
_RESET_S = 1.0


@dataclass(frozen=True, slots=True)
class Encoded:
    """A joint query, float32 [dim], and the towers that are missing in it."""

    vector: Vector
    missing: tuple[Tower, ...]


class EncodeQuery:
    """Runs the towers that a query needs side by side.

    A tower whose weight is zero is not run. Where the CLIP text tower is the text encoder itself, one run
    serves both, on the CLIP tower's server: the text encoder's may be busy with a batch of a document's chunks,
    which takes longer than a search may. A breaker leaves out a tower that keeps failing: it costs no time then.
    """

    def __init__(self, encoder: QueryEncoder, clock: Clock) -> None:
        self._encoder = encoder
        self._clock = clock
        self._breakers = {
            tower: CircuitBreaker(tower, failures=_FAILURES, reset_s=_RESET_S, clock=clock.monotonic_s)
            for tower in ("text", "clip_text", "clip_image")
        }

    async def encode(self, query: SearchQuery, budget: Budget, trace: TraceContext) -> Encoded:
        """The joint vector of a query.

        Waits for all towers until the encoders' budget ends, then takes what is ready. Should nothing be ready
        by then, the first tower to finish is enough, as long as shards can still be asked.

        Raises:
            InvalidInput: the weights cancel everything, or the words are longer than the encoder reads.
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: no tower gave a vector.
        """
        runs = self._runs(query, budget, trace)
        if not runs:
            raise InvalidInput(
                "The weights leave nothing of the query: at least one that applies must not be zero."
            )
        tasks: dict[asyncio.Task[Vector], tuple[Tower, ...]] = {
            asyncio.create_task(run()): towers for towers, run in runs if self._breakers[towers[0]].allow()
        }
        try:
            done = await self._wait(set(tasks), budget)
        finally:
            for task in tasks:
                task.cancel()
        vectors: dict[Tower, Vector] = {}
        errors: list[TriremeError] = []
        for task, towers in tasks.items():
            try:
                if task not in done:
                    raise DeadlineExceeded("The encoders did not answer in time.")
                vectors.update(dict.fromkeys(towers, task.result()))
                self._breakers[towers[0]].succeeded()
            except InvalidInput:
                raise
            except TriremeError as exc:
                errors.append(exc)
                self._count(towers[0], exc, others_ready=bool(done))
        if not vectors:
            raise errors[0] if errors else DependencyDown("triton", "No encoder can be reached at the moment.")
        vector = join_query(
            self._encoder.space,
            query.weights,
            text=vectors.get("text"),
            clip_text=vectors.get("clip_text"),
            images=[vectors["clip_image"]] if "clip_image" in vectors else [],
        )
        return Encoded(vector, tuple(t for towers, _ in runs for t in towers if t not in vectors))

    def states(self) -> Iterator[tuple[str, str]]:
        """Name and state of every tower's breaker."""
        for breaker in self._breakers.values():
            yield breaker.name, breaker.state

    async def _wait(self, tasks: set[asyncio.Task[Vector]], budget: Budget) -> set[asyncio.Task[Vector]]:
        if not tasks:
            return set()
        left_s = budget.encode_until_s - self._clock.monotonic_s()
        done, pending = await asyncio.wait(tasks, timeout=max(0.0, left_s))
        while pending and not any(task.exception() is None for task in done):
            left_s = budget.shard_deadline_s - self._clock.monotonic_s()
            newly, pending = await asyncio.wait(
                pending, timeout=max(0.0, left_s), return_when=asyncio.FIRST_COMPLETED
            )
            if not newly:
                break
            done |= newly
        return done

    def _count(self, tower: Tower, error: TriremeError, *, others_ready: bool) -> None:
        """Hold a failure against a tower; slowness only where another half was ready and had to wait for it."""
        late = isinstance(error, DeadlineExceeded)
        if isinstance(error, DependencyDown | DependencyFailed) or (late and others_ready):
            self._breakers[tower].failed()

    def _runs(self, query: SearchQuery, budget: Budget, trace: TraceContext) -> list[_Run]:
        """The towers to run, each with the halves that its vector fills."""
        weights, words, picture = query.weights, query.words, query.picture
        timeout_s = max(0.001, budget.shard_deadline_s - self._clock.monotonic_s())
        runs: list[_Run] = []
        wants_text = words is not None and weights.text_text != 0
        wants_clip = words is not None and weights.text_image != 0
        shared = self._encoder.shares_text_tower

        async def text() -> Vector:
            assert words is not None
            rows = await self._encoder.embed_texts(
                [words], priority=PRIORITY_QUERY, timeout_s=timeout_s, trace=trace
            )
            row: Vector = rows[0]
            return row

        async def clip_text() -> Vector:
            assert words is not None
            return await self._encoder.embed_query_words(words, timeout_s=timeout_s, trace=trace)

        async def clip_image() -> Vector:
            assert picture is not None
            rows = await self._encoder.embed_pictures(
                [picture.pixels], priority=PRIORITY_QUERY, timeout_s=timeout_s, trace=trace
            )
            row: Vector = rows[0]
            return row

        if shared and (wants_text or wants_clip):
            wanted: tuple[tuple[Tower, bool], ...] = (("clip_text", wants_clip), ("text", wants_text))
            runs.append((tuple(tower for tower, is_wanted in wanted if is_wanted), clip_text))
        elif wants_text:
            runs.append((("text",), text))
        if wants_clip and not shared:
            runs.append((("clip_text",), clip_text))
        if picture is not None and weights.image_image != 0:
            runs.append((("clip_image",), clip_image))
        return runs
