"""Names of all metrics, with help and unit, in one table. The first three are promised to users by name."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "seconds", "milliseconds", "bytes", "percent", "ratio"]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric. `buckets` only for histograms, in the metric's unit; "count" is that of whatever is counted."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    unit: Unit = "count"


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)

SEARCH_LATENCY_MS = MetricSpec(
    "search_latency_ms",
    "histogram",
    "Time from a search's arrival to its answer, in milliseconds, by what served it.",
    ("served_by",),
    (1, 2, 5, 10, 20, 40, 60, 80, 100, 125, 150, 175, 200, 300, 500, 1000, 2000),
    unit="milliseconds",
)
EMBEDDING_WORKER_ERRORS = MetricSpec(
    "embedding_worker_errors",
    "counter",
    "Errors of the embedding workers (exposed as embedding_worker_errors_total).",
    ("stage", "cause"),
)
FAISS_INDEX_CPU = MetricSpec(
    "faiss_index_cpu",
    "gauge",
    "CPU use of an index process in percent of its CPU limit, 0 to 100.",
    ("shard",),
    unit="percent",
)

HTTP_REQUESTS = MetricSpec(
    "trireme_http_requests", "counter", "HTTP requests by route and status.", ("method", "route", "status")
)
SEARCH_STAGE_SECONDS = MetricSpec(
    "trireme_search_stage_seconds", "histogram", "Time of a search by stage.", ("stage",), _SECONDS, unit="seconds"
)
SEARCH_COVERAGE = MetricSpec(
    "trireme_search_shards_missing", "counter", "Shards that did not answer a search in time.", ("group",)
)
LATE_REPLIES = MetricSpec(
    "trireme_search_late_replies", "counter", "Shard replies that came after their search had been answered."
)
UNKNOWN_REPLIES = MetricSpec(
    "trireme_search_unknown_replies", "counter", "Shard replies for another gateway process."
)
EXPERIMENT_SEARCHES = MetricSpec(
    "trireme_experiment_searches",
    "counter",
    "Searches of an experiment by variant: answered, failed, empty or partial.",
    ("experiment", "variant", "outcome"),
)
EXPERIMENT_LATENCY = MetricSpec(
    "trireme_experiment_search_seconds",
    "histogram",
    "Time of a search of an experiment, by variant; of a shadow, its own time.",
    ("experiment", "variant"),
    _SECONDS,
    unit="seconds",
)
EXPERIMENT_EVENTS_TOLD = MetricSpec(
    "trireme_experiment_events", "counter", "Events of experiments by what became of them.", ("outcome",)
)
EXPERIMENT_RUNNING = MetricSpec(
    "trireme_experiments_running", "gauge", "Experiments that run, as this gateway knows."
)
EXPERIMENT_ROLLBACKS = MetricSpec(
    "trireme_experiment_rollbacks", "counter", "Rollbacks that this gateway asked for.", ("experiment",)
)
SHADOW_SEARCHES = MetricSpec(
    "trireme_shadow_searches", "counter", "Questions for shadows: compared, failed or left out.", ("outcome",)
)
FEEDBACK = MetricSpec(
    "trireme_feedback", "counter", "Feedback by kind and by what became of it.", ("kind", "outcome")
)
HEDGES = MetricSpec(
    "trireme_search_hedges", "counter", "Requests repeated to the other replica group.", ("reason",)
)
CACHE_LOOKUPS = MetricSpec("trireme_cache_lookups", "counter", "Look-ups of the answer cache.", ("outcome",))
CACHE_WRITES = MetricSpec(
    "trireme_cache_writes",
    "counter",
    "New answers: kept, dropped (Redis is away or slow), not_admitted (nearly full, and nobody asked before).",
    ("outcome",),
)
QUOTA_DRAWS = MetricSpec(
    "trireme_quota_draws",
    "counter",
    "Draws on callers' quotas: shared (in Redis), local (while Redis is away), refused.",
    ("kind", "outcome"),
)
ADMISSION_LIMIT = MetricSpec(
    "trireme_search_admission_limit", "gauge", "Searches that are let in to the index at once now."
)
ADMISSION_REFUSED = MetricSpec(
    "trireme_search_admission_refused", "counter", "Searches refused because the limit was reached."
)
TOUCHES = MetricSpec(
    "trireme_touches", "counter", "Documents told to the shards as shown in an answer.", ("outcome",)
)
BREAKER_STATE = MetricSpec(
    "trireme_breaker_open",
    "gauge",
    "1 while a circuit breaker is open, 0.5 half open, 0 closed.",
    ("dependency",),
    unit="ratio",
)
CITATIONS_DROPPED = MetricSpec(
    "trireme_answer_citations_dropped", "counter", "Citations whose quote was not found in the source."
)
ANSWER_JUDGEMENTS = MetricSpec(
    "trireme_answer_judgements",
    "counter",
    "Passages put to the language model as judge: whole, in_part; unreadable and failed, which leave their order.",
    ("outcome",),
)
ANSWER_FOLLOW_UPS = MetricSpec(
    "trireme_answer_follow_ups",
    "counter",
    "Follow-up questions put to the language model to be made whole: rewritten, unchanged; unreadable and failed, "
    "which are searched for as they were asked.",
    ("outcome",),
)
RECORDS = MetricSpec(
    "trireme_worker_records",
    "counter",
    "Records that a worker has finished, by outcome.",
    ("worker", "outcome"),
)
RECORD_SECONDS = MetricSpec(
    "trireme_worker_record_seconds",
    "histogram",
    "Time that a worker spent on one record.",
    ("worker",),
    _SECONDS,
    unit="seconds",
)
EMBEDDING_ROWS = MetricSpec(
    "trireme_embedding_rows",
    "counter",
    "Chunks and pictures that got their vectors, by where from: computed, shared with another document that waited"
    " for the same, cached, resumed from a checkpoint.",
    ("stage", "source"),
)
EMBEDDING_CALL_ROWS = MetricSpec(
    "trireme_embedding_call_rows",
    "histogram",
    "Chunks or pictures that went to the model in one call, of one document or of several.",
    ("stage",),
    (1, 2, 4, 8, 16, 32, 64),
)
EMBEDDING_PUSHED_BACK = MetricSpec(
    "trireme_embedding_pushed_back",
    "counter",
    "Calls that a model's full queue refused, to be made later.",
    ("stage",),
)
EMBEDDING_CHECKPOINTS = MetricSpec(
    "trireme_embedding_checkpoints",
    "counter",
    "Checkpoints of documents in the making: written, resumed (gone on from), removed.",
    ("stage", "event"),
)
WORKER_LAG = MetricSpec(
    "trireme_worker_lag_records",
    "gauge",
    "Records of partitions that a worker reads which it has not read yet; those never read from count as 0.",
    ("worker", "topic"),
)
DOOR_EVENTS = MetricSpec(
    "trireme_door_events", "counter", "Events of the object store by what became of them.", ("outcome",)
)
DEAD_LETTERS = MetricSpec("trireme_dead_letters", "counter", "Records given up.", ("stage", "cause"))
SPANS_LOST = MetricSpec(
    "trireme_trace_spans_lost",
    "counter",
    "Spans that were not delivered, by where to (files, collector) and why (queue_full, not_delivered).",
    ("to", "cause"),
)

INDEX_ITEMS = MetricSpec("trireme_index_items", "gauge", "Items of a shard that searches find.", ("shard",))
INDEX_DOCUMENTS = MetricSpec(
    "trireme_index_documents", "gauge", "Documents that a shard knows, removed ones included.", ("shard",)
)
INDEX_APPLIED_OFFSET = MetricSpec(
    "trireme_index_applied_offset", "gauge", "Offset of the last update that a shard has applied.", ("shard",)
)
INDEX_LAG_RECORDS = MetricSpec(
    "trireme_index_lag_records", "gauge", "Updates in the log that a shard has not applied yet.", ("shard",)
)
INDEX_LAG_SECONDS = MetricSpec(
    "trireme_index_lag_seconds",
    "gauge",
    "Age of the last update that a shard has applied, while there are newer ones in its log; else 0.",
    ("shard",),
    unit="seconds",
)
INDEX_DEAD_RATIO = MetricSpec(
    "trireme_index_dead_ratio",
    "gauge",
    "Share of a shard's stored vectors that no search may return any more, 0 to 1.",
    ("shard",),
    unit="ratio",
)
INDEX_UPKEEP = MetricSpec(
    "trireme_index_upkeep",
    "counter",
    "Things done to keep a shard quick: its delta covered by a graph or sealed, segments merged.",
    ("shard", "done"),
)
INDEX_RECOVERY_SECONDS = MetricSpec(
    "trireme_index_recovery_seconds",
    "gauge",
    "How long a shard took from the start of its process, or from its rebuild, until it served.",
    ("shard",),
    unit="seconds",
)
INDEX_SEGMENTS = MetricSpec("trireme_index_segments", "gauge", "Sealed segments of a shard.", ("shard",))
INDEX_MEMORY_BYTES = MetricSpec(
    "trireme_index_memory_bytes",
    "gauge",
    "Memory that a shard's parts take: vectors, graph, payload, documents.",
    ("shard", "part"),
    unit="bytes",
)
INDEX_SEARCH_SECONDS = MetricSpec(
    "trireme_index_search_seconds",
    "histogram",
    "Time of one search inside a shard.",
    ("shard",),
    _SECONDS,
    unit="seconds",
)
INDEX_SCANNED = MetricSpec(
    "trireme_index_vectors_scanned", "counter", "Vectors that a shard's searches compared.", ("shard",)
)
INDEX_SHORT = MetricSpec(
    "trireme_index_short_results", "counter", "Searches that found fewer items than match.", ("shard",)
)
INDEX_WIDENED = MetricSpec(
    "trireme_index_widened_searches", "counter", "Searches that were repeated with more effort.", ("shard",)
)
INDEX_RECALL = MetricSpec(
    "trireme_index_recall_ratio",
    "gauge",
    "Recall at 10 of recent queries against an exact scan, by weights of the halves, over the last probes.",
    ("shard", "weights"),
    unit="ratio",
)
INDEX_PROBES = MetricSpec("trireme_index_probes", "counter", "Queries that were repeated exactly.", ("shard",))
INDEX_PROBE_SECONDS = MetricSpec(
    "trireme_index_probe_seconds", "counter", "Time that such repetitions took.", ("shard",), unit="seconds"
)
INDEX_UPDATES = MetricSpec(
    "trireme_index_updates", "counter", "Updates by what became of them.", ("shard", "outcome")
)
INDEX_TOUCHES = MetricSpec(
    "trireme_index_touches", "counter", "Documents that the gateways told as shown in an answer.", ("shard",)
)

ALL: tuple[MetricSpec, ...] = tuple(value for value in list(globals().values()) if isinstance(value, MetricSpec))
