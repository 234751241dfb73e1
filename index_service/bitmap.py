"""Sets of slots as packed bits, the way Faiss reads them: bit i of byte j is slot 8j + i."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Packed = NDArray[np.uint8]
SlotNumbers = NDArray[np.int64]

# Room is given in whole machine words, so that bits can be counted eight bytes at a time.
_WORD_BITS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Bitmap:
    """Which of `n_slots` slots are selected. Nobody changes it.

    Args:
        packed: uint8 [words * 8]; the bits beyond `n_slots` are 0.
        count: selected slots.
    """

    packed: Packed
    n_slots: int
    count: int

    @property
    def all(self) -> bool:
        """Whether every slot is selected."""
        return self.count == self.n_slots

    def bools(self) -> NDArray[np.bool_]:
        """The same as bool [n_slots]."""
        return np.unpackbits(self.packed, count=self.n_slots, bitorder="little").view(np.bool_)

    def slots(self) -> SlotNumbers:
        """The selected slots, ascending."""
        return np.flatnonzero(self.bools()).astype(np.int64)

    def has(self, slots: SlotNumbers) -> NDArray[np.bool_]:
        """Which of some slots (each >= 0 and < n_slots) are selected."""
        chosen: NDArray[np.bool_] = (self.packed[slots >> 3] >> (slots & 7).astype(np.uint8) & 1).astype(np.bool_)
        return chosen

    def __and__(self, other: "Bitmap") -> "Bitmap":
        """Slots selected in both; they have equally many slots."""
        return packed_bitmap(self.packed & other.packed, self.n_slots)

    def without(self, other: "Bitmap") -> "Bitmap":
        """Slots selected here and not in `other`; they have equally many slots."""
        return packed_bitmap(self.packed & ~other.packed, self.n_slots)


def packed_bitmap(packed: Packed, n_slots: int) -> Bitmap:
    """A bitmap of packed bits, with its bits counted. `packed` has whole words, and zeros beyond `n_slots`."""
    return Bitmap(packed, n_slots, int(np.bitwise_count(packed.view(np.uint64)).sum()))


def bitmap_of(selected: NDArray[np.bool_]) -> Bitmap:
    """A bitmap of bools, shape [n_slots]."""
    packed = np.zeros(room_bytes(len(selected)), dtype=np.uint8)
    bits = np.packbits(selected, bitorder="little")
    packed[: len(bits)] = bits
    return Bitmap(packed, len(selected), int(np.count_nonzero(selected)))


def room_bytes(n_slots: int) -> int:
    """Bytes that packed bits of `n_slots` slots take, in whole words."""
    return -(-n_slots // _WORD_BITS) * (_WORD_BITS // 8)


class LiveBits:
    """Which slots are alive. One thread changes it; a `Bitmap` that was given out never changes.

    Args:
        bitmap: bits to begin with; a copy is taken.
    """

    def __init__(self, bitmap: Bitmap | None = None) -> None:
        self._packed: Packed = bitmap.packed.copy() if bitmap else np.zeros(room_bytes(1), dtype=np.uint8)
        self.n_slots = bitmap.n_slots if bitmap else 0
        self.n_live = bitmap.count if bitmap else 0
        self._given: Bitmap | None = None

    def extend(self, n: int) -> None:
        """Append `n` slots that are alive."""
        if not n:
            return
        end = self.n_slots + n
        if room_bytes(end) > len(self._packed):
            room = np.zeros(max(room_bytes(end), 2 * len(self._packed)), dtype=np.uint8)
            room[: len(self._packed)] = self._packed
            self._packed = room
        self._set(self.n_slots, end, alive=True)
        self.n_slots, self.n_live = end, self.n_live + n
        self._given = None

    def kill(self, first: int, n: int) -> None:
        """Note that `n` slots from `first` on, all alive, are dead."""
        self._set(first, first + n, alive=False)
        self.n_live -= n
        self._given = None

    def bitmap(self) -> Bitmap:
        """The bits as they are now."""
        if self._given is None:
            self._given = Bitmap(self._packed[: room_bytes(self.n_slots)].copy(), self.n_slots, self.n_live)
        return self._given

    def _set(self, first: int, end: int, *, alive: bool) -> None:
        bits = np.arange(first, end)
        masks = (1 << (bits & 7)).astype(np.uint8)
        if alive:
            np.bitwise_or.at(self._packed, bits >> 3, masks)
        else:
            np.bitwise_and.at(self._packed, bits >> 3, ~masks)
