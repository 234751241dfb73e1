"""From a document's arrival to its place in the index: workers, their lag, models' batches, what went wrong."""

from deploy.observability.grafana.board import Board, Panel, Query, Section, mean, quantile, rate

_LETTERS = "sum by (stage, cause) (increase(trireme_dead_letters_total[$__rate_interval]))"

_RECORDS = Section(
    "Records",
    (
        Panel(
            "Records by worker",
            "Records finished a second, by outcome.",
            "ops",
            (Query(rate("trireme_worker_records_total", "worker, outcome"), "{{worker}} {{outcome}}"),),
        ),
        Panel(
            "Time of a record, p95",
            "95 of 100 records take a worker at most this long.",
            "s",
            (Query(quantile(0.95, "trireme_worker_record_seconds_bucket", "worker"), "{{worker}}"),),
        ),
        Panel(
            "Records that wait",
            "Records that a worker has not read yet; WorkerFallsBehind is over 1000 for 15 minutes.",
            "short",
            (Query("sum by (worker) (trireme_worker_lag_records)", "{{worker}}"),),
            limit=1000,
        ),
        Panel(
            "Records that wait, by topic",
            "New documents, backfills (bulk) and second tries (retry) wait in topics of their own.",
            "short",
            (Query("sum by (topic) (trireme_worker_lag_records)", "{{topic}}"),),
        ),
        Panel(
            "Time in which updates waited over a minute",
            "Share of the shards' time, over an hour and three days; the objective is 1 %.",
            "percentunit",
            tuple(Query(f"trireme:freshness_bad:ratio{window}", window) for window in ("1h", "3d")),
            limit=0.01,
        ),
        Panel(
            "Events of object stores",
            "Events of buckets by what became of them.",
            "ops",
            (
                Query(
                    rate("trireme_door_events_total", "outcome"),
                    "{{outcome}}",
                    waits_for="an object store announces an object to the webhook",
                ),
            ),
        ),
    ),
)

_EMBEDDING = Section(
    "Embedding",
    (
        Panel(
            "Chunks and pictures",
            "Rows that got their vectors a second, by where from.",
            "ops",
            (Query(rate("trireme_embedding_rows_total", "stage, source"), "{{stage}} {{source}}"),),
        ),
        Panel(
            "Rows in one call of a model",
            "Mean number of chunks or pictures, of one document or of several.",
            "none",
            (
                Query(
                    mean("trireme_embedding_call_rows_sum", "trireme_embedding_call_rows_count", "stage"),
                    "{{stage}}",
                ),
            ),
        ),
        Panel(
            "Pushed back, and kept",
            "Calls that a model's full queue refused, and checkpoints of long documents.",
            "ops",
            (
                Query(
                    rate("trireme_embedding_pushed_back_total", "stage"),
                    "{{stage}} pushed back",
                    waits_for="a model's queue is full",
                ),
                Query(
                    rate("trireme_embedding_checkpoints_total", "stage, event"),
                    "{{stage}} checkpoint {{event}}",
                    waits_for="a document is long enough for a checkpoint",
                ),
            ),
        ),
    ),
)

_ERRORS = Section(
    "Errors",
    (
        Panel(
            "Errors of the embedding workers",
            "A minute, all stages and causes; EmbeddingWorkerErrors is over 10.",
            "none",
            (Query(f"{rate('embedding_worker_errors_total')} * 60", "errors a minute"),),
            limit=10,
        ),
        Panel(
            "Errors by stage and cause",
            "A minute.",
            "none",
            (Query(f"{rate('embedding_worker_errors_total', 'stage, cause')} * 60", "{{stage}}: {{cause}}"),),
        ),
        Panel(
            "Dead letters",
            "Records given up, by stage and cause. `trireme dlq list` shows them.",
            "none",
            (Query(_LETTERS, "{{stage}}: {{cause}}"),),
        ),
    ),
)

BOARD = Board(
    "ingestion",
    "Trireme: ingestion",
    "Workers, their lag, models' batches, errors, dead letters.",
    (_RECORDS, _EMBEDDING, _ERRORS),
)
