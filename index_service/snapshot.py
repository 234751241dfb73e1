"""Snapshots of a shard on a local disk: complete or not there at all, and checked byte by byte on reading.

A snapshot is a directory `<sequence number>` with the documents of the delta and those without items
(`documents.bin`, framed msgpack; `vectors.bin`, float16 rows in their order), the live bits of the sealed segments
(`live.bin`), and `manifest.json`, written last: it names the files and the sealed segments with their SHA-256, and
where in which log the shard stood. The directory is written under a temporary name, synced, and renamed; a crash
leaves a temporary directory that the next writer removes. Sealed segments lie beside the snapshots and are shared
by them. Knows nothing of Kafka or of the object store.
"""

import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from contracts.errors import BadMessage
from index_service.bitmap import Bitmap, packed_bitmap, room_bytes
from index_service.documents import StoredDocument
from index_service.durable import (
    FileSum,
    SummedFile,
    read_frames,
    read_sealed,
    sum_of,
    sync_directory,
    write_sealed,
)
from index_service.kinds.parameters import IndexParameters
from index_service.parts import Parts
from index_service.payloads import decode_payload
from index_service.sealed import open_segment
from index_service.segment_files import segments_home
from index_service.shard import DEFAULTS, Shard
from index_service.spec import ShardSpec
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)

FORMAT = 2
KEPT = 2
_DOCUMENTS_AT_ONCE = 1000
_MANIFEST = "manifest.json"
_DOCUMENTS = "documents.bin"
_VECTORS = "vectors.bin"
_LIVE = "live.bin"
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


class SegmentRef(msgspec.Struct, frozen=True):
    """A sealed segment as a snapshot names it. `identity` is the SHA-256 of its manifest."""

    name: str
    identity: str
    n_slots: int


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
    next_serial: int
    segments: tuple[SegmentRef, ...]
    created_ms: int
    files: dict[str, FileSum]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a snapshot held."""

    shard: Shard
    position: LogPosition


def write_snapshot(directory: Path, spec: ShardSpec, parts: Parts, position: LogPosition, created_ms: int) -> Path:
    """Write a snapshot and remove all but the newest two.

    Args:
        directory: of this shard alone; made when absent.
        parts: of a shard that takes no updates while this runs. Dead documents of the delta are left out.

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
        _write_files(temporary, spec, parts, position, created_ms)
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


def read_snapshot(path: Path, spec: ShardSpec, parameters: IndexParameters = DEFAULTS) -> Loaded:
    """Read and check one snapshot, with the sealed segments that it names.

    Raises:
        BadMessage: torn, corrupt, of another format, or of another shard, generation or space.
    """
    try:
        manifest, _ = read_sealed(path / _MANIFEST, Manifest)
        _check_manifest(manifest, spec)
        for name, told in manifest.files.items():
            if sum_of(path / name) != told:
                raise BadMessage(f"The snapshot's file {name} is damaged.")
        shard = _read_shard(path, manifest, spec, parameters)
    except (OSError, msgspec.DecodeError, ValueError) as exc:
        raise BadMessage(f"The snapshot {path.name} cannot be read.") from exc
    return Loaded(shard, manifest.position)


def segments_named(directory: Path) -> set[str]:
    """Names of the sealed segments that the snapshots in `directory` need."""
    return {segment.name for one in _manifests(directory) if one for segment in one.segments}


def holds_more(directory: Path, before_ms: int) -> bool:
    """Whether a snapshot from before then holds other documents than the newest, perhaps some that are gone."""
    manifests = _manifests(directory)
    older, newest = manifests[:-1], manifests[-1:]
    if None in manifests:
        return True
    return any(
        one.created_ms <= before_ms and _contents(one) != _contents(last)
        for one in older
        for last in newest
        if one is not None and last is not None
    )


def oldest_snapshot_ms(directory: Path) -> int | None:
    """When the oldest snapshot was written, 0 where one cannot be read; None where there is none."""
    return min((one.created_ms if one else 0 for one in _manifests(directory)), default=None)


def _manifests(directory: Path) -> list[Manifest | None]:
    """Manifests of the snapshots, oldest first; None for one that cannot be read."""
    found: list[Manifest | None] = []
    for path in snapshots(directory):
        try:
            found.append(read_sealed(path / _MANIFEST, Manifest)[0])
        except (OSError, msgspec.DecodeError, BadMessage):
            found.append(None)
    return found


