"""What the embedders tell of their rows, as metrics."""

from typing import Literal

from contracts.metrics import EMBEDDING_CALL_ROWS, EMBEDDING_CHECKPOINTS, EMBEDDING_PUSHED_BACK, EMBEDDING_ROWS
from contracts.topics import Stage
from runtime.telemetry import Metrics

Source = Literal["computed", "shared", "cached", "resumed"]
CheckpointEvent = Literal["written", "resumed", "removed"]


class EmbeddingCounts:
    """Counts of one stage; a `Watcher` of its batches, too."""

    def __init__(self, metrics: Metrics, stage: Stage) -> None:
        self._stage = stage
        self._rows = metrics.counter(EMBEDDING_ROWS)
        self._call_rows = metrics.histogram(EMBEDDING_CALL_ROWS)
        self._pushed_back = metrics.counter(EMBEDDING_PUSHED_BACK)
        self._checkpoints = metrics.counter(EMBEDDING_CHECKPOINTS)

    def rows(self, source: Source, n: int) -> None:
        """So many rows got their vectors from there."""
        if n:
            self._rows.labels(stage=self._stage, source=source).inc(n)

    def called(self, rows: int) -> None:
        """A call of so many rows was answered."""
        self._call_rows.labels(stage=self._stage).observe(rows)

    def pushed_back(self) -> None:
        """The model's queue was full."""
        self._pushed_back.labels(stage=self._stage).inc()

    def checkpoint(self, event: CheckpointEvent) -> None:
        """A checkpoint was written, gone on from, or removed."""
        self._checkpoints.labels(stage=self._stage, event=event).inc()
