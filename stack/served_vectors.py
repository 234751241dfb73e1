"""Whether a server gives a model's vectors: what it runs the graph with may compute otherwise than the export."""

from __future__ import annotations

import numpy as np

from contracts.tensors import EMBEDDING, PRIORITY_UPLOAD
from export.same_vectors import Reference, smallest_cosine
from runtime.triton import TritonClient

INFER_TIMEOUT_S = 60.0


async def served_cosine(address: str, model: str, reference: Reference, threshold: float, who: str) -> float:
    """The smallest cosine between the server's vectors and the reference's, over the reference's inputs.

    Raises:
        Conflict: it is below the threshold.
        DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: the server gives no vectors.
    """
    client = TritonClient(address)
    try:
        answers = [
            await client.infer(model, feeds, [EMBEDDING], priority=PRIORITY_UPLOAD, timeout_s=INFER_TIMEOUT_S)
            for feeds in reference.feeds
        ]
    finally:
        await client.close()
    vectors = np.concatenate([answer[EMBEDDING] for answer in answers])
    return smallest_cosine(vectors, reference, threshold, who)
