"""On which day each document of a shard was last seen in an answer. Expiry asks; touches tell.

A document of which nothing is known counts as seen today, from the day on which that was noticed: a shard that was
rebuilt, or that begins to count, expires nothing early.
"""

import threading
from collections.abc import Iterable

import msgspec

from contracts.errors import BadMessage

_FORMAT = 1


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What `AccessDays.dump` writes.

    Args:
        identity, next_offset: the log of touches, and the first record of it that is not counted yet.
        by_day: ids of documents by day since 1970; far shorter than one number a document.
    """

    format: int
    identity: str | None
    next_offset: int
    by_day: dict[int, list[str]]


class AccessDays:
    """Days of one shard's documents, and how far the log of touches was counted. Thread-safe.

    Counting a touch twice changes nothing, so the log may be read again from any earlier place.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._days: dict[str, int] = {}
        self._identity: str | None = None
        self._next_offset = 0
        self._changed = False

    def __len__(self) -> int:
        return len(self._days)

    @property
    def changed(self) -> bool:
        """Whether there is anything that `dump` has not written."""
        return self._changed

    def day(self, doc_id: str) -> int | None:
        """The day on which a document was last seen; None when nothing is known of it."""
        return self._days.get(doc_id)

    def place(self, identity: str) -> int | None:
        """The first record that is not counted yet, or None in a log that was never read."""
        with self._lock:
            return self._next_offset if self._identity == identity else None

    def count(self, doc_ids: Iterable[str], day: int, *, today: int, identity: str, next_offset: int) -> None:
        """Note that documents were seen on `day`. A day that has not come yet, by a clock gone wrong, is today."""
        day = min(day, today)
        with self._lock:
            for doc_id in doc_ids:
                if self._days.get(doc_id, -1) < day:
                    self._days[doc_id] = day
                    self._changed = True
            self._identity, self._next_offset = identity, next_offset

    def settle(self, held: Iterable[str], today: int, *, forget: bool = False) -> None:
        """Give held documents of which nothing is known the day of today.

        Args:
            forget: drop documents that are not held. Until then a touch may come before its document.
        """
        with self._lock:
            settled = {doc_id: self._days.get(doc_id, today) for doc_id in held}
            if not forget:
                settled = self._days | settled
            if settled != self._days:
                self._days, self._changed = settled, True

    def dump(self) -> bytes:
        """Everything, to be kept on a disk."""
        with self._lock:
            by_day: dict[int, list[str]] = {}
            for doc_id, day in self._days.items():
                by_day.setdefault(day, []).append(doc_id)
            kept = _Kept(format=_FORMAT, identity=self._identity, next_offset=self._next_offset, by_day=by_day)
            self._changed = False
        return msgspec.msgpack.encode(kept)

    def keep_changed(self) -> None:
        """What `dump` gave was not written after all."""
        self._changed = True

    def load(self, data: bytes) -> None:
        """Take over what `dump` gave.

        Raises:
            BadMessage: the bytes are of another form; nothing was changed.
        """
        try:
            kept = msgspec.msgpack.decode(data, type=_Kept)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BadMessage("The days of last access cannot be read.") from exc
        if kept.format != _FORMAT:
            raise BadMessage("The days of last access are of a format that this build does not know.")
        with self._lock:
            self._days = {doc_id: day for day, doc_ids in kept.by_day.items() for doc_id in doc_ids}
            self._identity, self._next_offset = kept.identity, kept.next_offset
            self._changed = False
