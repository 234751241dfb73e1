"""Requests that run together: their inputs joined into memory that is kept, their outputs taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Arrays = Mapping[str, Any]


class BatchMemory:
    """Joins the inputs of requests along their first dimension; the memory grows to the largest batch and stays.

    Fresh memory of a megabyte comes from the operating system page by page, once for every batch.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def join(self, requests: Sequence[Arrays]) -> Arrays:
        """Every input of all requests, in order; valid until the next call. A single one's are handed on.

        Shorter rows are filled up with zeros to the longest, where inputs differ in their second dimension.

        Raises:
            ValueError: inputs of one name differ in more than their first two dimensions.
        """
        if len(requests) == 1:
            return requests[0]
        return {name: self._joined(name, [each[name] for each in requests]) for name in requests[0]}

    def _joined(self, name: str, parts: Sequence[Any]) -> Any:
        rows, first = sum(len(part) for part in parts), parts[0]
        if any(part.shape[2:] != first.shape[2:] for part in parts):
            raise ValueError(f"inputs {name} of different shape cannot be joined")
        shape = (rows, max(part.shape[1] for part in parts), *first.shape[2:]) if first.ndim > 1 else (rows,)
        size = int(np.prod(shape))
        kept = self._kept.get(name)
        if kept is None or kept.size < size or kept.dtype != first.dtype:
            kept = self._kept[name] = np.empty(size, first.dtype)
        joined = kept[:size].reshape(shape)
        if all(part.shape[1:] == first.shape[1:] for part in parts):
            return np.concatenate(parts, out=joined)
        joined.fill(0)
        row = 0
        for part in parts:
            joined[row : row + len(part), : part.shape[1]] = part
            row += len(part)
        return joined


def take_apart(outputs: Sequence[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """Each request's rows of every output: views, no copies."""
    edges = np.cumsum(sizes)
    return [[output[end - size : end] for output in outputs] for size, end in zip(sizes, edges, strict=True)]
