"""Words and picture to one joint query vector, within the encoders' share of the budget."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from contracts.errors import (
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    InvalidInput,
    Overloaded,
    TriremeError,
)
from contracts.joint import Vector, join_query
from contracts.space import Tower
from contracts.tensors import PRIORITY_QUERY
from contracts.trace import TraceContext
from gateway.core.budget import Budget
from gateway.core.clock import Clock
from gateway.core.kept_vectors import KeptVectors
from gateway.core.query import SearchQuery
from gateway.flows.ports import QueryEncoder
from runtime.breaker import CircuitBreaker

Work = Callable[[], Coroutine[Any, Any, Vector]]
Server = Tower | Literal["clip_image_distilled"]

_FAILURES = 5
_RESET_S = 1.0


@dataclass(frozen=True, slots=True)
class Encoded:
    """A joint query, float32 [dim].

    Args:
        missing: towers that did not answer.
        stood_in: the full picture tower answered for the distilled one.
    """

    vector: Vector
    missing: tuple[Tower, ...]
    stood_in: bool = False


@dataclass(slots=True)
class _Run:
    """One vector to be made.

    Args:
        halves: towers whose halves of the query it fills.
        servers: who can make it, in the order in which they are asked.
        asked: who was asked last.
        content: what is encoded: the words, or the pictures' hashes.
        failed: those that another one had to stand in for.
    """

    halves: tuple[Tower, ...]
    servers: tuple[tuple[Server, Work], ...]
    asked: Server
    content: tuple[str, ...]
    failed: list[Server] = field(default_factory=list)


class EncodeQuery:
    """Runs the towers that a query needs side by side.

    A tower whose weight is zero is not run. Where the CLIP text tower is the text encoder itself, one run
    serves both, on the CLIP tower's server: the text encoder's may be busy with a batch of a document's chunks,
    which takes longer than a search may. Should that server fail, the text encoder's stands in, as the full
    picture tower does for the distilled one. A breaker leaves out a tower that keeps failing: it costs no time
    then.

    Args:
        keep: vectors that are remembered by what they were made of; equal words and pictures are encoded once.
    """

    def __init__(self, encoder: QueryEncoder, clock: Clock, *, keep: int = 0) -> None:
        self._kept: KeptVectors[tuple[Server, tuple[str, ...]]] = KeptVectors(keep)
        self._encoder = encoder
        self._clock = clock
        servers: tuple[Server, ...] = ("text", "clip_text", "clip_image", "clip_image_distilled")
        self._breakers = {
            server: CircuitBreaker(server, failures=_FAILURES, reset_s=_RESET_S, clock=clock.monotonic_s)
            for server in servers
        }
        self._trials: set[asyncio.Task[None]] = set()

    async def encode(
        self, query: SearchQuery, budget: Budget, trace: TraceContext, *, distilled: bool = False
    ) -> Encoded:
        """The joint vector of a query; with `distilled`, pictures go to the distilled tower.

        Waits for all towers until the encoders' budget ends, then takes what is ready. Should nothing be ready
        by then, the first tower to finish is enough, as long as shards can still be asked.

        Raises:
            InvalidInput: the weights cancel everything, or the words are longer than the encoder reads.
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: no tower gave a vector.
        """
        runs = self._runs(query, budget, trace, distilled=distilled)
        if not runs:
            raise InvalidInput(
                "The weights leave nothing of the query: at least one that applies must not be zero."
            )
        tasks = {asyncio.create_task(self._vector(run)): run for run in runs}
        try:
            done = await self._wait(set(tasks), budget)
        finally:
            for task in tasks:
                task.cancel()
        vectors: dict[Tower, Vector] = {}
        missing: list[Tower] = []
        errors: list[TriremeError] = []
        late: list[_Run] = []
        for task, run in tasks.items():
            try:
                if task not in done:
                    raise DeadlineExceeded("The encoders did not answer in time.")
                vectors.update(dict.fromkeys(run.halves, task.result()))
                missing += (tower for tower in run.halves if tower in run.failed)
            except InvalidInput:
                raise
            except TriremeError as exc:
                errors.append(exc)
                missing += run.halves
                if isinstance(exc, DeadlineExceeded):
                    late.append(run)
        for run in late:
            # Slowness counts only where something else was ready and had to wait, or can stand in the next time.
            if vectors or run.asked != run.servers[-1][0]:
                self._breakers[run.asked].failed()
        if not vectors:
            raise errors[0]
        vector = join_query(
            self._encoder.space,
            query.weights,
            text=vectors.get("text"),
            clip_text=vectors.get("clip_text"),
            images=list(vectors["clip_image"]) if "clip_image" in vectors else [],
            image_weights=[picture.weight for picture in query.pictures] if "clip_image" in vectors else None,
        )
        stood_in = any("clip_image_distilled" in run.failed for run in runs)
        return Encoded(vector, tuple(missing), stood_in)

    def states(self) -> Iterator[tuple[str, str]]:
        """Name and state of every tower's breaker."""
        for breaker in self._breakers.values():
            yield breaker.name, breaker.state

    async def _wait(self, tasks: set[asyncio.Task[Vector]], budget: Budget) -> set[asyncio.Task[Vector]]:
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

    async def _vector(self, run: _Run) -> Vector:
        """The vector from the first server that gives it; one that failed lately is only tried beside the next."""
        error: TriremeError = DependencyDown("triton", "No encoder can be reached at the moment.")
        for server, work in run.servers:
            kept = self._kept.get((server, run.content))
            if kept is not None:
                return kept
            breaker, is_last = self._breakers[server], server == run.servers[-1][0]
            trusted = breaker.state == "closed"
            if breaker.allow():
                if trusted or is_last:
                    run.asked = server
                    try:
                        vector = await self._ask(server, work)
                        self._kept.put((server, run.content), vector)
                        return vector
                    except (DependencyDown, DependencyFailed, Overloaded) as exc:
                        error = exc
                else:
                    self._try_beside(server, work)
            run.failed.append(server)
        raise error

    async def _ask(self, server: Server, work: Work) -> Vector:
        try:
            vector = await work()
        except (DependencyDown, DependencyFailed):
            self._breakers[server].failed()
            raise
        self._breakers[server].succeeded()
        return vector

    def _try_beside(self, server: Server, work: Work) -> None:
        """See whether a server is back without letting a search wait for it; `work` has a deadline of its own."""

        async def trial() -> None:
            with contextlib.suppress(TriremeError):
                await self._ask(server, work)

        task = asyncio.create_task(trial())
        self._trials.add(task)
        task.add_done_callback(self._trials.discard)

    def _runs(self, query: SearchQuery, budget: Budget, trace: TraceContext, *, distilled: bool) -> list[_Run]:
        """The vectors to make, each with the halves that it fills."""
        weights, words, pictures = query.weights, query.words, query.pictures
        runs: list[_Run] = []
        wants_text = words is not None and weights.text_text != 0
        wants_clip = words is not None and weights.text_image != 0
        shared = self._encoder.shares_text_tower

        def left_s() -> float:
            return max(0.001, budget.shard_deadline_s - self._clock.monotonic_s())

        async def text() -> Vector:
            assert words is not None
            rows = await self._encoder.embed_texts(
                [words], role="query", priority=PRIORITY_QUERY, timeout_s=left_s(), trace=trace
            )
            row: Vector = rows[0]
            return row

        async def clip_text() -> Vector:
            assert words is not None
            return await self._encoder.embed_query_words(words, timeout_s=left_s(), trace=trace)

        async def clip_image(distilled: bool = False) -> Vector:
            """All pictures, a row each."""
            return await self._encoder.embed_pictures(
                [picture.pixels for picture in pictures],
                priority=PRIORITY_QUERY,
                timeout_s=left_s(),
                trace=trace,
                distilled=distilled,
            )

        def add(halves: tuple[Tower, ...], *servers: tuple[Server, Work]) -> None:
            of_words = halves != ("clip_image",)
            content = (words or "",) if of_words else tuple(picture.sha256 for picture in pictures)
            runs.append(_Run(halves, servers, servers[0][0], content))

        if shared and (wants_text or wants_clip):
            wanted: tuple[tuple[Tower, bool], ...] = (("clip_text", wants_clip), ("text", wants_text))
            add(tuple(tower for tower, is_wanted in wanted if is_wanted), ("clip_text", clip_text), ("text", text))
        elif wants_text:
            add(("text",), ("text", text))
        if wants_clip and not shared:
            add(("clip_text",), ("clip_text", clip_text))
        if pictures and weights.image_image != 0:
            small: tuple[tuple[Server, Work], ...] = (("clip_image_distilled", partial(clip_image, True)),)
            add(("clip_image",), *(small if distilled else ()), ("clip_image", clip_image))
        return runs
