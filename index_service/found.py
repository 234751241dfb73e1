"""One list out of what the parts of a shard found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import SlotNumbers
from index_service.delta import Delta
from index_service.hits import Candidate
from index_service.ranking import Ranked
from index_service.sealed import SealedSegment


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The best of one part for one query, ties at the end included; arrays of one length.

    Args:
        taken: candidates read already, because the part may forget them; else they are read from `part`.
    """

    part: Delta | SealedSegment
    slots: SlotNumbers
    score: NDArray[np.float64]
    text_score: NDArray[np.float32]
    image_score: NDArray[np.float32]
    taken: list[Candidate] | None

    @classmethod
    def of(cls, part: Delta | SealedSegment, ranked: Ranked, k: int) -> "Scored":
        """The best `k` of a part. For a delta their payloads are read at once."""
        score = ranked.score
        best = np.arange(len(score)) if len(score) <= k else np.flatnonzero(score >= np.partition(score, -k)[-k])
        scored = cls(
            part, ranked.slots[best], score[best], ranked.text_score[best], ranked.image_score[best], None
        )
        if isinstance(part, SealedSegment):
            return scored
        taken = [scored.candidate(i) for i in range(len(best))]
        return cls(part, scored.slots, scored.score, scored.text_score, scored.image_score, taken)

    def candidate(self, i: int) -> Candidate:
        """One of them with what a hit needs."""
        if self.taken is not None:
            return self.taken[i]
        slot = int(self.slots[i])
        head = self.part.head(int(self.part.columns.owners[slot]))
        if not head.first <= slot < head.first + head.n:
            raise RuntimeError(f"slot {slot} came back from a search but belongs to no document")
        return Candidate(
            doc_id=head.doc_id,
            version=head.version,
            fields=head.fields,
            payload=self.part.payload(slot),
            score=float(self.score[i]),
            text_score=float(self.text_score[i]),
            image_score=float(self.image_score[i]),
        )


def best_of(scored: list[Scored], k: int) -> list[Candidate]:
    """The best `k` of all parts, and those that score like the last of them."""
    if not scored:
        return []
    score = np.concatenate([one.score for one in scored])
    floor = np.partition(score, -k)[-k] if len(score) > k else -np.inf
    return [one.candidate(i) for one in scored for i in np.flatnonzero(one.score >= floor).tolist()]
