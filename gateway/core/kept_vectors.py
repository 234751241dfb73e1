"""The vectors of the last queries, by what they were made of. Pure but for its memory."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from contracts.joint import Vector

K = TypeVar("K", bound=Hashable)


class KeptVectors(Generic[K]):
    """The `most` vectors that were wanted last; none where that is 0."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._vectors: OrderedDict[K, Vector] = OrderedDict()

    def get(self, key: K) -> Vector | None:
        """The vector, or None."""
        vector = self._vectors.get(key)
        if vector is not None:
            self._vectors.move_to_end(key)
        return vector

    def put(self, key: K, vector: Vector) -> None:
        """Keep a vector, which nobody may change any more."""
        if not self._most:
            return
        self._vectors[key] = vector
        self._vectors.move_to_end(key)
        if len(self._vectors) > self._most:
            self._vectors.popitem(last=False)
