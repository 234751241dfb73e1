"""The recall probe: repeats a sample of recent queries exactly and compares, at several weights of the halves.

An approximate index may lose recall slowly, and for some weights only; nothing else would tell. The probe has a
thread of its own and takes at most a hundredth of its time. Queries are kept in memory alone, as vectors.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.metrics import INDEX_PROBE_SECONDS, INDEX_PROBES, INDEX_RECALL
from contracts.search import ShardHit
from index_service.queries import Query
from index_service.vectors import use_faiss_threads
from runtime.telemetry import Metrics, get_logger

_LOG = get_logger(__name__)

WEIGHTS: tuple[tuple[float, float], ...] = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.3))
_K = 10
_SHARE = 0.01
_SHORTEST_PAUSE_S = 1.0
_QUERIES_KEPT = 64
# Recall is told as the mean over so many probes.
_PROBES_KEPT = 50


class Hits(Protocol):
    """What a search found."""

    @property
    def hits(self) -> tuple[ShardHit, ...]:
        """Best first, with exact scores."""
        ...


class Searched(Protocol):
    """A shard, as far as it is probed."""

    def search(self, queries: Sequence[Query]) -> Sequence[Hits]:
        """Answer queries; the i-th result belongs to the i-th query."""
        ...


@dataclass(frozen=True, slots=True)
class _Noted:
    shard: int
    query: Query


class RecallProbe:
    """Probes the shards of one process.

    Args:
        shards: gives a shard by number, as it is now.
        exactly: the same query, to be answered by an exact scan.
        text_dim: where the text half of a vector ends.
        seed: of the choice among recent queries.
    """

    def __init__(
        self,
        shards: Callable[[int], Searched],
        exactly: Callable[[Query], Query],
        text_dim: int,
        metrics: Metrics,
        *,
        seed: int = 0,
    ) -> None:
        self._shards = shards
        self._exactly = exactly
        self._text_dim = text_dim
        self._choice = random.Random(seed)
        self._noted: deque[_Noted] = deque(maxlen=_QUERIES_KEPT)
        self._recalls: dict[tuple[int, str], deque[float]] = {}
        self._recall = metrics.gauge(INDEX_RECALL)
        self._probes = metrics.counter(INDEX_PROBES)
        self._seconds = metrics.counter(INDEX_PROBE_SECONDS)

    def note(self, shard: int, query: Query) -> None:
        """A query was asked. Called by the thread that answers; costs nothing."""
        self._noted.append(_Noted(shard, query))

    def run(self, stop: threading.Event) -> None:
        """Probe until `stop` is set."""
        use_faiss_threads(1)
        pause_s = _SHORTEST_PAUSE_S
        while not stop.wait(pause_s):
            started = time.perf_counter()
            try:
                self.probe()
            except Exception:  # noqa: BLE001 - the outermost loop of the thread
                _LOG.exception("probe_failed")
            pause_s = pause_after(time.perf_counter() - started)

    def probe(self) -> Mapping[str, float]:
        """Repeat one of the recent queries; its recall by weights. Nothing where there was none."""
        try:
            noted = self._choice.choice(tuple(self._noted))
        except IndexError:
            return {}
        started = time.perf_counter()
        shard = self._shards(noted.shard)
        recalls: dict[str, float] = {}
        for weights, query in weighted(noted.query, self._text_dim).items():
            [exact] = shard.search([self._exactly(query)])
            [found] = shard.search([query])
            recall = recall_of(found.hits, exact.hits)
            if recall is not None:
                recalls[weights] = recall
        number = str(noted.shard)
        for weights, recall in recalls.items():
            kept = self._recalls.setdefault((noted.shard, weights), deque(maxlen=_PROBES_KEPT))
            kept.append(recall)
            self._recall.labels(number, weights).set(sum(kept) / len(kept))
        self._probes.labels(number).inc()
        self._seconds.labels(number).inc(time.perf_counter() - started)
        return recalls


def pause_after(cost_s: float) -> float:
    """How long to rest after a probe that took so long."""
    return max(_SHORTEST_PAUSE_S, cost_s * (1 / _SHARE - 1))


def weighted(query: Query, text_dim: int) -> dict[str, Query]:
    """A query at each of the weights, by their names ("1:0.3"); those that leave nothing of it are left out."""
    text, image = _unit(query.vector[:text_dim]), _unit(query.vector[text_dim:])
    made: dict[str, Query] = {}
    for text_weight, image_weight in WEIGHTS:
        vector = np.concatenate([text_weight * text, image_weight * image]).astype(np.float32)
        if vector.any():
            made[f"{text_weight:g}:{image_weight:g}"] = replace(query, vector=vector, k=_K)
    return made


def recall_of(found: Sequence[ShardHit], exact: Sequence[ShardHit]) -> float | None:
    """Share of the exact hits that were found; None where there is nothing to find.

    A hit that scores like the last exact one counts, whichever of several equals it is.
    """
    if not exact:
        return None
    last = exact[-1].score
    return min(1.0, sum(hit.score >= last for hit in found) / len(exact))


def _unit(half: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(half))
    return half / np.float32(length) if length > 0 else half
