"""Snapshots of a shard on a local disk: complete or not there at all, and checked byte by byte on reading.

A snapshot is a directory `<sequence number>` with `documents.bin` (framed msgpack, one frame per document),
`vectors.bin` (float16 rows, in the order of the documents) and `manifest.json`, written last: it names the
other files with size and SHA-256, and where in which log the shard stood. The directory is written under a
temporary name, synced, and renamed; a crash leaves a temporary directory that the next writer removes.
Knows nothing of Kafka or of the object store.
"""

import hashlib
import shutil
from pathlib import Path

import msgspec
import numpy as np

from contracts.errors import BadMessage
from index_service.contents import Contents, StoredDocument
from index_service.durable import FileSum, SummedFile, read_frames, sum_of, sync_directory
from index_service.spec import ShardSpec
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)

FORMAT = 1
KEPT = 2
_MANIFEST = "manifest.json"
_DOCUMENTS = "documents.bin"
_VECTORS = "vectors.bin"
_TEMPORARY = "tmp-"
_DAMAGED = "damaged-"


class LogPosition(msgspec.Struct, frozen=True):
    """Where a shard stands in its log.

    Args:
        identity: "cluster id/topic id"; offsets mean nothing in another log.
        next_offset: the first record that is not applied yet.
    """

    identity: str
    next_offset: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is of. All of it is checked before the snapshot is used."""

    format: int
    generation: str
    shard: int
    n_shards: int
    space_id: str
    dim: int
    position: LogPosition
    n_documents: int
    created_ms: int
    files: dict[str, FileSum]


class _Sealed(msgspec.Struct, frozen=True):
    """The manifest as it lies on disk, with the SHA-256 of its own bytes."""

    sha256: str
    manifest: msgspec.Raw


def write_snapshot(
    directory: Path, spec: ShardSpec, contents: Contents, position: LogPosition, created_ms: int
) -> Path:
    """Write a snapshot and remove all but the newest two.

    Args:
        directory: of this shard alone; made when absent.
        contents: not changed by anyone while this runs. Dead slots are left out.

    Raises:
        OSError: the disk is full or not writable; what was there before is untouched.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    name = f"{max((int(path.name) for path in snapshots(directory)), default=0) + 1:012d}"
    temporary = directory / f"{_TEMPORARY}{name}"
    temporary.mkdir()
    try:
        _write_files(temporary, spec, contents, position, created_ms)
        sync_directory(temporary)
        temporary.rename(directory / name)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_directory(directory)
    for old in snapshots(directory)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return directory / name


def snapshots(directory: Path) -> list[Path]:
    """Finished snapshots in `directory`, oldest first, valid or not."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.name.isdigit() and path.is_dir())


def read_snapshot(path: Path, spec: ShardSpec) -> tuple[Contents, LogPosition]:
    """Read and check one snapshot.

    Raises:
        BadMessage: torn, corrupt, of another format, or of another shard, generation or space.
    """
    try:
        manifest = _read_manifest(path)
        _check_manifest(manifest, spec)
        for name in (_DOCUMENTS, _VECTORS):
            if sum_of(path / name) != manifest.files.get(name):
                raise BadMessage(f"The snapshot's file {name} is damaged.")
        contents = _read_contents(path, manifest)
    except (OSError, msgspec.DecodeError, ValueError) as exc:
        raise BadMessage(f"The snapshot {path.name} cannot be read.") from exc
    return contents, manifest.position


def newest_snapshot(directory: Path, spec: ShardSpec) -> tuple[Contents, LogPosition] | None:
    """The newest snapshot that is whole, or None.

    Side effects: one that is not is logged and set aside under another name, so that it does not count as
    one of the kept two; the last such is kept for whoever wants to look.
    """
    for path in reversed(snapshots(directory)):
        try:
            return read_snapshot(path, spec)
        except BadMessage as exc:
            _LOG.warning("snapshot_not_used", snapshot=path.name, shard=spec.shard, reason=exc.message)
            for older in directory.glob(f"{_DAMAGED}*"):
                shutil.rmtree(older, ignore_errors=True)
            path.rename(directory / f"{_DAMAGED}{path.name}")
    return None


def _write_files(path: Path, spec: ShardSpec, contents: Contents, position: LogPosition, created_ms: int) -> None:
    n_documents = 0
    encoder = msgspec.msgpack.Encoder()
    with SummedFile(path / _DOCUMENTS) as documents, SummedFile(path / _VECTORS) as vectors:
        for document, rows in contents.documents():
            documents.write_frame(encoder.encode(document))
            vectors.write(rows.tobytes())
            n_documents += 1
    manifest = Manifest(
        format=FORMAT,
        generation=spec.generation,
        shard=spec.shard,
        n_shards=spec.n_shards,
        space_id=spec.space_id,
        dim=spec.dim,
        position=position,
        n_documents=n_documents,
        created_ms=created_ms,
        files={_DOCUMENTS: documents.sum(), _VECTORS: vectors.sum()},
    )
    data = msgspec.json.encode(manifest)
    with SummedFile(path / _MANIFEST) as file:
        file.write(msgspec.json.encode(_Sealed(hashlib.sha256(data).hexdigest(), msgspec.Raw(data))))


def _read_manifest(path: Path) -> Manifest:
    sealed = msgspec.json.decode((path / _MANIFEST).read_bytes(), type=_Sealed)
    data = bytes(sealed.manifest)
    if hashlib.sha256(data).hexdigest() != sealed.sha256:
        raise BadMessage("The snapshot's manifest is damaged.")
    return msgspec.json.decode(data, type=Manifest)


def _check_manifest(manifest: Manifest, spec: ShardSpec) -> None:
    expected = (FORMAT, spec.generation, spec.shard, spec.n_shards, spec.space_id, spec.dim)
    found = (
        manifest.format,
        manifest.generation,
        manifest.shard,
        manifest.n_shards,
        manifest.space_id,
        manifest.dim,
    )
    if found != expected:
        raise BadMessage("The snapshot is of another shard, generation, space or format.")


def _read_contents(path: Path, manifest: Manifest) -> Contents:
    contents = Contents(manifest.dim)
    decoder = msgspec.msgpack.Decoder(StoredDocument)
    n_documents = 0
    with (path / _VECTORS).open("rb") as vectors:
        for frame in read_frames(path / _DOCUMENTS):
            document = decoder.decode(frame)
            rows = np.frombuffer(vectors.read(2 * manifest.dim * len(document.payloads)), dtype="<f2")
            contents.restore(document, rows.reshape(len(document.payloads), manifest.dim))
            n_documents += 1
    if n_documents != manifest.n_documents:
        raise BadMessage("The snapshot does not hold the documents that its manifest counts.")
    return contents
