"""A model in miniature that can be held up, and be full, and be away; its vectors are computed from its rows."""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TriremeError
from contracts.trace import TraceContext
from tests.ingest.samples import TEXT_DIM, vector

TRACE = TraceContext("a" * 32, "b" * 16)


class Model:
    """`compute` of `SharedBatches` for rows that are words.

    Args:
        bad: a row that the model cannot take, and what it says of it.
    """

    def __init__(self, bad: str | None = None, error: TriremeError | None = None) -> None:
        self.calls: list[tuple[list[str], int]] = []
        self.errors: list[TriremeError] = []
        self.under_way = 0
        self.most_under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._bad = (bad, error)

    async def __call__(self, rows: Sequence[str], priority: int, trace: TraceContext) -> NDArray[np.float32]:
        self.calls.append((list(rows), priority))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
            if self.errors:
                raise self.errors.pop(0)
            if self._bad[0] in rows and self._bad[1] is not None:
                raise self._bad[1]
        finally:
            self.under_way -= 1
        return np.stack([vector(row, TEXT_DIM) for row in rows])

    @property
    def rows(self) -> list[str]:
        """Every row of every call."""
        return [row for rows, _ in self.calls for row in rows]


class Noted:
    """A `Watcher` that counts."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.refusals = 0

    def called(self, rows: int) -> None:
        self.calls.append(rows)

    def pushed_back(self) -> None:
        self.refusals += 1
