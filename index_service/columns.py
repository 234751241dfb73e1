"""A numpy array that grows at its end."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FIRST_CAPACITY = 1024


class Column:
    """One value per slot or per document. Appending costs O(1) on average: the room behind it doubles.

    Args:
        values: to begin with; kept, not copied, until something is appended.
    """

    def __init__(self, dtype: DTypeLike, values: NDArray[Any] | None = None) -> None:
        self._room: NDArray[Any] = np.zeros(_FIRST_CAPACITY, dtype=dtype) if values is None else values
        self._n = 0 if values is None else len(values)

    def __len__(self) -> int:
        return self._n

    @property
    def values(self) -> NDArray[Any]:
        """The values so far, as a view: writing into it changes the column."""
        return self._room[: self._n]

    def extend(self, values: Any, n: int) -> None:
        """Append `n` values: an array of that length, or one value for all."""
        end = self._n + n
        if end > len(self._room):
            room = np.zeros(max(end, 2 * len(self._room)), dtype=self._room.dtype)
            room[: self._n] = self.values
            self._room = room
        self._room[self._n : end] = values
        self._n = end
