"""The first board to look at: traffic, latency by stage, errors, coverage, cache."""

from deploy.observability.grafana.board import Board, Panel, Query, Section, mean, quantile, rate

_ASKED = 'served_by!="cache"'
_FROM_INDEX = 'search_latency_ms_count{served_by="index"}'
_PROBES = 'route!~"/healthz|/readyz|/metrics"'

_AT_A_GLANCE = Section(
    "At a glance",
    (
        Panel(
            "Searches",
            "Searches a second, those that the cache answers among them.",
            "reqps",
            (Query(rate("search_latency_ms_count"), "searches"),),
            shows="number",
            width=6,
        ),
        Panel(
            "p95 without cache",
            "95 of 100 searches that the cache does not answer take at most this; the promise is 150 ms.",
            "ms",
            (Query(quantile(0.95, f"search_latency_ms_bucket{{{_ASKED}}}"), "p95"),),
            limit=150,
            shows="number",
            width=6,
        ),
        Panel(
            "Searches that lack a shard",
            "Shards that did not answer in time, for each search of the index; ShardsMissing is over 1 %.",
            "percentunit",
            (
                Query(
                    f"({rate('trireme_search_shards_missing_total')} or vector(0)) / ({rate(_FROM_INDEX)} > 0)",
                    "missing",
                ),
            ),
            limit=0.01,
            shows="number",
            width=6,
        ),
        Panel(
            "Cache hits",
            "Share of look-ups that found an answer.",
            "percentunit",
            (
                Query(
                    mean(
                        'trireme_cache_lookups_total{outcome="hit"}',
                        'trireme_cache_lookups_total{outcome=~"hit|miss"}',
                    ),
                    "hits",
                ),
            ),
            shows="number",
            width=6,
        ),
    ),
)

_TRAFFIC = Section(
    "Traffic",
    (
        Panel(
            "Requests by route",
            "HTTP requests a second; probes are left out.",
            "reqps",
            (Query(rate(f"trireme_http_requests_total{{{_PROBES}}}", "method, route"), "{{method}} {{route}}"),),
        ),
        Panel(
            "Searches by what served them",
            "The index, the cache, a stale cache while the index is away, or an error.",
            "reqps",
            (Query(rate("search_latency_ms_count", "served_by"), "{{served_by}}"),),
        ),
        Panel(
            "Admission",
            "Searches that are let in to the index at once, and those refused a second.",
            "none",
            (
                Query("sum(trireme_search_admission_limit)", "limit"),
                Query(rate("trireme_search_admission_refused_total"), "refused a second"),
            ),
        ),
    ),
)

_LATENCY = Section(
    "Latency",
    (
        Panel(
            "Searches without cache",
            "Quantiles. The promise is a p95 of 150 ms.",
            "ms",
            tuple(
                Query(quantile(q, f"search_latency_ms_bucket{{{_ASKED}}}"), name)
                for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ),
            limit=150,
        ),
        Panel(
            "p95 by stage",
            "Where a search's time goes; `kafka` is the slowest shard's round trip without its own work.",
            "s",
            (Query(quantile(0.95, "trireme_search_stage_seconds_bucket", "stage"), "{{stage}}"),),
        ),
        Panel(
            "Error budget of searches",
            "How many times faster than evenly the 1 % of searches that may fail or take over 200 ms is used up.",
            "none",
            tuple(Query(f"trireme:search_bad:ratio{window} / 0.01", window) for window in ("1h", "6h", "3d")),
            limit=1,
        ),
    ),
)

_ERRORS = Section(
    "Errors",
    (
        Panel(
            "Refused and failed requests",
            "By route and status. 499 is a caller who left.",
            "reqps",
            (
                Query(
                    rate('trireme_http_requests_total{status=~"4..|5.."}', "route, status"), "{{status}} {{route}}"
                ),
            ),
        ),
        Panel(
            "Breakers",
            "1 while a circuit breaker is open, 0.5 while it tries.",
            "none",
            (Query("max by (dependency) (trireme_breaker_open)", "{{dependency}}"),),
        ),
        Panel(
            "Quotas",
            "Draws on callers' quotas by what became of them.",
            "ops",
            (
                Query(
                    rate("trireme_quota_draws_total", "kind, outcome"),
                    "{{kind}} {{outcome}}",
                    waits_for="an API key with a quota is used",
                ),
            ),
        ),
        Panel(
            "Processes that answer",
            "1 while Prometheus is answered.",
            "none",
            (Query('up{job=~"gateway|index|ingest|triton|tracing"}', "{{instance}}"),),
        ),
        Panel(
            "Lost spans",
            "Spans that were not delivered, to the files or to the collector.",
            "ops",
            (
                Query(
                    rate("trireme_trace_spans_lost_total", "to, cause"),
                    "{{to}} {{cause}}",
                    waits_for="a span is lost",
                ),
            ),
        ),
        Panel(
            "Dropped citations",
            "Citations of answers whose quote was not found in the source.",
            "ops",
            (Query(rate("trireme_answer_citations_dropped_total"), "dropped"),),
        ),
    ),
)

_COVERAGE = Section(
    "Coverage",
    (
        Panel(
            "Shards missing by replica group",
            "Shards that did not answer a search in time.",
            "ops",
            (
                Query(
                    rate("trireme_search_shards_missing_total", "group"),
                    "group {{group}}",
                    waits_for="a shard misses a search",
                ),
            ),
        ),
        Panel(
            "Repeated requests",
            "Requests repeated to the other replica group, by why.",
            "ops",
            (
                Query(
                    rate("trireme_search_hedges_total", "reason"),
                    "{{reason}}",
                    waits_for="a shard is slow or away",
                ),
            ),
        ),
        Panel(
            "Late and strange replies",
            "Replies that came after their search had been answered, or to another gateway.",
            "ops",
            (
                Query(rate("trireme_search_late_replies_total"), "late"),
                Query(rate("trireme_search_unknown_replies_total"), "for another gateway"),
            ),
        ),
    ),
)

_CACHE = Section(
    "Cache",
    (
        Panel(
            "Look-ups",
            "Look-ups of the answer cache by what they found.",
            "ops",
            (Query(rate("trireme_cache_lookups_total", "outcome"), "{{outcome}}"),),
            width=12,
        ),
        Panel(
            "Latency of hits",
            "Quantiles of searches that the cache answers.",
            "ms",
            tuple(
                Query(quantile(q, 'search_latency_ms_bucket{served_by="cache"}'), name)
                for q, name in ((0.5, "p50"), (0.95, "p95"))
            ),
            width=12,
        ),
    ),
)

BOARD = Board(
    "overview",
    "Trireme: overview",
    "Traffic, latency by stage, errors, coverage, cache.",
    (_AT_A_GLANCE, _TRAFFIC, _LATENCY, _ERRORS, _COVERAGE, _CACHE),
)
