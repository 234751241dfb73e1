"""What everything around the index needs: log, store, workers, models, gateways, cache."""

from __future__ import annotations

import math
from collections.abc import Iterator

from contracts.topics import FILE_PARTITIONS, REPLY_PARTITIONS, TopicSpec, fixed_topics, generation_topics
from stack.capacity import measured
from stack.capacity.load import Load, Need

_DAY_S = 86_400
_GENERATION = "generation"


def log_needs(load: Load) -> Iterator[Need]:
    """Partitions, and disk by how long each topic keeps its records."""
    topics = (*fixed_topics(), *generation_topics(_GENERATION, load.shards))
    partitions = sum(topic.partitions for topic in topics)
    yield Need("log", "partitions", partitions, "partitions", "all topics of contracts/topics.py, one generation")
    yield Need(
        "log",
        "partitions with copies",
        partitions * load.log_copies,
        "partitions",
        "x copies: what the brokers hold together",
    )
    kept = sum(_kept_documents(load, topic) * _record_bytes(topic) for topic in topics)
    yield Need(
        "log",
        "disk of all brokers",
        kept * load.log_copies,
        "bytes",
        "bytes a document and topic x documents within the topic's retention (compacted: all) x copies",
    )
    yield Need(
        "log",
        "more after a first fill within a week",
        load.documents * sum(measured.LOG_BYTES_PER_DOCUMENT.values()) * load.log_copies,
        "bytes",
        "all documents' records at once x copies; `trireme batch spark` writes far fewer",
    )


def store_needs(load: Load) -> Iterator[Need]:
    """The object store, by what lies there."""
    for name, size in sorted(measured.STORE_BYTES_PER_DOCUMENT.items()):
        yield Need("store", f"{name}/", load.documents * size, "bytes", f"documents x {size:,.0f}")


def worker_needs(load: Load) -> Iterator[Need]:
    """Embedders and the joint updater in the busiest hour, and a first fill."""
    rate = load.documents_per_s
    yield Need("workers", "documents in the busiest hour", rate, "a second", "documents a day x busy / 86,400")
    for name in ("text-embedder", "vision-embedder", "joint-updater"):
        seconds = measured.DOCUMENT_CPU_S[name]
        yield Need(
            "workers", f"cores of {name}", rate * seconds / load.used, "cores", f"rate x {seconds:.4f} s / used"
        )
    yield Need(
        "workers", "embedders at most", FILE_PARTITIONS, "", "partitions of file_added, for each of the two"
    )
    seconds = sum(measured.DOCUMENT_CPU_S.values())
    yield Need(
        "workers",
        "a first fill with 16 cores",
        load.documents * seconds / 16,
        "seconds",
        f"documents x {seconds:.3f} processor seconds / 16, models on the CPU",
    )


def model_needs(load: Load) -> Iterator[Need]:
    """Triton on processors for the small encoders; cards for a language model."""
    documents = load.documents_per_s * measured.DOCUMENT_CPU_S["triton"]
    searches = load.searches_per_s * measured.SEARCH_CPU_S["triton"]
    yield Need(
        "models",
        "cores of Triton",
        (documents + searches) / load.used,
        "cores",
        "(documents x 0.093 s + searches x 0.0075 s) / used, MiniLM and the small towers",
    )
    if load.answers_per_s:
        tokens = load.answers_per_s * load.answer_tokens
        yield Need(
            "models",
            "GPUs of an 8B language model",
            math.ceil(tokens / (measured.LLAMA_TOKENS_PER_S * load.used)),
            "GPUs",
            f"answers x tokens / ({measured.LLAMA_TOKENS_PER_S:,.0f} tokens/s of an H200 at batch 32 x used)",
        )


def gateway_needs(load: Load) -> Iterator[Need]:
    """Gateways, the broker's share of searching, and Redis."""
    gateway = load.searches_per_s * measured.SEARCH_CPU_S["gateway"] / load.used
    yield Need("gateway", "cores of gateways", gateway, "cores", "searches x 0.0045 s / used")
    yield Need("gateway", "gateways at most", REPLY_PARTITIONS, "", "partitions of search_res")
    broker = load.searches_per_s * measured.SEARCH_CPU_S["kafka"] + (
        load.documents_per_s * measured.DOCUMENT_CPU_S["kafka"]
    )
    yield Need(
        "gateway",
        "cores of brokers",
        broker / load.used,
        "cores",
        "(searches x 0.0047 s + documents x 0.02 s) / used",
    )
    yield Need(
        "gateway",
        "memory of Redis",
        load.cached_answers * measured.CACHED_ANSWER_BYTES,
        "bytes",
        f"cached answers x {measured.CACHED_ANSWER_BYTES:,.0f}",
    )


def _kept_documents(load: Load, topic: TopicSpec) -> float:
    """Documents whose records a topic still has."""
    if topic.gone_after_s is None:
        return load.documents
    return min(float(load.documents), load.documents_per_day * topic.gone_after_s / _DAY_S)


def _record_bytes(topic: TopicSpec) -> float:
    name = topic.name.removesuffix(f".{_GENERATION}")
    return measured.LOG_BYTES_PER_DOCUMENT.get(name, 0.0)
