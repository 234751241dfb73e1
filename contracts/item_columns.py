"""Item sets as columns: one row an item, vectors as lists of fixed size, what is shown as plain columns.

Exported indexes and the files of batches have these columns. The schema's metadata name the space, so that vectors
of two spaces cannot meet. pyarrow is loaded here alone, and only when such columns are made or read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from contracts.documents import Box
from contracts.errors import BadMessage, ConfigurationError
from contracts.items import Item, ItemSet

Precision = Literal["float16", "float32"]

ROWS_PER_GROUP = 4096

_FORMAT = 1
_HEADER = b"trireme"
_BOX_VALUES = 4
# Columns in the order of the file: fields of the document, then of the item.
_DOCUMENT_COLUMNS = (
    "tenant",
    "doc_id",
    "version",
    "revision",
    "collection",
    "source_key",
    "content_type",
    "added_ms",
)
_PAYLOAD_COLUMNS = (
    "item_id",
    "kind",
    "text",
    "page",
    "char_start",
    "char_end",
    "heading",
    "caption",
    "picture_key",
    "thumbnail_key",
    "swallows",
    "machine_caption",
    "captioned_by",
)
_READERS = "readers"
_NUMBERS = {
    "version": "int64",
    "revision": "int32",
    "added_ms": "int64",
    "page": "int32",
    "char_start": "int64",
    "char_end": "int64",
}


class FileHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of itself, in its metadata under the key "trireme" (JSON).

    Args:
        generation: of the index that it was taken out of, or is for.
        text_dim, image_dim: widths of the two halves of a vector; the text half comes first.
    """

    generation: str
    space_id: str
    text_dim: int
    image_dim: int
    format: int = _FORMAT

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.text_dim + self.image_dim


def schema_of(header: FileHeader, precision: Precision = "float16") -> Any:
    """The Arrow schema of a file. Raises ConfigurationError where pyarrow is not installed."""
    pa, _ = pyarrow_modules()
    fields = [
        pa.field(name, pa.type_for_alias(_NUMBERS.get(name, "string")))
        for name in (*_DOCUMENT_COLUMNS, *_PAYLOAD_COLUMNS)
    ]
    fields.append(pa.field("box", pa.list_(pa.float64(), _BOX_VALUES)))
    fields.append(pa.field(_READERS, pa.list_(pa.string())))
    fields.append(pa.field("vector", pa.list_(pa.type_for_alias(precision), header.dim), nullable=False))
    return pa.schema(fields, metadata={_HEADER: msgspec.json.encode(header)})


def header_of(schema: Any) -> FileHeader:
    """What the file with this schema says of itself. Raises BadMessage: it is not ours, or of a newer format."""
    try:
        header = msgspec.json.decode((schema.metadata or {}).get(_HEADER, b""), type=FileHeader)
    except msgspec.DecodeError as exc:
        raise BadMessage("The file does not say which space its vectors belong to.") from exc
    if header.format > _FORMAT:
        raise BadMessage(f"The file has format {header.format}; this build reads up to {_FORMAT}.")
    return header


def table_of(rows: Sequence[tuple[ItemSet, Item]], schema: Any, dim: int, precision: Precision = "float16") -> Any:
    """An Arrow table of items, each with the document that it belongs to."""
    pa, _ = pyarrow_modules()
    joined = b"".join(item.vector for _, item in rows)
    flat = np.frombuffer(joined, dtype="<f2").astype(precision)
    columns = {name: [getattr(document, name) for document, _ in rows] for name in _DOCUMENT_COLUMNS}
    columns |= {name: [getattr(item, name) for _, item in rows] for name in _PAYLOAD_COLUMNS}
    columns["box"] = [_values_of(item.box) for _, item in rows]
    columns[_READERS] = [list(document.readers) for document, _ in rows]
    arrays = {
        field.name: pa.array(columns[field.name], type=field.type) for field in schema if field.name != "vector"
    }
    arrays["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(flat), dim)
    return pa.table([arrays[field.name] for field in schema], schema=schema)


def item_sets(batches: Iterable[Any], header: FileHeader) -> Iterator[ItemSet]:
    """The documents in Arrow record batches, each with all of its items.

    Raises:
        BadMessage: a column is missing, or has values of another kind; the rows of a document do not lie
            together; or a vector has another width than the header says.
    """
    pa, _ = pyarrow_modules()
    gathered: list[dict[str, Any]] = []
    seen: set[str] = set()
    try:
        for batch in batches:
            for row in _rows_of(batch, header.dim):
                if gathered and gathered[0]["doc_id"] != row["doc_id"]:
                    yield _item_set(gathered, header)
                    gathered = []
                if not gathered:
                    if row["doc_id"] in seen:
                        raise BadMessage(f"The rows of document {row['doc_id']} do not lie together.")
                    seen.add(row["doc_id"])
                gathered.append(row)
    except (pa.ArrowException, KeyError, OSError) as exc:
        raise BadMessage("The file is damaged, or columns of an exported index are missing.") from exc
    if gathered:
        yield _item_set(gathered, header)


def pyarrow_modules() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`. Raises ConfigurationError where they are not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as exc:
        raise ConfigurationError("Parquet files need pyarrow: install Trireme with its extra 'parquet'.") from exc
    return pyarrow, parquet


def _rows_of(batch: Any, dim: int) -> Iterator[dict[str, Any]]:
    vectors = batch.column("vector")
    if vectors.null_count or vectors.type.list_size != dim:
        raise BadMessage(f"The file has a row whose vector does not have {dim} values.")
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    matrix = flat.reshape(len(vectors), dim).astype("<f2")
    columns = {name: batch.column(name).to_pylist() for name in (*_DOCUMENT_COLUMNS, *_PAYLOAD_COLUMNS, "box")}
    # Files of before documents had lists of readers have no such column: all may see what they hold.
    has_readers = _READERS in batch.schema.names
    columns[_READERS] = batch.column(_READERS).to_pylist() if has_readers else [[]] * len(matrix)
    for number, vector in enumerate(matrix):
        yield {name: values[number] for name, values in columns.items()} | {"vector": vector.tobytes()}


def _item_set(rows: list[dict[str, Any]], header: FileHeader) -> ItemSet:
    """One document from its rows, checked like any other message."""
    document = {name: rows[0][name] for name in _DOCUMENT_COLUMNS}
    items = [
        {name: row[name] for name in (*_PAYLOAD_COLUMNS, "vector")} | {"box": row["box"] or None} for row in rows
    ]
    document[_READERS] = rows[0][_READERS] or []
    whole = document | {"generation": header.generation, "space_id": header.space_id, "items": items}
    try:
        return msgspec.convert(whole, type=ItemSet)
    except msgspec.ValidationError as exc:
        raise BadMessage(f"The rows of document {document['doc_id']} are not what an index holds.") from exc


def _values_of(box: Box | None) -> list[float] | None:
    return None if box is None else [box.left, box.top, box.right, box.bottom]
