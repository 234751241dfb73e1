"""One list out of what the parts of a shard found."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import SlotNumbers
from index_service.delta import Delta
from index_service.hits import Candidate
from index_service.lexical.blending import Blended
from index_service.sealed import SealedSegment


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The best of one part for one query, ties at the end included; arrays of one length.

    Slots, heads and payloads of a part never change once they are there, so they are read without its lock.
    """

    part: Delta | SealedSegment
    slots: SlotNumbers
    score: NDArray[np.float64]
    text_score: NDArray[np.float32]
    image_score: NDArray[np.float32]
    lexical_score: NDArray[np.float32]

    @classmethod
    def of(cls, part: Delta | SealedSegment, blended: Blended, k: int) -> "Scored":
        """The best `k` of a part."""
        score, dense, lexical_score = blended.score, blended.dense, blended.lexical_score
        if len(score) > k:
            best = np.flatnonzero(score >= np.partition(score, -k)[-k])
            score, lexical_score = score[best], lexical_score[best]
            return cls(
                part, dense.slots[best], score, dense.text_score[best], dense.image_score[best], lexical_score
            )
        return cls(part, dense.slots, score, dense.text_score, dense.image_score, lexical_score)

    def candidates(self, floor: float) -> Iterator[Candidate]:
        """Those that score at least `floor`, with what a hit needs."""
        best = np.flatnonzero(self.score >= floor)
        slots = self.slots[best]
        for slot, owner, *scores in zip(
            slots.tolist(),
            self.part.columns.owners[slots].tolist(),
            self.score[best].tolist(),
            self.text_score[best].tolist(),
            self.image_score[best].tolist(),
            self.lexical_score[best].tolist(),
            strict=True,
        ):
            head = self.part.head(owner)
            if not head.first <= slot < head.first + head.n:
                raise RuntimeError(f"slot {slot} came back from a search but belongs to no document")
            yield Candidate(head.doc_id, head.version, head.fields, self.part.payload(slot), *scores)


def best_of(scored: list[Scored], k: int) -> list[Candidate]:
    """The best `k` of all parts, and those that score like the last of them."""
    if not scored:
        return []
    score = np.concatenate([one.score for one in scored])
    floor = float(np.partition(score, -k)[-k]) if len(score) > k else -np.inf
    return [candidate for one in scored for candidate in one.candidates(floor)]
