from contracts.metrics import SEARCH_LATENCY_MS
from gateway.clients.meter import PrometheusMeter
from gateway.flows.ports import SearchMeter
from runtime.telemetry import Metrics


def test_search_latency_is_kept_by_what_served_it_with_edges_at_150_and_200_ms() -> None:
    metrics = Metrics()
    meter: SearchMeter = PrometheusMeter(metrics)
    meter.answered("index", 160.0, {"total": 160.0, "kafka": 3.0})
    meter.answered("cache", 1.5, {"total": 1.5})

    def below(edge: str, served_by: str) -> float | None:
        labels = {"le": edge, "served_by": served_by}
        return metrics.registry.get_sample_value(f"{SEARCH_LATENCY_MS.name}_bucket", labels)

    assert (below("150.0", "index"), below("200.0", "index")) == (0.0, 1.0)
    assert below("2.0", "cache") == 1.0
    assert metrics.registry.get_sample_value("trireme_search_stage_seconds_sum", {"stage": "kafka"}) == 0.003


def test_breakers_missing_shards_and_hedges_are_told() -> None:
    metrics = Metrics()
    meter = PrometheusMeter(metrics)
    meter.breaker("group-0/shard-1", "open")
    meter.missing_shards(0, 2)
    meter.hedged("late")
    sample = metrics.registry.get_sample_value
    assert sample("trireme_breaker_open", {"dependency": "group-0/shard-1"}) == 1.0
    assert sample("trireme_search_shards_missing_total", {"group": "0"}) == 2.0
    assert sample("trireme_search_hedges_total", {"reason": "late"}) == 1.0
