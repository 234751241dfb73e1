"""A corpus on disk with its queries and the exact answers; made once per size, in blocks, then memory-mapped."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.index.asked import Asked, K, asked_of
from benchmarks.index.joint_vectors import CorpusSpec, JointVectors

Say = Callable[[str], None]

N_QUERIES = 500
_BLOCK_ROWS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Vectors, queries and truth of one size.

    Args:
        vectors: float16 [n, dim], memory-mapped.
        kinds: uint8 [n]. documents: int64 [n], ascending.
        truth: int64 [pairs, queries, 10], best first, by exact inner products of the float16 rows.
        directory: where the files lie, for engines in other processes.
    """

    spec: CorpusSpec
    vectors: NDArray[np.float16]
    kinds: NDArray[np.uint8]
    documents: NDArray[np.int64]
    asked: Asked
    truth: NDArray[np.int64]
    directory: Path

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.vectors)


def open_data_set(root: Path, spec: CorpusSpec, n_rows: int, say: Say, *, n_queries: int = N_QUERIES) -> DataSet:
    """The data set, made first if it is not there.

    Args:
        root: folder of all data sets.
    """
    of_spec = hashlib.sha256(msgspec.json.encode((spec, n_rows, n_queries))).hexdigest()[:12]
    directory = root / f"{n_rows}-{of_spec}"
    vectors = JointVectors(spec)
    asked = asked_of(vectors, n_queries)
    if not directory.exists():
        say(f"making {n_rows:,} joint vectors and their exact answers in {directory}")
        making = directory.with_name(directory.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        _write_corpus(making, vectors, n_rows)
        np.save(making / "queries.npy", np.stack(asked.by_pair))
        np.save(making / "mixed.npy", asked.mixed)
        np.save(making / "truth.npy", exact_answers(np.load(making / "vectors.npy", mmap_mode="r"), asked))
        making.rename(directory)
    return DataSet(
        spec=spec,
        vectors=np.load(directory / "vectors.npy", mmap_mode="r"),
        kinds=np.load(directory / "kinds.npy"),
        documents=np.load(directory / "documents.npy"),
        asked=asked,
        truth=np.load(directory / "truth.npy"),
        directory=directory,
    )


def _write_corpus(directory: Path, vectors: JointVectors, n_rows: int) -> None:
    kinds, documents = np.empty(n_rows, dtype=np.uint8), np.empty(n_rows, dtype=np.int64)
    rows = np.lib.format.open_memmap(
        directory / "vectors.npy", mode="w+", dtype=np.float16, shape=(n_rows, vectors.spec.dim)
    )
    first = 0
    for chunk in vectors.chunks(n_rows):
        part = slice(first, first + len(chunk.vectors))
        rows[part], kinds[part], documents[part] = chunk.vectors, chunk.kinds, chunk.documents
        first += len(chunk.vectors)
    rows.flush()
    np.save(directory / "kinds.npy", kinds)
    np.save(directory / "documents.npy", documents)


def exact_answers(vectors: NDArray[np.float16], asked: Asked) -> NDArray[np.int64]:
    """The true top 10 of every query, int64 [pairs, queries, 10]: blocks of rows against all queries at once.

    Rounding: float32 products of float16 rows, about 1e-6; two rows whose scores differ by less may swap places.
    """
    queries = np.concatenate(asked.by_pair)
    scores = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    ids = np.empty((len(queries), 0), dtype=np.int64)
    for first in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[first : first + _BLOCK_ROWS].astype(np.float32)
        products = queries @ block.T
        best = np.argpartition(-products, min(K, products.shape[1]) - 1, axis=1)[:, :K]
        scores = np.hstack([scores, np.take_along_axis(products, best, axis=1)])
        ids = np.hstack([ids, best + first])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        scores, ids = np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
    return ids.reshape(len(asked.by_pair), -1, K)
