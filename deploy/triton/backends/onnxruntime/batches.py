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

        Raises:
            ValueError: inputs of one name differ in more than their first dimension.
        """
        if len(requests) == 1:
            return requests[0]
        return {name: self._joined(name, [each[name] for each in requests]) for name in requests[0]}

    def _joined(self, name: str, parts: Sequence[Any]) -> Any:
        rows, size = sum(len(part) for part in parts), sum(part.size for part in parts)
        kept = self._kept.get(name)
        if kept is None or kept.size < size or kept.dtype != parts[0].dtype:
            kept = self._kept[name] = np.empty(size, parts[0].dtype)
        return np.concatenate(parts, out=kept[:size].reshape(rows, *parts[0].shape[1:]))


def take_apart(outputs: Sequence[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """Each request's rows of every output: views, no copies."""
    edges = np.cumsum(sizes)
    return [[output[end - size : end] for output in outputs] for size, end in zip(sizes, edges, strict=True)]
