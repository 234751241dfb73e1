"""How a backup lies in its target: contents by their hash, shared between backups, and a folder for each backup.

blobs/ab/abcdef...                  contents of objects, named by SHA-256, written once
backups/20261127T021500Z/objects-0  which key has which contents
backups/20261127T021500Z/status-0   the newest event of each stage and version of each document
backups/20261127T021500Z/records-0  records of the small topics
backups/20261127T021500Z/manifest.json    written last: without it there is no backup
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec

from contracts.errors import BadMessage
from contracts.topics import DEAD_LETTERS, EXPERIMENT_EVENTS, EXPERIMENTS, INDEX_GENERATIONS

T = TypeVar("T")

FORMAT = 1
# Small topics that are copied record by record. Statuses are kept folded; all other topics only carry work.
COPIED_TOPICS = (INDEX_GENERATIONS, EXPERIMENTS, EXPERIMENT_EVENTS, DEAD_LETTERS)
_PART = 50_000


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """An object of the store, and which contents it has; by the source's `etag` the next backup knows it again."""

    key: str
    size_bytes: int
    etag: str | None
    sha256: str


class CopiedRecord(msgspec.Struct, frozen=True, array_like=True):
    """A record of a small topic."""

    topic: str
    partition: int
    key: str | None
    value: bytes
    headers: dict[str, bytes]


class FileSum(msgspec.Struct, frozen=True):
    """One of a backup's own files."""

    sha256: str
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds.

    Args:
        id: its name: the UTC time at which it was begun.
        log_epoch: of the source, whose versions the restored stack goes on from.
        space_ids: of the live generations: a stack that shall serve them needs their models.
        copied_bytes: what was not in the target before.
        rounds: how often documents that had changed meanwhile were looked at again.
        documents: how many, by state.
        unsettled: documents that were being worked on or went on changing; announced anew when restored.
        files: the backup's own files beside this one.
    """

    format: int
    id: str
    created_ms: int
    seconds: float
    log_epoch: int
    generations: tuple[str, ...]
    space_ids: tuple[str, ...]
    objects: int
    object_bytes: int
    copied_bytes: int
    rounds: int
    documents: dict[str, int]
    unsettled: tuple[str, ...]
    files: dict[str, FileSum]


def blob_key(sha256: str) -> str:
    """Where contents lie."""
    return f"blobs/{sha256[:2]}/{sha256}"


def backup_prefix(backup_id: str) -> str:
    """Folder of one backup."""
    return f"backups/{backup_id}/"


def manifest_key(backup_id: str) -> str:
    """Where a backup's manifest lies."""
    return f"{backup_prefix(backup_id)}manifest.json"


def packed(values: Iterable[T]) -> Iterator[bytes]:
    """Values as files of at most 50,000 each, compressed."""
    left = iter(values)
    while part := list(islice(left, _PART)):
        yield gzip.compress(msgspec.msgpack.encode(part), 6, mtime=0)


def unpacked(data: bytes, kind: type[T]) -> list[T]:
    """The values of one file.

    Raises:
        BadMessage: it cannot be read.
    """
    try:
        return msgspec.msgpack.decode(gzip.decompress(data), type=list[kind])  # type: ignore[valid-type]
    except (OSError, EOFError, msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise BadMessage("A file of the backup cannot be read.") from exc


def sum_of(data: bytes) -> FileSum:
    """Hash and size of a file."""
    return FileSum(hashlib.sha256(data).hexdigest(), len(data))
