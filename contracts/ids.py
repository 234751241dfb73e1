"""Identities and placement: document ids, log versions, shard and partition of a document."""

import hashlib
import uuid

DEFAULT_TENANT = "default"
DEFAULT_COLLECTION = "default"

_DOCUMENT_NAMESPACE = uuid.UUID("6f0c8d3e-3f4b-5c0a-9b68-5a7c1f1e8d10")
_EPOCH_STRIDE = 2**40


def document_id(tenant: str, collection: str, source_key: str) -> str:
    """UUIDv5 of a document: the same source in the same collection of the same tenant is the same document."""
    return str(uuid.uuid5(_DOCUMENT_NAMESPACE, "\x1f".join((tenant, collection, source_key))))


def version_of(log_epoch: int, offset: int) -> int:
    """Version of a document: `log_epoch * 2**40 + offset` of its `file_added` record.

    The log orders documents, no clock does. A re-created topic restarts its offsets, so it raises the epoch.
    """
    if log_epoch < 1 or not 0 <= offset < _EPOCH_STRIDE:
        raise ValueError(f"epoch {log_epoch} or offset {offset} out of range")
    return log_epoch * _EPOCH_STRIDE + offset


def epoch_of(version: int) -> int:
    """The log epoch that gave out a version."""
    return version // _EPOCH_STRIDE


def shard_of(doc_id: str, n_shards: int) -> int:
    """Shard of a document, 0 <= shard < n_shards.

    Jump consistent hash (Lamping and Veach, 2014, arXiv 1406.2294) of the first 64 bits of BLAKE2b.
    """
    if n_shards < 1:
        raise ValueError("n_shards must be at least 1")
    key = int.from_bytes(hashlib.blake2b(doc_id.encode(), digest_size=8).digest(), "big")
    bucket, candidate = -1, 0
    while candidate < n_shards:
        bucket = candidate
        key = (key * 2862933555777941757 + 1) & 0xFFFFFFFFFFFFFFFF
        candidate = int((bucket + 1) * (2**31 / ((key >> 33) + 1)))
    return bucket


def partition_of(key: str, n_partitions: int) -> int:
    """Partition that Kafka's murmur2 partitioner gives to a key: for records keyed by more than `doc_id`.

    Same function as org.apache.kafka.common.utils.Utils.murmur2, so Java, Spark and Python agree.
    """
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % n_partitions


def _murmur2(data: bytes) -> int:
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    h = (0x9747B28C ^ length) & mask
    body = length - length % 4
    for i in range(0, body, 4):
        k = (int.from_bytes(data[i : i + 4], "little") * m) & mask
        k = ((k ^ (k >> 24)) * m) & mask
        h = ((h * m) & mask) ^ k
    tail = data[body:]
    if tail:
        h = ((h ^ int.from_bytes(tail, "little")) * m) & mask
    h = ((h ^ (h >> 13)) * m) & mask
    return h ^ (h >> 15)
