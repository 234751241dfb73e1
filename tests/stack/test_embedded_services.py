"""The embedded stack's processes: each is told just what its own settings accept, and starts in order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from cli.generations_build import KINDS
from contracts.generations import GenerationParameters
from contracts.search import CPU_GROUP, PRIMARY_GROUP
from gateway.settings import GatewaySettings
from index_service.kinds.parameters import Kind
from index_service.settings import IndexSettings
from ingest.settings import (
    JointUpdaterSettings,
    TextEmbedderSettings,
    VisionEmbedderSettings,
    WatchFolderSettings,
)
from runtime.settings import ProcessSettings, load_settings
from stack.bootstrap import DataSpace, first_generation
from stack.embedded_services import EmbeddedServices
from stack.home import StackHome
from stack.layout import BOOTSTRAP, choose_ports
from stack.options import StackOptions
from stack.process import ProcessSpec
from stack.services import service_environment

SETTINGS: dict[str, type[ProcessSettings]] = {
    "shard-0": IndexSettings,
    "shard-1": IndexSettings,
    "shard-2": IndexSettings,
    "replica": IndexSettings,
    "text-embedder": TextEmbedderSettings,
    "vision-embedder": VisionEmbedderSettings,
    "joint-updater": JointUpdaterSettings,
    "watch-folder": WatchFolderSettings,
    "gateway": GatewaySettings,
}


def specs(
    tmp_path: Path, gateway: Mapping[str, str] | None = None, encoders: Mapping[str, str] | None = None
) -> dict[str, ProcessSpec]:
    home = StackHome(tmp_path)
    options = StackOptions(home=home, watch=tmp_path / "inbox", gateway=gateway or {}, encoders=encoders or {})
    space = DataSpace(space_id="0123456789abcdef", n_shards=3)
    services = EmbeddedServices(options, home, choose_ports(3, 8080), space, "127.0.0.1:9")
    return {spec.name: spec for spec in [*services.index_specs(first_generation(space)), *services.specs()]}


def settings_of(spec: ProcessSpec) -> ProcessSettings:
    return load_settings(SETTINGS[spec.name], spec.env)


def test_every_process_is_there_and_accepts_its_settings(tmp_path: Path) -> None:
    built = specs(tmp_path)
    assert built.keys() == SETTINGS.keys()
    for name, spec in built.items():
        assert settings_of(spec).process == name
        assert settings_of(spec).kafka_bootstrap == "127.0.0.1:9"


def test_shards_and_replica_host_what_their_names_say(tmp_path: Path) -> None:
    hosted = {
        name: settings
        for name, spec in specs(tmp_path).items()
        if isinstance(settings := settings_of(spec), IndexSettings)
    }
    assert [hosted[f"shard-{i}"].shards for i in range(3)] == [(0,), (1,), (2,)]
    assert {hosted[f"shard-{i}"].group for i in range(3)} == {PRIMARY_GROUP}
    replica = hosted["replica"]
    assert (replica.shards, replica.group, replica.read_only) == ((0, 1, 2), CPU_GROUP, True)
    assert len({settings.snapshot_dir for settings in hosted.values()}) == 4


def test_no_process_starts_before_the_topics_and_every_port_is_its_own(tmp_path: Path) -> None:
    built = specs(tmp_path)
    assert all(BOOTSTRAP in spec.depends_on for spec in built.values())
    ports = [port for spec in built.values() for port in spec.ports.values()]
    assert len(set(ports)) == len(ports)


def test_settings_of_the_caller_do_not_leak_into_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIREME_KAFKA_BOOTSTRAP", "elsewhere:1")
    monkeypatch.setenv("TRIREME_TYPING_ERROR", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    for spec in specs(tmp_path).values():
        assert settings_of(spec).kafka_bootstrap == "127.0.0.1:9"
        assert "PYTHONPATH" not in spec.env


def test_settings_for_the_gateway_are_handed_on(tmp_path: Path) -> None:
    settings = settings_of(specs(tmp_path, {"search_budget_ms": "400"})["gateway"])
    assert isinstance(settings, GatewaySettings)
    assert settings.search_budget_ms == 400


def test_work_that_can_wait_is_nicer_than_what_a_search_waits_for(tmp_path: Path) -> None:
    nice = {name for name, spec in specs(tmp_path).items() if spec.argv[0].endswith("/nice")}
    assert nice == {"text-embedder", "vision-embedder", "joint-updater"}


def test_only_the_processes_that_embed_are_told_the_key_of_the_embeddings_api(tmp_path: Path) -> None:
    told = {"text_api_url": "http://127.0.0.1:9/v1", "text_api_key": "sk-secret"}
    built = specs(tmp_path, encoders=told)
    knowing = {name for name, spec in built.items() if "sk-secret" in spec.env.values()}
    assert knowing == {"gateway", "text-embedder", "vision-embedder"}
    for name in knowing:
        settings = settings_of(built[name])
        assert settings.text_api_url == told["text_api_url"]
        assert settings.text_api_key.get_secret_value() == "sk-secret"


def test_a_generation_beside_the_first_has_names_ports_and_folders_of_its_own(tmp_path: Path) -> None:
    space = DataSpace(space_id="0123456789abcdef", n_shards=3)
    home, ports = StackHome(tmp_path), choose_ports(3, 8080)
    services = EmbeddedServices(StackOptions(home=home), home, ports, space, "127.0.0.1:9")
    first = first_generation(space)
    parameters = GenerationParameters(segment_kind="hnsw_sq8")
    beside = msgspec.structs.replace(first, name="0123456789ab-5", n_shards=5, parameters=parameters)
    both = [*services.index_specs(first), *services.index_specs(beside)]
    assert len({spec.name for spec in both}) == 4 + 6
    assert len({port for spec in both for port in spec.ports.values()}) == 4 + 6
    settings = [load_settings(IndexSettings, spec.env) for spec in both]
    assert len({one.snapshot_dir for one in settings}) == 4 + 6
    assert {(one.generation, one.n_shards, one.index.kind) for one in settings} == {
        (first.name, 3, "auto"),
        ("0123456789ab-5", 5, "hnsw_sq8"),
    }
    assert [one.shards for one in settings[4:]] == [(0,), (1,), (2,), (3,), (4,), (0, 1, 2, 3, 4)]


def test_every_kind_of_segment_that_can_be_asked_for_is_one_that_shards_know() -> None:
    assert set(KINDS) == {"auto", *get_args(Kind)}


def test_the_shell_names_the_collector_of_traces_to_all_processes_and_sets_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20abc")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("TRIREME_LOG_LEVEL", "DEBUG")
    environment = service_environment({"process": "gateway"})
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert environment["OTEL_EXPORTER_OTLP_HEADERS"] == "authorization=Basic%20abc"
    assert not environment.keys() & {"OTEL_SDK_DISABLED", "TRIREME_LOG_LEVEL"}
