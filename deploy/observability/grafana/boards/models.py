"""Triton, by its own metrics. Why requests that it REJECTED are left out: docs/operations.md."""

from deploy.observability.grafana.board import Board, Panel, Query, Section, mean, rate

_BY = "model, version"
_NAME = "{{model}} {{version}}"
_DONE = "nv_inference_request_success"
_FAILED = 'nv_inference_request_failure{reason!="REJECTED"}'
_GPU = "Triton runs on a GPU"


def _time(title: str, about: str, part: str, per: str = "nv_inference_request_success") -> Panel:
    spent = mean(f"nv_inference_{part}_duration_us", per, _BY)
    return Panel(title, about, "s", (Query(f"{spent} / 1e6", _NAME),))


_REQUESTS = Section(
    "Requests",
    (
        Panel("Requests", "Requests a second that succeeded.", "reqps", (Query(rate(_DONE, _BY), _NAME),)),
        Panel(
            "Failures",
            "Requests a second that failed, by why; TritonFailures is over one in ten seconds.",
            "reqps",
            (Query(rate(_FAILED, "model, reason"), "{{model}} {{reason}}"),),
            limit=0.1,
        ),
        Panel(
            "Waiting",
            "Requests in a model's queue.",
            "short",
            (Query(f"sum by ({_BY}) (nv_inference_pending_request_count)", _NAME),),
        ),
        _time("Time of a request", "Mean, from its arrival at Triton to its answer.", "request"),
        _time("Time in the queue", "Mean, until a batch was made of it.", "queue"),
        _time("Time in the model", "Mean, while the model computed it.", "compute_infer"),
        Panel(
            "Items in one batch",
            "Mean number of items that a model computed at once.",
            "none",
            (Query(mean("nv_inference_count", "nv_inference_exec_count", _BY), _NAME),),
        ),
        Panel(
            "Batches",
            "Batches a second.",
            "ops",
            (Query(rate("nv_inference_exec_count", _BY), _NAME),),
        ),
        Panel(
            "Breakers of the gateway",
            "1 while the gateway does without an encoder, 0.5 while it tries.",
            "none",
            (Query('max by (dependency) (trireme_breaker_open{dependency=~"text|clip_.*"})', "{{dependency}}"),),
        ),
    ),
)

_MACHINE = Section(
    "Machine",
    (
        Panel(
            "Processor",
            "Use of the machine's processors, as Triton sees it.",
            "percentunit",
            (Query("nv_cpu_utilization", "{{instance}}"),),
        ),
        Panel(
            "Memory",
            "Of the machine, as Triton sees it.",
            "bytes",
            (
                Query("nv_cpu_memory_used_bytes", "{{instance}} used"),
                Query("nv_cpu_memory_total_bytes", "{{instance}} there"),
            ),
        ),
        Panel(
            "GPU",
            "Use of each GPU.",
            "percentunit",
            (Query("nv_gpu_utilization", "{{instance}} {{gpu_uuid}}", waits_for=_GPU),),
        ),
        Panel(
            "GPU memory",
            "Of each GPU.",
            "bytes",
            (
                Query("nv_gpu_memory_used_bytes", "{{instance}} {{gpu_uuid}} used", waits_for=_GPU),
                Query("nv_gpu_memory_total_bytes", "{{instance}} {{gpu_uuid}} there", waits_for=_GPU),
            ),
        ),
    ),
)

BOARD = Board("models", "Trireme: models", "Triton, by its own metrics.", (_REQUESTS, _MACHINE))
