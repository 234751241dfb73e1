"""Filters as bitmaps: which slots of a part match a tenant and a `Filter`, dead or alive.

One small integer per document and filterable field (names are numbered as they appear), and one per slot for
what differs between a document's items. Matching is vectorised, so its cost does not depend on how many match.
Document ids are no column: the shard knows which slots a document has.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.items import ItemKind
from contracts.search import Filter
from index_service.columns import Column
from index_service.payloads import DocumentFields

_KIND_CODES: dict[ItemKind, int] = {"text": 0, "picture": 1}
_NAMED = ("tenants", "collections", "content_types", "readers")
# Between the groups of a list of readers, in the one name under which the list is kept.
_BETWEEN = "\n"
_NUMBERED = {
    "kinds": np.uint8,
    "added_ms": np.int64,
    "order": np.uint64,
    "serials": np.int64,
    "firsts": np.int64,
    "owners": np.int32,
}


class NameColumn:
    """A name per document, kept as its number."""

    def __init__(self, names: Sequence[str] = (), codes: NDArray[Any] | None = None) -> None:
        self._codes = {name: code for code, name in enumerate(names)}
        self._column = Column(np.int32, codes)

    @property
    def names(self) -> list[str]:
        """The names, by number."""
        return list(self._codes)

    @property
    def codes(self) -> NDArray[np.int32]:
        """The numbers, one per document."""
        return self._column.values

    def append(self, name: str) -> None:
        """Add one document's name."""
        self._column.extend(self._codes.setdefault(name, len(self._codes)), 1)

    def any_of(self, names: Iterable[str]) -> NDArray[np.bool_] | bool:
        """Which documents have one of these names; a plain True or False where it is all or none."""
        codes = [self._codes[name] for name in names if name in self._codes]
        if not codes:
            return False
        if len(codes) == len(self._codes):
            return True
        values = self._column.values
        return values == codes[0] if len(codes) == 1 else np.isin(values, codes)


class FilterColumns:
    """What is filtered by, and which slots belong to which document: `owners` numbers a part's documents."""

    def __init__(self) -> None:
        self._names = {field: NameColumn() for field in _NAMED}
        self._columns = {field: Column(dtype) for field, dtype in _NUMBERED.items()}
        # Documents by ascending serial, or None where they lie so: what grows does, what was merged may not.
        self._by_serial: NDArray[np.int64] | None = None

    @property
    def n_slots(self) -> int:
        """Slots so far."""
        return len(self._columns["owners"])

    @property
    def n_documents(self) -> int:
        """Documents so far."""
        return len(self._columns["serials"])

    @property
    def owners(self) -> NDArray[np.int32]:
        """The document of each slot, as its number in this part."""
        return self._columns["owners"].values

    @property
    def serials(self) -> NDArray[np.int64]:
        """The serial of each document."""
        return self._columns["serials"].values

    def order(self, slots: NDArray[np.int64]) -> NDArray[np.uint64]:
        """First 8 bytes of the slots' document ids: sorts by document id, up to that prefix."""
        chosen: NDArray[np.uint64] = self._columns["order"].values[self.owners[slots]]
        return chosen

    def append(self, doc_id: str, serial: int, fields: DocumentFields, kinds: Sequence[ItemKind]) -> int:
        """Append a document and the slots of its items; returns its first slot."""
        first, n = self.n_slots, len(kinds)
        self._names["tenants"].append(fields.tenant)
        self._names["collections"].append(fields.collection)
        self._names["content_types"].append(fields.content_type)
        self._names["readers"].append(_BETWEEN.join(sorted(fields.readers)))
        for field, value in (
            ("added_ms", fields.added_ms),
            ("order", int.from_bytes(doc_id.encode()[:8].ljust(8, b"\0"), "big")),
            ("firsts", first),
        ):
            self._columns[field].extend(value, 1)
        self._columns["owners"].extend(self.n_documents, n)
        self._columns["kinds"].extend([_KIND_CODES[kind] for kind in kinds], n)
        self._columns["serials"].extend(serial, 1)
        return first

    def place(self, serial: int) -> tuple[int, int] | None:
        """Number and first slot of the document that a put with this serial brought, or None."""
        serials = self.serials
        number = int(np.searchsorted(serials, serial, sorter=self._by_serial))
        if number < len(serials) and self._by_serial is not None:
            number = int(self._by_serial[number])
        if number >= len(serials) or serials[number] != serial:
            return None
        return number, int(self._columns["firsts"].values[number])

    def select(self, tenant: str, wanted: Filter) -> NDArray[np.bool_] | bool:
        """Slots of `tenant` that match the filter, its document ids left aside: bool [n_slots], or all or none.

        Times count from `added_after_ms` (included) to `added_before_ms` (excluded).
        """
        documents: NDArray[np.bool_] | bool = self._names["tenants"].any_of((tenant,))
        if wanted.collections is not None:
            documents = documents & self._names["collections"].any_of(wanted.collections)
        if wanted.content_types is not None:
            documents = documents & self._names["content_types"].any_of(wanted.content_types)
        if wanted.added_after_ms is not None:
            documents = documents & (self._columns["added_ms"].values >= wanted.added_after_ms)
        if wanted.added_before_ms is not None:
            documents = documents & (self._columns["added_ms"].values < wanted.added_before_ms)
        if wanted.groups is not None:
            readers = self._names["readers"]
            documents = documents & readers.any_of(_seen_by(wanted.groups, readers.names))
        selected = documents if isinstance(documents, bool) else documents[self.owners]
        if wanted.kinds is not None:
            codes = [_KIND_CODES[kind] for kind in wanted.kinds]
            selected = selected & np.isin(self._columns["kinds"].values, codes)
        return selected

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as arrays, for a file; `from_arrays` reads them back."""
        arrays = {field: column.values for field, column in self._columns.items()}
        for field, column in self._names.items():
            arrays[field] = column.codes
            arrays[f"{field}.names"] = np.frombuffer(msgspec.json.encode(column.names), dtype=np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "FilterColumns":
        """What `to_arrays` gave.

        Raises:
            KeyError, ValueError: something is missing, or of another shape (`DecodeError` is a `ValueError`).
        """
        columns = cls()
        columns._columns = {
            field: Column(dtype, arrays[field].astype(dtype)) for field, dtype in _NUMBERED.items()
        }
        if "readers" not in arrays:
            # Written before documents had lists of readers.
            none = np.zeros(len(columns.serials), dtype=np.int32)
            names = np.frombuffer(msgspec.json.encode([""] if len(none) else []), dtype=np.uint8)
            arrays = arrays | {"readers": none, "readers.names": names}
        for field in _NAMED:
            named = msgspec.json.decode(arrays[f"{field}.names"].tobytes(), type=list[str])
            columns._names[field] = NameColumn(named, arrays[field].astype(np.int32))
        serials = columns.serials
        if not np.all(serials[1:] > serials[:-1]):
            columns._by_serial = np.argsort(serials)
        return columns


def _seen_by(groups: Sequence[str], lists: Iterable[str]) -> list[str]:
    """Those lists of readers that are empty, or that one of the groups is on."""
    return [each for each in lists if not each or not set(groups).isdisjoint(each.split(_BETWEEN))]
