"""Shards and replica: what they hold, how they answer, how far behind they are, how good what they find is."""

from deploy.observability.grafana.board import Board, Panel, Query, Section, mean, quantile, rate

_CONTENT = Section(
    "What is there",
    (
        Panel(
            "Items",
            "Items that searches find, by shard; a shard and its replica have the same.",
            "short",
            (Query("max by (shard) (trireme_index_items)", "shard {{shard}}"),),
        ),
        Panel(
            "Documents",
            "Documents that a shard knows, removed ones included.",
            "short",
            (Query("max by (shard) (trireme_index_documents)", "shard {{shard}}"),),
        ),
        Panel(
            "Memory",
            "By process and part.",
            "bytes",
            (Query("sum by (instance, part) (trireme_index_memory_bytes)", "{{instance}} {{part}}"),),
        ),
        Panel(
            "Dead vectors",
            "Share of stored vectors that no search may return any more.",
            "percentunit",
            (Query("trireme_index_dead_ratio", "{{instance}} shard {{shard}}"),),
        ),
        Panel(
            "Segments",
            "Sealed segments by shard.",
            "short",
            (Query("trireme_index_segments", "{{instance}} shard {{shard}}"),),
        ),
        Panel(
            "Upkeep",
            "Deltas covered by a graph or sealed, segments merged.",
            "ops",
            (
                Query(
                    rate("trireme_index_upkeep_total", "shard, done"),
                    "shard {{shard}} {{done}}",
                    waits_for="a shard holds enough items for a graph",
                ),
            ),
        ),
    ),
)

_SEARCHES = Section(
    "Searches",
    (
        Panel(
            "Searches by process",
            "Searches a second inside shards.",
            "ops",
            (Query(rate("trireme_index_search_seconds_count", "instance"), "{{instance}}"),),
        ),
        Panel(
            "Time of a search, p95",
            "Inside a shard, without waiting for it.",
            "s",
            (Query(quantile(0.95, "trireme_index_search_seconds_bucket", "instance"), "{{instance}}"),),
        ),
        Panel(
            "Processor",
            "In percent of the process's limit; FaissIndexCpuHigh is over 85 % for 5 minutes.",
            "percent",
            (Query("faiss_index_cpu", "{{instance}}"),),
            limit=85,
        ),
        Panel(
            "Vectors compared for one search",
            "Mean by shard.",
            "short",
            (
                Query(
                    mean("trireme_index_vectors_scanned_total", "trireme_index_search_seconds_count", "shard"),
                    "shard {{shard}}",
                ),
            ),
        ),
        Panel(
            "Short and widened searches",
            "Searches that found fewer items than match, and searches that were repeated with more effort.",
            "ops",
            (
                Query(rate("trireme_index_short_results_total", "shard"), "shard {{shard}} short"),
                Query(rate("trireme_index_widened_searches_total", "shard"), "shard {{shard}} widened"),
            ),
        ),
        Panel(
            "Recall at 10",
            "Of recent questions against an exact scan, by weights of the halves; IndexRecallLow is under 90 %.",
            "percentunit",
            (Query("trireme_index_recall_ratio", "{{instance}} shard {{shard}} {{weights}}"),),
        ),
        Panel(
            "Probes of recall",
            "Share of a processor that exact repetitions take.",
            "percentunit",
            (Query(rate("trireme_index_probe_seconds_total", "instance"), "{{instance}}"),),
        ),
        Panel(
            "Touches",
            "Documents that the gateways told as shown in an answer.",
            "ops",
            (Query(rate("trireme_index_touches_total", "shard"), "shard {{shard}}"),),
        ),
        Panel(
            "Recovery",
            "How long a shard took from its start, or from its rebuild, until it served.",
            "s",
            (Query("trireme_index_recovery_seconds", "{{instance}} shard {{shard}}"),),
        ),
    ),
)

_UPDATES = Section(
    "Updates",
    (
        Panel(
            "Updates",
            "Updates a second by what became of them.",
            "ops",
            (Query(rate("trireme_index_updates_total", "instance, outcome"), "{{instance}} {{outcome}}"),),
        ),
        Panel(
            "Updates not applied yet",
            "In the log of each shard.",
            "short",
            (Query("trireme_index_lag_records", "{{instance}} shard {{shard}}"),),
        ),
        Panel(
            "Behind",
            "Age of the last update applied while there are newer ones; IndexFallsBehind is over 60 s.",
            "s",
            (Query("trireme_index_lag_seconds", "{{instance}} shard {{shard}}"),),
            limit=60,
        ),
    ),
)

BOARD = Board(
    "index",
    "Trireme: index",
    "What shards hold, how they answer, how far behind they are, how good what they find is.",
    (_SEARCHES, _UPDATES, _CONTENT),
)
