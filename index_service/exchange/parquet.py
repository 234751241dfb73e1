"""Item sets as a Parquet file, written and read a piece at a time. Any engine that reads Parquet reads it.

The columns are those of `contracts.item_columns`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contracts.errors import BadMessage, NotFound
from contracts.item_columns import (
    ROWS_PER_GROUP,
    FileHeader,
    Precision,
    header_of,
    item_sets,
    pyarrow_modules,
    schema_of,
    table_of,
)
from contracts.items import Item, ItemSet
from index_service.spec import ShardSpec


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
        _, self._pq = pyarrow_modules()
        self._path = path
        self._unfinished = path.with_name(f"{path.name}.unfinished")
        self._dim = spec.dim
        self._precision: Precision = precision
        self._schema = schema_of(
            FileHeader(
                generation=spec.generation,
                space_id=spec.space_id,
                text_dim=spec.text_dim,
                image_dim=spec.image_dim,
            ),
            precision,
        )
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
        if len(self._rows) >= ROWS_PER_GROUP:
            self._write_rows()

    def _write_rows(self) -> None:
        if not self._rows:
            return
        table = table_of(self._rows, self._schema, self._dim, self._precision)
        self._writer.write_table(table, row_group_size=len(self._rows))
        self._rows = []


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
        return header_of(self._open().schema_arrow)

    def documents(self) -> Iterator[ItemSet]:
        """The documents, each with all of its items.

        Raises:
            BadMessage: a column is missing, or has values of another kind; the rows of a document do not lie
                together; or a vector has another width than the file says.
        """
        header = self.header()
        return item_sets(self._open().iter_batches(batch_size=ROWS_PER_GROUP), header)

    def _open(self) -> Any:
        pa, pq = pyarrow_modules()
        try:
            return pq.ParquetFile(self.path)
        except FileNotFoundError as exc:
            raise NotFound("There is no such file.") from exc
        except (pa.ArrowException, OSError) as exc:
            raise BadMessage("The file is no Parquet file.") from exc
