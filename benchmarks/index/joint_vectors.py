"""Structured joint vectors `[t ; v]`: clustered, correlated, with absent halves, as documents give them. Seeded.

Three levels, as in a real collection: topics (clusters) of power-law sizes, documents in them, items in documents.
A half is `unit(sqrt(a) * topic + sqrt(b) * document + sqrt(c) * item)` with a + b + c = 1; each part is Gaussian
with a spectrum that falls like 1/rank, in a random basis of its half, which gives it few effective dimensions, as
encoders' vectors have. A topic's picture centre shares a part of its directions with its text centre; below the
topic the halves know nothing of each other. Knows nothing of files, Faiss or queries' weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

# Rows are drawn in chunks of this many, each from its own seed: a smaller data set is the start of a larger one.
CHUNK_ROWS = 10_000


class Kind(IntEnum):
    """Which halves an item has."""

    TEXT = 0
    PICTURE_WITH_TEXT = 1
    PICTURE_ALONE = 2


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """What the vectors are like.

    Args:
        topic_exponent: the n-th topic is drawn with a weight of n to the minus this.
        text_spread, image_spread: shares of the variance that are the topic's, the document's, the item's own.
        shared_topic: correlation of a topic's text centre with its picture centre.
        kind_shares: of text items [t ; 0], pictures beside text [t ; v] and pictures alone [0 ; v].
        mean_items: items of a document, at least 1, geometric.
    """

    seed: int = 20261125
    text_dim: int = 384
    image_dim: int = 384
    n_topics: int = 3000
    topic_exponent: float = 0.8
    text_spread: tuple[float, float, float] = (0.3, 0.25, 0.45)
    image_spread: tuple[float, float, float] = (0.3, 0.15, 0.55)
    shared_topic: float = 0.7
    kind_shares: tuple[float, float, float] = (0.6, 0.3, 0.1)
    mean_items: float = 8.0

    @property
    def dim(self) -> int:
        """Width of a joint vector."""
        return self.text_dim + self.image_dim


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Rows of some documents, a document's rows side by side.

    Args:
        vectors: float16 [n, dim], each half of length 1 or 0.
        kinds: uint8 [n], a `Kind` each.
        documents: int64 [n], number of the document, ascending.
    """

    vectors: NDArray[np.float16]
    kinds: NDArray[np.uint8]
    documents: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Half:
    """One half's directions: the basis of its Gaussians and the topics' centres [n_topics, width]."""

    basis: NDArray[np.float32]
    centres: NDArray[np.float32]
    spread: tuple[float, float, float]

    def rows(
        self, rng: np.random.Generator, topics: NDArray[np.int64], documents: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """A unit row per item; `topics` has one entry a document, `documents` says whose each item is."""
        of_topic, of_document, of_item = np.sqrt(self.spread).astype(np.float32)
        width = len(self.basis)
        whole = of_topic * self.centres[topics]
        whole += of_document * (_coordinates(rng, len(topics), width) @ self.basis)
        rows = whole[documents] + of_item * (_coordinates(rng, len(documents), width) @ self.basis)
        return _unit(rows)


class JointVectors:
    """The corpus that a spec describes, by chunks, and points beside it that queries can be made of."""

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        rng = np.random.default_rng([spec.seed, 0])
        text = _coordinates(rng, spec.n_topics, spec.text_dim)
        own = _coordinates(rng, spec.n_topics, spec.image_dim)
        shared = np.zeros_like(own)
        width = min(spec.text_dim, spec.image_dim)
        shared[:, :width] = text[:, :width]
        image = spec.shared_topic * shared + np.float32(np.sqrt(1 - spec.shared_topic**2)) * own
        bases = _basis(rng, spec.text_dim), _basis(rng, spec.image_dim)
        self._text = _Half(bases[0], text @ bases[0], spec.text_spread)
        self._image = _Half(bases[1], image @ bases[1], spec.image_spread)
        weights = np.arange(1, spec.n_topics + 1, dtype=np.float64) ** -spec.topic_exponent
        self._shares = weights / weights.sum()

    def chunks(self, n_rows: int) -> Iterator[Chunk]:
        """The first `n_rows` rows; the last chunk may be a part of one."""
        for number, first in enumerate(range(0, n_rows, CHUNK_ROWS)):
            chunk = self.chunk(number)
            n = min(CHUNK_ROWS, n_rows - first)
            yield Chunk(chunk.vectors[:n], chunk.kinds[:n], chunk.documents[:n])

    def held_out(self, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Text halves [n, text_dim] and picture halves [n, image_dim] of items of documents that no chunk has."""
        rng = np.random.default_rng([self.spec.seed, 2])
        topics = rng.choice(self.spec.n_topics, size=n, p=self._shares)
        each = np.arange(n)
        return self._text.rows(rng, topics, each), self._image.rows(rng, topics, each)

    def chunk(self, number: int) -> Chunk:
        """The rows of one chunk: any of them can be drawn alone."""
        spec, rng = self.spec, np.random.default_rng([self.spec.seed, 1, number])
        sizes = rng.geometric(1 / spec.mean_items, size=CHUNK_ROWS)
        documents = np.repeat(np.arange(CHUNK_ROWS), sizes)[:CHUNK_ROWS]
        topics = rng.choice(spec.n_topics, size=documents[-1] + 1, p=self._shares)
        kinds = rng.choice(np.array(list(Kind), dtype=np.uint8), size=CHUNK_ROWS, p=spec.kind_shares)
        vectors = np.empty((CHUNK_ROWS, spec.dim), dtype=np.float16)
        vectors[:, : spec.text_dim] = self._text.rows(rng, topics, documents)
        vectors[:, spec.text_dim :] = self._image.rows(rng, topics, documents)
        vectors[kinds == Kind.PICTURE_ALONE, : spec.text_dim] = 0
        vectors[kinds == Kind.TEXT, spec.text_dim :] = 0
        return Chunk(vectors, kinds, number * CHUNK_ROWS + documents)


def _coordinates(rng: np.random.Generator, n: int, width: int) -> NDArray[np.float32]:
    """Gaussian [n, width] of expected length 1 whose variances fall like 1/rank."""
    variances = 1 / np.arange(1, width + 1)
    deviations = np.sqrt(variances / variances.sum()).astype(np.float32)
    drawn: NDArray[np.float32] = rng.standard_normal((n, width), dtype=np.float32) * deviations
    return drawn


def _basis(rng: np.random.Generator, width: int) -> NDArray[np.float32]:
    return np.linalg.qr(rng.standard_normal((width, width)))[0].astype(np.float32)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
