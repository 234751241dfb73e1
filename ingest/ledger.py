"""Which records are finished, and up to where a partition may be committed. Pure."""

from collections.abc import Iterable, Mapping

Partition = tuple[str, int]


class OffsetLedger:
    """Keeps account of records that finish in any order; what lies before the first open one is committable."""

    def __init__(self) -> None:
        self._open: dict[Partition, set[int]] = {}
        self._end: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}

    def opened(self, partition: Partition, offset: int) -> None:
        """A record was read. Offsets of one partition come in rising order; gaps are fine."""
        self._open.setdefault(partition, set()).add(offset)
        self._end[partition] = offset + 1

    def finished(self, partition: Partition, offset: int) -> None:
        """A record is done with. One that is not known (its partition was lost meanwhile) is ignored."""
        self._open.get(partition, set()).discard(offset)

    def to_commit(self) -> Mapping[Partition, int]:
        """Per partition the offset to continue from, where it moved since `committed` was last told."""
        positions = {p: min(self._open[p], default=end) for p, end in self._end.items()}
        return {p: position for p, position in positions.items() if self._committed.get(p) != position}

    def committed(self, positions: Mapping[Partition, int]) -> None:
        """These positions were handed to the broker."""
        self._committed.update({p: position for p, position in positions.items() if p in self._end})

    def forget(self, partitions: Iterable[Partition]) -> None:
        """The partitions belong to another worker now."""
        for partition in partitions:
            for book in (self._open, self._end, self._committed):
                book.pop(partition, None)
