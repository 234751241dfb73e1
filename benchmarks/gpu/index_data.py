"""Joint vectors by the millions, drawn by all cores at once, and the exact best of them by the device."""

from __future__ import annotations

import mmap
import multiprocessing
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.gpu.device import on_gpu, place
from benchmarks.index.joint_vectors import CHUNK_ROWS, CorpusSpec, JointVectors

WEIGHTS = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.3))
K = 10
_EXACT_ROWS = 500_000

Vectors = NDArray[np.float16]
Queries = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class JointData:
    """Rows float16 [n, dim], the documents they are of [n], and queries float32 [m, dim]: a mix of all weights."""

    rows: Vectors
    documents: NDArray[np.int64]
    queries: Queries


_shared: dict[str, Any] = {}


def draw(n_rows: int, n_queries: int) -> JointData:
    """The first `n_rows` of the benchmark's corpus (`benchmarks.index.joint_vectors`)."""
    dim = CorpusSpec().dim
    rows = np.frombuffer(mmap.mmap(-1, n_rows * dim * 2), dtype=np.float16).reshape(n_rows, dim)
    documents = np.frombuffer(mmap.mmap(-1, n_rows * 8), dtype=np.int64)
    corpus = JointVectors(CorpusSpec())
    _shared.update(rows=rows, documents=documents, corpus=corpus)
    context = multiprocessing.get_context("fork")
    numbers = range(-(-n_rows // CHUNK_ROWS))
    with context.Pool(min(len(numbers), os.cpu_count() or 1)) as pool:
        for _ in pool.imap_unordered(_fill, numbers, chunksize=1):
            pass
    text, picture = corpus.held_out(n_queries)
    pairs = np.array([WEIGHTS[i % len(WEIGHTS)] for i in range(n_queries)], dtype=np.float32)
    queries = np.hstack([pairs[:, :1] * text, pairs[:, 1:] * picture]).astype(np.float32)
    return JointData(rows, documents, queries)


def _fill(number: int) -> None:
    rows, corpus = _shared["rows"], _shared["corpus"]
    first = number * CHUNK_ROWS
    n = min(CHUNK_ROWS, len(rows) - first)
    chunk = corpus.chunk(number)
    rows[first : first + n] = chunk.vectors[:n]
    _shared["documents"][first : first + n] = chunk.documents[:n]


def exact(data: JointData) -> NDArray[np.int64]:
    """Numbers of the `K` best rows of each query, [m, K], by scanning all of them in float32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    queries = torch.from_numpy(data.queries).to(place())
    best = torch.full((len(queries), K), -torch.inf, device=place())
    numbers = torch.full((len(queries), K), -1, dtype=torch.int64, device=place())
    for first in range(0, len(data.rows), _EXACT_ROWS):
        block = torch.from_numpy(np.array(data.rows[first : first + _EXACT_ROWS])).to(place()).float()
        scores, found = (queries @ block.T).topk(min(K, len(block)), dim=1)
        best, order = torch.cat([best, scores], dim=1).topk(K, dim=1)
        numbers = torch.cat([numbers, found + first], dim=1).gather(1, order)
        del block
    if on_gpu():
        torch.cuda.empty_cache()
    wanted: NDArray[np.int64] = numbers.cpu().numpy()
    return wanted


def recall(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """Share of the exact best that was found."""
    hits = [len(np.intersect1d(row, right)) for row, right in zip(found, wanted, strict=True)]
    return float(np.mean(hits) / wanted.shape[1])
