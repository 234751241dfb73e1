"""Runs a model on Triton over batches of rows, a few at a time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.tensors import CLIP_IMAGE, EMBEDDING, MODELS
from contracts.trace import TraceContext

Vectors = NDArray[np.float32]
Tensors = Mapping[str, NDArray[Any]]

# A server with two cores gains nothing from more; the rest wait here and not in Triton's bounded queue.
_BATCHES_IN_FLIGHT = 2


class Inference(Protocol):
    """Runs a model; `runtime.triton.TritonClient` does, and so may a test's fake."""

    async def infer(
        self,
        model: str,
        inputs: Tensors,
        outputs: Sequence[str],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
        ...

    async def largest_batch(self, model: str, *, timeout_s: float) -> int:
        """The most rows that the model takes in one request, as the server says."""
        ...


async def batch_size(inference: Inference, model: str, rows: int, *, timeout_s: float) -> int:
    """Rows of one request: what any server of ours takes, or, where there are more rows, what this one takes.

    Raises:
        DependencyDown, DeadlineExceeded: the server did not say.
    """
    small = MODELS[CLIP_IMAGE].max_batch_size_cpu
    return small if rows <= small else await inference.largest_batch(model, timeout_s=timeout_s)


async def embed_batches(
    inference: Inference,
    model: str,
    batches: Sequence[Sequence[int]],
    tensors: Callable[[Sequence[int]], Tensors],
    dim: int,
    *,
    priority: int,
    timeout_s: float,
    trace: TraceContext | None,
) -> Vectors:
    """Vectors of all rows, float32 [rows, dim]; rows keep their order, whatever batch they are in.

    Args:
        tensors: the model's inputs for the rows of one batch.

    Raises:
        DependencyDown, Overloaded, DeadlineExceeded, DependencyFailed: see `TritonClient.infer`.
    """
    out = np.zeros((sum(len(rows) for rows in batches), dim), dtype=np.float32)

    async def run(rows: Sequence[int]) -> None:
        result = await inference.infer(
            model, tensors(rows), [EMBEDDING], priority=priority, timeout_s=timeout_s, trace=trace
        )
        out[list(rows)] = result[EMBEDDING]

    await a_few_at_a_time(run, batches, _BATCHES_IN_FLIGHT)
    return out


async def a_few_at_a_time(
    run: Callable[[Sequence[int]], Any], batches: Sequence[Sequence[int]], at_once: int
) -> None:
    """Run every batch, at most `at_once` side by side; the first error ends the others and is raised alone."""
    if len(batches) == 1:
        await run(batches[0])
        return
    slots = asyncio.Semaphore(at_once)

    async def in_turn(rows: Sequence[int]) -> None:
        async with slots:
            await run(rows)

    try:
        async with asyncio.TaskGroup() as tasks:
            for rows in batches:
                tasks.create_task(in_turn(rows))
    except ExceptionGroup as group:
        # The batches fail alike (server gone, queue full): callers get that one error, not a group.
        raise group.exceptions[0] from group


def slices(n: int, size: int) -> list[range]:
    """The rows 0 to n in batches of at most `size`."""
    return [range(start, min(start + size, n)) for start in range(0, n, size)]
