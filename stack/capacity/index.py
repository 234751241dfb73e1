"""What shards, their replica and their cards need. The formulae are those of `index_service` itself."""

from __future__ import annotations

from collections.abc import Iterator

from index_service.kinds.parameters import kind_for
from index_service.measures import DOCUMENT_BYTES, SLOT_BYTES
from stack.capacity import measured
from stack.capacity.load import Load, Need


def graph_bytes(load: Load) -> int:
    """Links of one shard's graphs: 2 m of four bytes on the ground level, about four more words a row above it."""
    return load.rows * (8 * load.index.m + 16)


def shard_bytes(load: Load) -> float:
    """Memory of one shard that answers from memory: rows, links, documents, the process itself and its delta."""
    row = 2 * load.dim + SLOT_BYTES
    documents = load.documents / load.shards * DOCUMENT_BYTES
    delta = load.index.seal_rows * (2 * load.dim + measured.PAYLOAD_DISK_BYTES + 8 * load.index.m + 16)
    return measured.PROCESS_BYTES["shard"] + load.rows * row + graph_bytes(load) + documents + delta


def segment_bytes(load: Load) -> float:
    """Disk of one shard's segments: rows, links, payloads, words and heads, each once."""
    item = 2 * load.dim + measured.PAYLOAD_DISK_BYTES + measured.WORDS_DISK_BYTES + measured.HEAD_DISK_BYTES
    return load.rows * item + graph_bytes(load)


def searches_per_core(load: Load) -> float:
    """Searches a second that one core does in one shard: fewer as the graph and its breadth grow."""
    return float(measured.SEARCHES_AT_100K * (load.rows / 100_000) ** -measured.SEARCH_GROWTH)


def index_needs(load: Load) -> Iterator[Need]:
    """Shards on processors, or on cards, and the replica that stands in for all of them."""
    kind = kind_for(load.rows, load.dim, load.index)
    memory, disk = shard_bytes(load), 2 * segment_bytes(load)
    yield Need("index", "rows of a shard", load.rows, "", "items / shards")
    yield Need("index", f"memory of a shard ({kind})", memory, "bytes", _memory_formula(load))
    yield Need(
        "index",
        "more while it merges",
        load.rows * 2 * load.dim + graph_bytes(load),
        "bytes",
        "rows and links of the segment that the merging process writes, at most all of the shard's",
    )
    yield Need(
        "index",
        "disk of a shard",
        disk,
        "bytes",
        "2 x (rows, links, payloads, words, heads): old and new, merging",
    )
    yield Need(
        "index", "building a shard anew", load.rows * measured.GRAPH_BUILD_S_PER_ROW, "seconds", "one thread"
    )
    if load.gpu:
        yield from _cards(load)
    else:
        rate = searches_per_core(load)
        yield Need(
            "index",
            "searches of a core in a shard",
            rate,
            "a second",
            f"{measured.SEARCHES_AT_100K:,.0f} x (rows / 100,000)^-{measured.SEARCH_GROWTH}",
        )
        cores = load.shards * (load.searches_per_s / rate + _intake_cores(load)) / load.used
        yield Need("index", "cores of all shards", cores, "cores", "shards x (searches / rate + writing) / used")
    yield Need(
        "index",
        "memory of the CPU replica",
        load.shards * (memory - measured.PROCESS_BYTES["shard"]) + measured.PROCESS_BYTES["replica"],
        "bytes",
        "all shards in one process",
    )


def _cards(load: Load) -> Iterator[Need]:
    card = load.rows * (measured.CARD_BYTES_PER_ROW - 1536 + 2 * load.dim)
    yield Need("index", "GPUs of the shards", load.shards, "GPUs", "one a shard")
    yield Need(
        "index", "memory of a card", card, "bytes", "rows and 64 links a row, as measured at 1,000,000 rows"
    )
    yield Need(
        "index",
        "building the graph on a card",
        load.rows * measured.CARD_BUILD_S_PER_ROW,
        "seconds",
        "12.4 s a million",
    )
    cores = load.shards * (_intake_cores(load) + 1) / load.used
    yield Need("index", "cores of all shards", cores, "cores", "shards x (1 for searching + writing) / used")


def _intake_cores(load: Load) -> float:
    """Cores of one shard's share of writing."""
    return load.documents_per_s * measured.DOCUMENT_CPU_S["shards"] / load.shards


def _memory_formula(load: Load) -> str:
    links = 8 * load.index.m + 16
    return (
        f"process + rows x ({2 * load.dim} + {links} + {SLOT_BYTES}) + documents x {DOCUMENT_BYTES} "
        f"+ {load.index.seal_rows:,} unsealed rows with payloads"
    )
