"""Measured constants of the plan, each with the page that it was read off. Processors: AMD EPYC, by the core."""

from collections.abc import Mapping
from types import MappingProxyType

# docs/benchmarks/index.md, "Ten times the vectors": one thread, default kind, batches of 16.
SEARCHES_AT_100K = 1492.0
# The same page: 786/s at 333,000 rows, so a search's time grows with this power of the rows.
SEARCH_GROWTH = 0.53
# The same page: a graph of 333,000 rows was built in 148 s on one thread.
GRAPH_BUILD_S_PER_ROW = 148 / 333_000

# docs/benchmarks/gpu.md, "Index": 1,000,000 rows of 768 took 1.67 GiB on the card, were built in 12.4 s and
# searched 21,901 times a second in batches of 64.
CARD_BYTES_PER_ROW = 1.67 * 2**30 / 1_000_000
CARD_BUILD_S_PER_ROW = 12.4 / 1_000_000
CARD_SEARCHES_AT_1M = 21_901.0

# docs/benchmarks/gpu.md, "Llama 3 8B": tokens a second of all streams together at batch 32, fp16.
LLAMA_TOKENS_PER_S = 1507.0

# docs/benchmarks/ingest.md, "By stage": processor seconds of 400 mixed documents of 1.5 pages.
DOCUMENT_CPU_S: Mapping[str, float] = MappingProxyType(
    {
        "triton": 37.2 / 400,
        "text-embedder": 17.7 / 400,
        "vision-embedder": 9.4 / 400,
        "kafka": 8.2 / 400,
        "joint-updater": 2.3 / 400,
        "shards": 2.4 / 400,
    }
)

# docs/benchmarks/search.md: processor seconds of one search that no cache answers.
SEARCH_CPU_S: Mapping[str, float] = MappingProxyType({"triton": 0.0075, "kafka": 0.0047, "gateway": 0.0045})

# docs/benchmarks/capacity.md, all that follow: mixed documents of 1.5 pages (benchmarks/ingest/corpus.py).
ITEMS_PER_DOCUMENT = 2.75
PAYLOAD_DISK_BYTES = 1293.0
WORDS_DISK_BYTES = 349.0
HEAD_DISK_BYTES = 39.0
PROCESS_BYTES: Mapping[str, int] = MappingProxyType({"shard": 61_000_000, "replica": 65_000_000})
LOG_BYTES_PER_DOCUMENT: Mapping[str, float] = MappingProxyType(
    {
        "file_added": 645.0,
        "embeddings": 1957.0,
        "bulk.text": 1007.0,
        "bulk.image": 1007.0,
        "document_status": 6081.0,
        "retry.join.120s": 1469.0,
        "index_updates": 9347.0,
    }
)
STORE_BYTES_PER_DOCUMENT: Mapping[str, float] = MappingProxyType(
    {"objects": 6907.0, "derived": 11_568.0, "halves": 8109.0, "items": 8284.0}
)
CACHED_ANSWER_BYTES = 20_207.0
