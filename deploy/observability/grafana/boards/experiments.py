"""Experiments while they run. Nothing is decided by it: `trireme experiment status` has the intervals."""

from deploy.observability.grafana.board import Board, Panel, Query, Section, mean, quantile, rate

_BY = "experiment, variant"
_NAME = "{{experiment}} {{variant}}"
_SEARCHES = "trireme_experiment_searches_total"

_VARIANTS = Section(
    "Variants",
    (
        Panel(
            "Running",
            "Experiments that run, as each gateway knows.",
            "none",
            (Query("max(trireme_experiments_running)", "experiments"),),
            shows="number",
        ),
        Panel("Searches", "Searches a second by variant.", "reqps", (Query(rate(_SEARCHES, _BY), _NAME),)),
        Panel(
            "Latency, p95",
            "Of the answer, from the cache or not; of a shadow, its own time.",
            "s",
            (Query(quantile(0.95, "trireme_experiment_search_seconds_bucket", _BY), _NAME),),
        ),
        Panel(
            "Outcomes",
            "Searches a second by variant and outcome.",
            "reqps",
            (Query(rate(_SEARCHES, f"{_BY}, outcome"), f"{_NAME} {{{{outcome}}}}"),),
        ),
        Panel(
            "Searches not fully answered",
            "Share of a variant's searches that failed, were empty or lacked a shard.",
            "percentunit",
            (
                Query(
                    mean(f'{_SEARCHES}{{outcome!="answered"}}', _SEARCHES, _BY),
                    _NAME,
                    waits_for="a search of an experiment fails, is empty or lacks a shard",
                ),
            ),
        ),
        Panel(
            "Rollbacks",
            "Experiments that a guardrail ended.",
            "none",
            (
                Query(
                    "sum by (experiment) (increase(trireme_experiment_rollbacks_total[$__rate_interval]))",
                    "{{experiment}}",
                    waits_for="a guardrail ends an experiment",
                ),
            ),
        ),
    ),
)

_EVENTS = Section(
    "Events",
    (
        Panel(
            "Feedback",
            "Clicks and judgements a second, by what became of them.",
            "ops",
            (Query(rate("trireme_feedback_total", "kind, outcome"), "{{kind}} {{outcome}}"),),
        ),
        Panel(
            "Events told",
            "Events of experiments by what became of them.",
            "ops",
            (Query(rate("trireme_experiment_events_total", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Shadows",
            "Questions for shadows: compared, failed or left out.",
            "ops",
            (
                Query(
                    rate("trireme_shadow_searches_total", "outcome"),
                    "{{outcome}}",
                    waits_for="an experiment with a shadow runs",
                ),
            ),
        ),
    ),
)

BOARD = Board(
    "experiments", "Trireme: experiments", "Searches, latency and feedback by variant.", (_VARIANTS, _EVENTS)
)