def _contents(manifest: Manifest) -> object:
    return [one.identity for one in manifest.segments], manifest.files[_DOCUMENTS], manifest.files[_VECTORS]


def newest_snapshot(directory: Path, spec: ShardSpec, parameters: IndexParameters = DEFAULTS) -> Loaded | None:
    """The newest snapshot that is whole, or None.

    Side effects: one that is not is logged and set aside under another name, so that it does not count as
    one of the kept two; the last such is kept for whoever wants to look.
    """
    for path in reversed(snapshots(directory)):
        try:
            return read_snapshot(path, spec, parameters)
        except BadMessage as exc:
            _LOG.warning("snapshot_not_used", snapshot=path.name, shard=spec.shard, reason=exc.message)
            for older in directory.glob(f"{_DAMAGED}*"):
                shutil.rmtree(older, ignore_errors=True)
            path.rename(directory / f"{_DAMAGED}{path.name}")
    return None


def _write_files(path: Path, spec: ShardSpec, parts: Parts, position: LogPosition, created_ms: int) -> None:
    n_documents = 0
    encoder = msgspec.msgpack.Encoder()
    files: dict[str, FileSum] = {}
    # In large pieces: no update is applied meanwhile.
    unsealed = parts.unsealed()
    with SummedFile(path / _DOCUMENTS) as documents:
        while some := list(islice(unsealed, _DOCUMENTS_AT_ONCE)):
            documents.write_frames(list(map(encoder.encode, some)))
            n_documents += len(some)
    with SummedFile(path / _VECTORS) as vectors:
        for rows in parts.unsealed_rows():
            vectors.write(rows.tobytes())
    files |= {_DOCUMENTS: documents.sum(), _VECTORS: vectors.sum()}
    with SummedFile(path / _LIVE) as live:
        for _, bitmap in parts.sealed:
            live.write(bitmap.packed.tobytes())
    files[_LIVE] = live.sum()
    manifest = Manifest(
        format=FORMAT,
        generation=spec.generation,
        shard=spec.shard,
        n_shards=spec.n_shards,
        space_id=spec.space_id,
        dim=spec.dim,
        position=position,
        n_documents=n_documents,
        next_serial=parts.next_serial,
        segments=tuple(SegmentRef(one.name, one.identity, one.n_slots) for one, _ in parts.sealed),
        created_ms=created_ms,
        files=files,
    )
    write_sealed(path / _MANIFEST, manifest)


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


def _read_shard(path: Path, manifest: Manifest, spec: ShardSpec, parameters: IndexParameters) -> Shard:
    shard = Shard(spec, parameters)
    shard.raise_serial(manifest.next_serial)
    home = segments_home(path.parent)
    for ref, live in zip(manifest.segments, _live_bits(path, manifest), strict=True):
        segment = open_segment(home / ref.name, spec, parameters, live=live)
        if segment.identity != ref.identity:
            raise BadMessage(f"The segment {ref.name} is another than the snapshot names.")
        shard.adopt(segment)
    decoder = msgspec.msgpack.Decoder(StoredDocument)
    n_documents = 0
    with (path / _VECTORS).open("rb") as vectors:
        for frame in read_frames(path / _DOCUMENTS):
            document = decoder.decode(frame)
            rows = np.frombuffer(vectors.read(2 * manifest.dim * len(document.payloads)), dtype="<f2")
            rows = rows.reshape(len(document.payloads), manifest.dim)
            shard.put(document, rows, [decode_payload(payload).kind for payload in document.payloads])
            n_documents += 1
    if n_documents != manifest.n_documents:
        raise BadMessage("The snapshot does not hold the documents that its manifest counts.")
    return shard


def _live_bits(path: Path, manifest: Manifest) -> list[Bitmap]:
    data = np.fromfile(path / _LIVE, dtype=np.uint8)
    ends = np.cumsum([room_bytes(segment.n_slots) for segment in manifest.segments], dtype=np.int64)
    if len(data) != (ends[-1] if len(ends) else 0):
        raise BadMessage("The snapshot's live bits do not fit its segments.")
    return [
        packed_bitmap(data[end - room_bytes(segment.n_slots) : end].copy(), segment.n_slots)
        for segment, end in zip(manifest.segments, ends.tolist(), strict=True)
    ]
