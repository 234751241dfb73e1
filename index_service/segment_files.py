"""A sealed segment on disk: a directory of files that are written once, known by size and SHA-256.

`vectors.faiss` (float16 rows), `payloads.bin` and `heads.bin` (records), `arrays.npz` (filter columns and places
of records), the index files of its kind, `lexical/` (an index of words), and `manifest.json`, written last. The
directory is written under a temporary name, synced, and renamed.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadMessage
from index_service.documents import DocumentHead
from index_service.durable import FileSum, read_sealed, sum_of, sync_directory, sync_file, write_sealed
from index_service.filters import FilterColumns
from index_service.kinds.parameters import IndexParameters, Kind
from index_service.lexical import sealed as lexical
from index_service.payloads import decode_payload, words_of
from index_service.record_file import RecordFile, write_records
from index_service.spec import ShardSpec
from index_service.vectors import add_rows, flat_index, longest_row, stored_rows

FORMAT = 2
MANIFEST = "manifest.json"
VECTORS = "vectors.faiss"
PAYLOADS = "payloads.bin"
HEADS = "heads.bin"
ARRAYS = "arrays.npz"
LEXICAL = "lexical"
CONTENTS = frozenset({VECTORS, PAYLOADS, HEADS, ARRAYS})
"""What a segment holds; all its other files can be made of these."""
TEMPORARY = "tmp-"

Documents = Iterator[tuple[DocumentHead, list[bytes], NDArray[np.float16]]]
BuildIndex = Callable[[NDArray[np.float16], Path], tuple[Kind, list[str]]]
"""Builds an index over float16 [n, dim] into a directory; returns its kind and the names of its files."""


class SegmentManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment is. `longest` is the length of its longest vector, 1 at least."""

    format: int
    name: str
    space_id: str
    dim: int
    text_dim: int
    kind: Kind
    parameters: IndexParameters
    n_slots: int
    n_documents: int
    longest: float
    files: dict[str, FileSum]


def segments_home(directory: Path) -> Path:
    """Where a shard's segments lie, given the directory of its snapshots."""
    return directory / "segments"


def write_segment(
    home: Path, name: str, documents: Documents, spec: ShardSpec, parameters: IndexParameters, build: BuildIndex
) -> Path:
    """Write a segment of these documents, in their order, and return its directory.

    Args:
        home: directory of all segments of the shard; made when absent.

    Raises:
        OSError: the disk is full or not writable; nothing is left behind.
    """
    home.mkdir(parents=True, exist_ok=True)
    temporary = home / f"{TEMPORARY}{name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        _write_files(temporary, name, documents, spec, parameters, build)
        sync_directory(temporary)
        temporary.rename(home / name)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_directory(home)
    return home / name


def read_segment_manifest(directory: Path) -> tuple[SegmentManifest, str]:
    """A segment's manifest, and the SHA-256 by which snapshots name it.

    Raises:
        BadMessage: it is damaged or not there.
    """
    try:
        return read_sealed(directory / MANIFEST, SegmentManifest)
    except (OSError, msgspec.DecodeError, ValueError) as exc:
        raise BadMessage(f"The segment {directory.name} cannot be read.") from exc


def damaged_files(directory: Path, manifest: SegmentManifest) -> list[str]:
    """The files that are not as the manifest says."""
    return [name for name, told in manifest.files.items() if _sum(directory / name) != told]


def _write_lexical(path: Path, payloads: RecordFile) -> list[str]:
    """Build the lexical index of a segment's items; the names of its files."""
    directory = path / LEXICAL
    lexical.build(directory, (words_of(decode_payload(payload)) for payload in payloads))
    files = [f"{LEXICAL}/{file.name}" for file in lexical.files_of(directory)]
    sync_directory(directory)
    return files


def _sum(path: Path) -> FileSum | None:
    try:
        return sum_of(path)
    except OSError:
        return None


def _write_files(
    path: Path,
    name: str,
    documents: Documents,
    spec: ShardSpec,
    parameters: IndexParameters,
    build: BuildIndex,
) -> None:
    columns = FilterColumns()
    vectors = flat_index(spec.dim)
    heads: list[bytes] = []

    def payloads() -> Iterator[bytes]:
        for head, encoded, rows in documents:
            kinds = [decode_payload(payload).kind for payload in encoded]
            first = columns.append(head.doc_id, head.serial, head.fields, kinds)
            heads.append(msgspec.msgpack.encode(msgspec.structs.replace(head, first=first)))
            add_rows(vectors, rows)
            yield from encoded

    files: dict[str, FileSum] = {}
    files[PAYLOADS], payload_places = write_records(path / PAYLOADS, payloads())
    files[HEADS], head_places = write_records(path / HEADS, heads)
    faiss.write_index(vectors, str(path / VECTORS))
    arrays: dict[str, NDArray[Any]] = {f"columns.{key}": value for key, value in columns.to_arrays().items()}
    arrays |= {f"payloads.{key}": value for key, value in payload_places.items()}
    arrays |= {f"heads.{key}": value for key, value in head_places.items()}
    np.savez(path / ARRAYS, **arrays)  # type: ignore[arg-type]
    kind, index_files = build(stored_rows(vectors), path)
    lexical_files = _write_lexical(path, RecordFile(path / PAYLOADS, **payload_places))
    for written in (VECTORS, ARRAYS, *index_files, *lexical_files):
        sync_file(path / written)
        files[written] = sum_of(path / written)
    manifest = SegmentManifest(
        format=FORMAT,
        name=name,
        space_id=spec.space_id,
        dim=spec.dim,
        text_dim=spec.text_dim,
        kind=kind,
        parameters=parameters,
        n_slots=columns.n_slots,
        n_documents=columns.n_documents,
        longest=longest_row(stored_rows(vectors)),
        files=files,
    )
    write_sealed(path / MANIFEST, manifest)
