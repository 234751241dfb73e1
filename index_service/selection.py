"""Which slots of a part a search may return: those that match its tenant and filter, and are alive.

What was matched is kept for the next search, because most searches of a tenant use few filters.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np

from contracts.search import Filter
from index_service.bitmap import Bitmap, bitmap_of
from index_service.filters import FilterColumns

_KEPT = 32
_K = TypeVar("_K")
_V = TypeVar("_V")
Ranges = Sequence[tuple[int, int]]
"""First slot and number of slots of some documents."""


class Selection:
    """Bitmaps of one part. Any thread may ask, one at a time while the part grows.

    Args:
        columns: of the part; they may grow.
    """

    def __init__(self, columns: FilterColumns) -> None:
        self._columns = columns
        self._matched: OrderedDict[tuple[str, Filter], tuple[int, Bitmap | bool]] = OrderedDict()
        self._alive: OrderedDict[tuple[str, Filter], tuple[Bitmap, Bitmap]] = OrderedDict()

    def select(self, tenant: str, wanted: Filter, live: Bitmap, only: Ranges | None) -> Bitmap:
        """The slots among `live` that match.

        Args:
            only: the slots of the documents that the filter names, None where it names none.
        """
        key = (tenant, wanted if wanted.doc_ids is None else msgspec.structs.replace(wanted, doc_ids=None))
        selected = self._selected(key, live)
        return selected if only is None else selected & _of_ranges(only, live.n_slots)

    def _selected(self, key: tuple[str, Filter], live: Bitmap) -> Bitmap:
        known = self._alive.get(key)
        if known is not None and known[0] is live:
            return known[1]
        matched = self._match(key, live.n_slots)
        if isinstance(matched, bool):
            selected = live if matched else bitmap_of(np.zeros(live.n_slots, dtype=np.bool_))
        else:
            selected = live if matched.all else matched & live
        _keep(self._alive, key, (live, selected))
        return selected

    def _match(self, key: tuple[str, Filter], n_slots: int) -> Bitmap | bool:
        known = self._matched.get(key)
        if known is not None and known[0] == n_slots:
            return known[1]
        found = self._columns.select(*key)
        matched = found if isinstance(found, bool) else bitmap_of(found[:n_slots])
        _keep(self._matched, key, (n_slots, matched))
        return matched


def _keep(kept: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > _KEPT:
        kept.popitem(last=False)


def _of_ranges(ranges: Ranges, n_slots: int) -> Bitmap:
    selected = np.zeros(n_slots, dtype=np.bool_)
    for first, n in ranges:
        selected[first : first + n] = True
    return bitmap_of(selected)
