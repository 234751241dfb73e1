"""Filters as bitmaps: which slots match a tenant and a `Filter`.

One small integer column per filterable field; names are numbered as they appear. Matching is vectorised over
all slots, so its cost does not depend on how many match.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.items import ItemKind
from contracts.search import Filter
from index_service.columns import Column
from index_service.payloads import DocumentFields
from index_service.slots import SlotTable

Selected = NDArray[np.bool_]

_KIND_CODES: dict[ItemKind, int] = {"text": 0, "picture": 1}


class _NameColumn:
    """A name per slot, kept as its number."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._column = Column(np.int32)

    def extend(self, name: str, n: int) -> None:
        self._column.extend(self._codes.setdefault(name, len(self._codes)), n)

    def any_of(self, names: Iterable[str]) -> Selected:
        codes = [self._codes[name] for name in names if name in self._codes]
        values = self._column.values
        return values == codes[0] if len(codes) == 1 else np.isin(values, codes)


class FilterColumns:
    """The filterable fields of every slot, and the key that orders slots of equal score."""

    def __init__(self) -> None:
        self._tenants = _NameColumn()
        self._collections = _NameColumn()
        self._content_types = _NameColumn()
        self._kinds = Column(np.uint8)
        self._added_ms = Column(np.int64)
        self._order = Column(np.uint64)

    @property
    def order(self) -> NDArray[np.uint64]:
        """First 8 bytes of each slot's document id: sorting by it sorts by document id, up to that prefix."""
        return self._order.values

    def extend(self, doc_id: str, fields: DocumentFields, kinds: Sequence[ItemKind]) -> None:
        """Append the slots of a document's items."""
        n = len(kinds)
        self._tenants.extend(fields.tenant, n)
        self._collections.extend(fields.collection, n)
        self._content_types.extend(fields.content_type, n)
        self._kinds.extend([_KIND_CODES[kind] for kind in kinds], n)
        self._added_ms.extend(fields.added_ms, n)
        self._order.extend(int.from_bytes(doc_id.encode()[:8].ljust(8, b"\0"), "big"), n)

    def select(self, tenant: str, wanted: Filter, slots: SlotTable) -> Selected:
        """Live slots of `tenant` that match the filter, bool [n_slots].

        Times count from `added_after_ms` (included) to `added_before_ms` (excluded).
        """
        selected = slots.live & self._tenants.any_of((tenant,))
        if wanted.doc_ids is not None:
            selected &= _slots_of(wanted.doc_ids, slots)
        if wanted.collections is not None:
            selected &= self._collections.any_of(wanted.collections)
        if wanted.content_types is not None:
            selected &= self._content_types.any_of(wanted.content_types)
        if wanted.kinds is not None:
            selected &= np.isin(self._kinds.values, [_KIND_CODES[kind] for kind in wanted.kinds])
        if wanted.added_after_ms is not None:
            selected &= self._added_ms.values >= wanted.added_after_ms
        if wanted.added_before_ms is not None:
            selected &= self._added_ms.values < wanted.added_before_ms
        return selected


def _slots_of(doc_ids: Iterable[str], slots: SlotTable) -> Selected:
    selected = np.zeros(slots.n_slots, dtype=np.bool_)
    for doc_id in doc_ids:
        entry = slots.get(doc_id)
        if entry is not None:
            selected[entry.first : entry.first + entry.n] = True
    return selected
