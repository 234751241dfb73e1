"""docker-compose.yml's profiles: hosts with and without a GPU, and what watches them."""

from __future__ import annotations

import pytest
import yaml

from export.model_config import DEVICES
from export.tensorrt import ENGINE_CACHE
from index_service.settings import IndexSettings
from tests.architecture.compose_file import ROOT, load
from tests.architecture.compose_services import OURS, SECRETS, SERVICES, active, names_of, settings_of


@pytest.mark.parametrize("device", DEVICES)
def test_one_variable_chooses_the_configuration_of_every_model_on_a_gpu(device: str) -> None:
    chosen = load({**SECRETS, "TRIREME_DEVICE": device})["services"]
    assert chosen["triton-gpu"]["entrypoint"][-1] == f"--model-config-name={device}"
    assert chosen["triton"]["entrypoint"][-1] == "--model-config-name=cpu"
    assert chosen["triton"]["command"] == chosen["triton-gpu"]["command"]
    assert SERVICES["triton-gpu"]["entrypoint"][-1] == "--model-config-name=cuda"


def test_hosts_with_a_gpu_give_it_to_triton_and_the_shards_and_hosts_without_need_none() -> None:
    with_gpu = {
        name: each["deploy"]["resources"]["reservations"]["devices"]
        for name, each in SERVICES.items()
        if "deploy" in each
    }
    assert with_gpu.keys() == {"triton-gpu", "shard-0-gpu", "shard-1-gpu", "shard-2-gpu"}
    assert not with_gpu.keys() & active("cpu")
    assert with_gpu.keys() < active("gpu")
    for [device] in with_gpu.values():
        assert device == {"driver": "nvidia", "capabilities": ["gpu"], "device_ids": ["0"]}
    for number in range(3):
        gpu, cpu = SERVICES[f"shard-{number}-gpu"], SERVICES[f"shard-{number}"]
        settings = settings_of(gpu)
        assert isinstance(settings, IndexSettings)
        assert settings.index.gpu == 0
        assert gpu["build"]["target"] == "service-gpu"
        assert gpu["volumes"] == cpu["volumes"]
        assert names_of(f"shard-{number}-gpu")[-1] == f"shard-{number}"


def test_profiles_for_cpu_and_gpu_bring_the_same_processes() -> None:
    def roles(profile: str) -> set[str]:
        return {name.removesuffix("-gpu") for name in active(profile)}

    assert roles("gpu") == roles("cpu") | {"tensorrt-volume"}
    assert {"otel-collector", "tempo", "prometheus", "loki", "alloy", "grafana"} == active(
        "observability"
    ) - active()


def test_engines_are_kept_where_the_configurations_put_them() -> None:
    triton, owner = SERVICES["triton-gpu"], SERVICES["tensorrt-volume"]
    assert f"tensorrt:{ENGINE_CACHE}" in triton["volumes"]
    assert triton["depends_on"] == {"tensorrt-volume": {"condition": "service_completed_successfully"}}
    assert owner["entrypoint"] == ["/bin/chown", triton["user"], ENGINE_CACHE]
    assert owner["volumes"] == [f"tensorrt:{ENGINE_CACHE}"]


def test_spans_of_all_processes_go_through_the_collector_to_the_store_that_grafana_asks() -> None:
    tracing = ROOT / "deploy" / "observability" / "tracing"
    collector = yaml.safe_load((tracing / "otel-collector.yaml").read_text())
    store = yaml.safe_load((tracing / "tempo.yaml").read_text())
    listens = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].removeprefix("0.0.0.0")
    assert all(settings_of(each).otlp_endpoint == f"http://otel-collector{listens}" for each in OURS.values())
    taken = store["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"].removeprefix("0.0.0.0")
    assert collector["exporters"]["otlp_http"]["endpoint"] == f"http://tempo{taken}"
    pipeline = collector["service"]["pipelines"]["traces"]
    assert (pipeline["receivers"], pipeline["exporters"]) == (["otlp"], ["otlp_http"])
    assert pipeline["processors"][0] == "memory_limiter", "it protects nothing behind a batch"
    limit_mib = collector["processors"]["memory_limiter"]["limit_mib"]
    assert limit_mib < int(SERVICES["otel-collector"]["mem_limit"].removesuffix("m"))
    assert store["server"]["http_listen_port"] == 3200
    assert store["storage"]["trace"]["local"]["path"].startswith("/var/tempo/")
    assert "tempo:/var/tempo" in SERVICES["tempo"]["volumes"]


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_each_shard_has_one_server_and_the_replica_has_all(profile: str) -> None:
    ours = [SERVICES[name] for name in SERVICES if name in OURS.keys() & active(profile)]
    index = [settings_of(service) for service in ours if service["command"][2] == "index_service"]
    hosted = [(each.group, each.shards, each.read_only) for each in index if isinstance(each, IndexSettings)]
    assert hosted == [(0, (0,), False), (0, (1,), False), (0, (2,), False), (1, (0, 1, 2), True)]
