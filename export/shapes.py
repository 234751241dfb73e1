"""The tensor shapes that an exported tower is asked for, from the smallest to the largest. No PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from encoding.text import BUCKETS

Kind = Literal["image", "text"]
Shapes = Mapping[str, tuple[int, ...]]

# What a paragraph of 300-500 words' tokens and a question have between them.
_USUAL_LENGTH = 64


@dataclass(frozen=True, slots=True)
class TowerShapes:
    """A tower's input sizes.

    Args:
        length: edge of the picture in pixels, or the longest sequence in tokens.
        dim: width of the vectors.
    """

    kind: Kind
    length: int
    dim: int

    @property
    def tokens(self) -> tuple[int, int, int]:
        """Shortest, usual and longest padded sequence."""
        return min(BUCKETS[0], self.length), min(_USUAL_LENGTH, self.length), self.length

    def profile(self, max_batch: int) -> tuple[Shapes, Shapes, Shapes]:
        """Shapes of every input at the smallest, the usual and the largest request, batch dimension first."""
        batches = (1, max(1, max_batch // 4), max_batch)
        lengths = (self.length,) * 3 if self.kind == "image" else self.tokens
        small, usual, large = (self._shapes(n, length) for n, length in zip(batches, lengths, strict=True))
        return small, usual, large

    def _shapes(self, batch: int, length: int) -> Shapes:
        if self.kind == "image":
            return {"image": (batch, length, length, 3)}
        return {"input_ids": (batch, length), "attention_mask": (batch, length)}
