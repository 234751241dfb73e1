"""Item sets as a Parquet file: one row an item, vectors as lists of fixed size, what is shown as plain columns.

Any engine that reads Parquet reads it. The file's own metadata name the space, so that vectors of two spaces
cannot meet. pyarrow is loaded here alone, and only when a file is written or read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
import numpy as np

from contracts.documents import Box
from contracts.errors import BadMessage, ConfigurationError, NotFound
from contracts.items import Item, ItemSet
from index_service.spec import ShardSpec

Precision = Literal["float16", "float32"]

_FORMAT = 1
_HEADER = b"trireme"
_ROWS_PER_GROUP = 4096
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
        generation: of the index that it was taken out of.
        text_dim, image_dim: widths of the two halves of a vector; the text half comes first.
    """

    format: int
    generation: str
    space_id: str
    text_dim: int
    image_dim: int


class ItemWriter:
    """Writes item sets, document by document, into a file that appears when it is complete.

    Args:
        path: replaced if it is there.
        precision: vectors are kept in float16; as float32 they have the same values and twice the size, for
            engines that read no float16.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """

    def __init__(self, path: Path, spec: ShardSpec, precision: Precision) -> None:
        self._pa, self._pq = _pyarrow()
        self._path = path
        self._unfinished = path.with_name(f"{path.name}.unfinished")
        self._spec = spec
        self._precision: Precision = precision
        self._schema = self._schema_of(spec, precision)
        self._rows: list[tuple[ItemSet, Item]] = []
        self._writer: Any = None
        self.n_documents = 0
        self.n_items = 0

    def __enter__(self) -> Self:
        self._writer = self._pq.ParquetWriter(self._unfinished, self._schema, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write_rows()
        finally:
            self._writer.close()
            if kind is not None:
                self._unfinished.unlink(missing_ok=True)
        if kind is None:
            self._unfinished.replace(self._path)

    def write(self, document: ItemSet) -> None:
        """Append a document's items."""
        self._rows += [(document, item) for item in document.items]
        self.n_documents += 1
        self.n_items += len(document.items)
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._write_rows()

    def _write_rows(self) -> None:
        if not self._rows:
            return
        pa, dim = self._pa, self._spec.dim
        joined = b"".join(item.vector for _, item in self._rows)
        flat = np.frombuffer(joined, dtype="<f2").astype(self._precision)
        columns = {name: [getattr(document, name) for document, _ in self._rows] for name in _DOCUMENT_COLUMNS}
        columns |= {name: [getattr(item, name) for _, item in self._rows] for name in _PAYLOAD_COLUMNS}
        columns["box"] = [_values_of(item.box) for _, item in self._rows]
        arrays = {
            field.name: pa.array(columns[field.name], type=field.type)
            for field in self._schema
            if field.name != "vector"
        }
        arrays["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(flat), dim)
        self._writer.write_table(
            pa.table([arrays[field.name] for field in self._schema], schema=self._schema), row_group_size=len(flat)
        )
        self._rows = []

    def _schema_of(self, spec: ShardSpec, precision: Precision) -> Any:
        pa = self._pa
        header = FileHeader(
            format=_FORMAT,
            generation=spec.generation,
            space_id=spec.space_id,
            text_dim=spec.text_dim,
            image_dim=spec.image_dim,
        )
        fields = [
            pa.field(name, pa.type_for_alias(_NUMBERS.get(name, "string")))
            for name in (*_DOCUMENT_COLUMNS, *_PAYLOAD_COLUMNS)
        ]
        fields.append(pa.field("box", pa.list_(pa.float64(), _BOX_VALUES)))
        fields.append(pa.field("vector", pa.list_(pa.type_for_alias(precision), spec.dim), nullable=False))
        return pa.schema(fields, metadata={_HEADER: msgspec.json.encode(header)})


@dataclass(frozen=True, slots=True)
class ItemFile:
    """A file that `ItemWriter` wrote, or one of the same columns."""

    path: Path

    def header(self) -> FileHeader:
        """What the file says of itself.

        Raises:
            NotFound: there is no such file. BadMessage: it is none of ours, or of a newer format.
            ConfigurationError: pyarrow is not installed.
        """
        metadata = self._open().schema_arrow.metadata or {}
        try:
            header = msgspec.json.decode(metadata.get(_HEADER, b""), type=FileHeader)
        except msgspec.DecodeError as exc:
            raise BadMessage("The file does not say which space its vectors belong to.") from exc
        if header.format > _FORMAT:
            raise BadMessage(f"The file has format {header.format}; this build reads up to {_FORMAT}.")
        return header

    def documents(self) -> Iterator[ItemSet]:
        """The documents, each with all of its items.

        Raises:
            BadMessage: a column is missing, or has values of another kind; the rows of a document do not lie
                together; or a vector has another width than the file says.
        """
        header = self.header()
        pa, _ = _pyarrow()
        gathered: list[dict[str, Any]] = []
        seen: set[str] = set()
        try:
            for batch in self._open().iter_batches(batch_size=_ROWS_PER_GROUP):
                for row in _rows_of(batch, header.text_dim + header.image_dim):
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

    def _open(self) -> Any:
        pa, pq = _pyarrow()
        try:
            return pq.ParquetFile(self.path)
        except FileNotFoundError as exc:
            raise NotFound("There is no such file.") from exc
        except (pa.ArrowException, OSError) as exc:
            raise BadMessage("The file is no Parquet file.") from exc


def _rows_of(batch: Any, dim: int) -> Iterator[dict[str, Any]]:
    vectors = batch.column("vector")
    if vectors.null_count or vectors.type.list_size != dim:
        raise BadMessage(f"The file has a row whose vector does not have {dim} values.")
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    matrix = flat.reshape(len(vectors), dim).astype("<f2")
    columns = {name: batch.column(name).to_pylist() for name in (*_DOCUMENT_COLUMNS, *_PAYLOAD_COLUMNS, "box")}
    for number, vector in enumerate(matrix):
        yield {name: values[number] for name, values in columns.items()} | {"vector": vector.tobytes()}


def _item_set(rows: list[dict[str, Any]], header: FileHeader) -> ItemSet:
    """One document from its rows, checked like any other message."""
    document = {name: rows[0][name] for name in _DOCUMENT_COLUMNS}
    items = [
        {name: row[name] for name in (*_PAYLOAD_COLUMNS, "vector")} | {"box": row["box"] or None} for row in rows
    ]
    whole = document | {"generation": header.generation, "space_id": header.space_id, "items": items}
    try:
        return msgspec.convert(whole, type=ItemSet)
    except msgspec.ValidationError as exc:
        raise BadMessage(f"The rows of document {document['doc_id']} are not what an index holds.") from exc


def _values_of(box: Box | None) -> list[float] | None:
    return None if box is None else [box.left, box.top, box.right, box.bottom]


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as exc:
        raise ConfigurationError("Parquet files need pyarrow: install Trireme with its extra 'parquet'.") from exc
    return pyarrow, parquet
