"""docker-compose.yml against the code: what it names exists, and what it promises about exposure is so."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from typing import Any

import pytest

from contracts import tensors
from contracts.errors import ConfigurationError
from gateway.settings import GatewaySettings
from index_service.settings import IndexSettings
from ingest.settings import WebhookSettings
from runtime.kafka_address import connection
from runtime.settings import PREFIX, load_settings
from stack.bootstrap import BootstrapSettings
from stack.services import service_environment
from tests.architecture.compose_file import ROOT, environment_file, load, placeholders
from tests.architecture.compose_services import (
    COMPOSE,
    OURS,
    SECRETS,
    SERVICES,
    active,
    names_of,
    settings_of,
)

DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()


def probed_url(service: dict[str, Any]) -> str:
    return str(re.search(r"http://[^'\"]+", " ".join(service["healthcheck"]["test"]))[0])  # type: ignore[index]


def test_every_process_of_the_design_has_a_service() -> None:
    shards = {f"shard-{i}{gpu}" for i in range(3) for gpu in ("", "-gpu")}
    workers = {"text-embedder", "vision-embedder", "joint-updater"}
    assert OURS.keys() == shards | workers | {"bootstrap", "replica", "gateway", "webhook"}


@pytest.mark.parametrize("name", OURS)
def test_settings_are_accepted_by_the_process_that_gets_them(name: str) -> None:
    assert settings_of(OURS[name]).process == name.removesuffix("-gpu")


def test_a_setting_that_no_process_knows_would_be_noticed() -> None:
    wrong = {**OURS["gateway"]["environment"], "TRIREME_SHARDZ": "1"}
    with pytest.raises(ConfigurationError, match="TRIREME_SHARDZ"):
        load_settings(GatewaySettings, wrong)


@pytest.mark.parametrize("name", OURS)
def test_command_names_a_module_that_can_be_run(name: str) -> None:
    module = OURS[name]["command"][2]
    spec = importlib.util.find_spec(module)
    assert spec is not None
    if spec.submodule_search_locations is not None:
        assert importlib.util.find_spec(f"{module}.__main__") is not None


@pytest.mark.parametrize("name", [name for name in OURS if name != "bootstrap"])
def test_health_check_asks_the_port_on_which_the_process_answers(name: str) -> None:
    settings = settings_of(OURS[name])
    port = settings.port if isinstance(settings, GatewaySettings) else settings.health_port
    assert probed_url(OURS[name]) == f"http://127.0.0.1:{port}/readyz"


def test_prometheus_asks_every_process_on_its_health_door_and_triton() -> None:
    targets = {each["targets"][0]: each["labels"] for each in json.loads(COMPOSE["configs"]["targets"]["content"])}
    ours = {f"{names_of(n)[-1]}:{settings_of(each).health_port}" for n, each in OURS.items() if n != "bootstrap"}
    assert targets.keys() == ours | {"triton:8002"}
    assert all(
        settings_of(service).health_host == "0.0.0.0" for name, service in OURS.items() if name != "bootstrap"
    )
    assert all(address.startswith(f"{labels['instance']}:") for address, labels in targets.items())


def test_store_tells_the_webhook_what_comes_into_the_documents_place() -> None:
    settings = settings_of(OURS["webhook"])
    assert isinstance(settings, WebhookSettings)
    told = tomllib.loads(COMPOSE["configs"]["notification"]["content"])["notification"]["webhook"]
    assert told["endpoint"] == f"http://webhook:{settings.port}/events"
    assert told["bearer_token"] == settings.token.get_secret_value()
    bucket = settings.object_store_url.removeprefix("s3://")
    assert told["path_prefixes"] == [f"/buckets/{bucket}/objects"]


def test_gateway_answers_its_own_health_check() -> None:
    settings = settings_of(OURS["gateway"])
    assert isinstance(settings, GatewaySettings)
    assert "127.0.0.1" in settings.allowed_hosts


def test_cpu_share_of_an_index_process_is_measured_against_its_limit() -> None:
    for service in OURS.values():
        settings = settings_of(service)
        if isinstance(settings, IndexSettings):
            assert settings.cpu_limit_cores == service["cpus"]


def test_bootstrap_makes_the_generation_that_the_index_serves() -> None:
    bootstrap = settings_of(OURS["bootstrap"])
    assert isinstance(bootstrap, BootstrapSettings)
    for service in OURS.values():
        settings = settings_of(service)
        if isinstance(settings, IndexSettings):
            assert (settings.generation, settings.n_shards) == (bootstrap.generation, bootstrap.n_shards)


def test_addresses_name_services_and_their_ports() -> None:
    settings = settings_of(OURS["gateway"])
    broker = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    reached = connection(settings.kafka_bootstrap)
    assert broker == f"CLIENTS://{reached['bootstrap.servers']}"
    assert settings.triton_url == "triton:8001"
    for profile in ("cpu", "gpu"):
        assert [name for name in active(profile) if "triton" in names_of(name)] == [
            {"cpu": "triton", "gpu": "triton-gpu"}[profile]
        ]
    assert "--grpc-port=8001" in SERVICES["triton"]["command"]
    assert settings.redis_url == f"redis://:{SERVICES['redis']['command'][-1]}@redis:6379/0"
    endpoint = OURS["gateway"]["environment"]["AWS_ENDPOINT"]
    assert endpoint == "http://seaweedfs:8333"
    assert "-s3.port=8333" in SERVICES["seaweedfs"]["command"]


def test_store_key_may_touch_the_bucket_that_is_made_and_used() -> None:
    bucket = settings_of(OURS["gateway"]).object_store_url.removeprefix("s3://")
    assert f"s3.bucket.create -name {bucket}" in SERVICES["bucket"]["command"][0]
    assert f'"Write:{bucket}"' in COMPOSE["configs"]["s3"]["content"]


def test_triton_loads_the_encoders_of_the_space_and_the_distilled_one() -> None:
    command = SERVICES["triton"]["command"]
    loaded = {option.split("=")[1] for option in command if option.startswith("--load-model=")}
    assert loaded == {tensors.TEXT_ENCODER, tensors.CLIP_TEXT, tensors.CLIP_IMAGE, tensors.CLIP_IMAGE_DISTILLED}
    assert all((ROOT / "model_repository" / model / "config.pbtxt").is_file() for model in loaded)
    assert "--model-control-mode=explicit" in command


def test_models_are_mounted_read_only_where_they_are_looked_for() -> None:
    for name, service in {**OURS, "triton": SERVICES["triton"]}.items():
        # The webhook alone has nothing to do with models.
        assert name == "webhook" or "./model_repository:/models:ro" in service["volumes"], name
    assert all(str(settings_of(service).model_repository) == "/models" for service in OURS.values())
    assert "--model-repository=/models" in SERVICES["triton"]["command"]


def test_only_gateway_and_grafana_are_published_and_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"gateway": ["127.0.0.1:8080:8080"], "grafana": ["127.0.0.1:3000:3000"]}
    assert settings_of(OURS["gateway"]).model_dump()["port"] == 8080
    on_the_outside = [name for name, service in SERVICES.items() if "door" in service["networks"]]
    assert on_the_outside == ["gateway", "grafana"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_gateway_does_not_start_without_api_keys() -> None:
    for missing in ("", None):
        with pytest.raises(KeyError, match="TRIREME_API_KEYS"):
            load({**SECRETS, "TRIREME_API_KEYS": missing or ""})


def test_images_are_pinned() -> None:
    foreign = {service["image"] for service in SERVICES.values()}
    bases = set(re.findall(r"^FROM (\S+:\S+)", DOCKERFILE, re.MULTILINE))
    assert bases
    for image in foreign | bases:
        tag = image.rpartition(":")[2]
        assert re.match(r"v?\d+\.\d+", tag), image


def test_triton_is_newer_than_the_holes_of_the_embedded_one() -> None:
    year, month = re.search(r":(\d+)\.(\d+)-py3$", SERVICES["triton"]["image"]).groups()  # type: ignore[union-attr]
    assert (int(year), int(month)) >= (26, 6)


def test_volumes_that_are_mounted_are_declared() -> None:
    mounted = {entry.split(":")[0] for service in SERVICES.values() for entry in service.get("volumes", [])}
    assert {name for name in mounted if not name.startswith(("./", "/"))} == COMPOSE["volumes"].keys()
    assert all((ROOT / name).exists() for name in mounted if name.startswith("./deploy"))


@pytest.mark.parametrize("name", SERVICES)
def test_container_is_limited_and_unprivileged(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["cpus"]
    assert service["mem_limit"]
    root = service["user"].startswith("0")
    # One short step makes a volume's owner; the engine's log files belong to root.
    assert root == (name in {"seaweedfs-volume", "tensorrt-volume", "alloy"})


@pytest.mark.parametrize("name", OURS)
def test_our_containers_cannot_change_their_own_files(name: str) -> None:
    assert OURS[name]["read_only"] is True


def test_dependencies_wait_for_what_can_be_waited_for() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            one_shot = SERVICES[needed].get("restart") == "no"
            assert how["condition"] == ("service_completed_successfully" if one_shot else "service_healthy"), name
            # A dependency of another profile must not be required: Compose refuses the file then.
            profiles = SERVICES[needed].get("profiles", [])
            assert how.get("required", True) == (not profiles or profiles == service.get("profiles")), name
            assert one_shot or "test" in SERVICES[needed]["healthcheck"], needed


def test_example_environment_has_every_variable_that_compose_reads_and_no_other() -> None:
    example = environment_file(ROOT / ".env.example")
    # Compose itself reads the profiles.
    assert example.keys() == placeholders().keys() | {"COMPOSE_PROFILES"}
    assert set(example["COMPOSE_PROFILES"].split(",")) <= {
        p for s in SERVICES.values() for p in s.get("profiles", [])
    }
    required = {name for name, kind in placeholders().items() if kind == "?"}
    assert required == {name for name, value in example.items() if not value}
    assert required == SECRETS.keys()


def test_defaults_of_the_file_and_of_the_example_are_the_same() -> None:
    assert load(SECRETS) == load({**environment_file(ROOT / ".env.example"), **SECRETS})


def test_image_has_the_rooms_and_threads_that_the_processes_need() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    assert {service["command"][2].partition(".")[0] for service in OURS.values()} <= copied
    assert all(f"!{room}" in (ROOT / ".dockerignore").read_text().splitlines() for room in copied)
    embedded = {k: v for k, v in service_environment({}).items() if re.search("THREADS|LIMIT|ARENA|PARALLEL", k)}
    assert embedded
    for name, value in embedded.items():
        assert f"{name}={value}" in DOCKERFILE
    assert not any(name.startswith(PREFIX) for name in embedded)


def test_build_targets_exist_and_only_text_and_pictures_get_tesseract() -> None:
    targets = set(re.findall(r"^FROM \S+ AS ([\w-]+)$", DOCKERFILE, re.MULTILINE))
    assert {service["build"]["target"] for service in OURS.values()} <= targets
    workers = {name for name, service in OURS.items() if service["build"]["target"] == "worker"}
    assert workers == {"text-embedder", "vision-embedder"}
    assert "tesseract-ocr" in DOCKERFILE.partition(" AS worker")[2]
