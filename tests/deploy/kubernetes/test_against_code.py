"""deploy/kubernetes against the code: settings, ports, topics, groups and secrets that it names exist."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest
import yaml

from contracts.topics import FILE_PARTITIONS, REPLY_PARTITIONS, fixed_topics, index_touches, index_updates
from deploy.kubernetes.render_topics import TARGET
from deploy.kubernetes.render_topics import rendered as rendered_topics
from gateway.settings import GatewaySettings
from index_service.settings import IndexSettings
from ingest import joint_updater, text_embedder, vision_embedder
from ingest.settings import JointUpdaterSettings, TextEmbedderSettings, VisionEmbedderSettings, WebhookSettings
from ingest.worker import lanes_of
from runtime.kafka_address import connection
from runtime.settings import ProcessSettings, load_settings
from stack.bootstrap import BootstrapSettings
from tests.deploy.kubernetes.rendering import (
    KUBERNETES,
    OVERLAYS,
    POD_OWNERS,
    ROOT,
    Resource,
    containers,
    environment,
    of_kind,
    processes,
    rendered,
)

SETTINGS_OF: dict[str, type[ProcessSettings]] = {
    "stack.bootstrap": BootstrapSettings,
    "index_service": IndexSettings,
    "ingest.text_embedder": TextEmbedderSettings,
    "ingest.vision_embedder": VisionEmbedderSettings,
    "ingest.joint_updater": JointUpdaterSettings,
    "ingest.webhook": WebhookSettings,
    "gateway": GatewaySettings,
}
CLUSTER_KNOWS = {
    "TRIREME_PROCESS": "pod-1",
    "TRIREME_SHARDS": "1",
    "TRIREME_ORDINAL": "1",
    "TRIREME_GENERATION": "0123456789ab-3",
    "TRIREME_API_KEYS": "a-key-of-sixteen-or-more",
    "TRIREME_OPERATOR_KEYS": "another-key-of-sixteen",
    "TRIREME_LINK_SECRET": "a-secret-of-sixteen-or-more",
    "TRIREME_TOKEN": "a-token-of-sixteen-or-more",
    "KAFKA_PASSWORD": "kafka-password",
    "REDIS_PASSWORD": "redis-password",
    "REDISCLI_AUTH": "redis-password",
    "TRITON_ADMIN_KEY": "triton-key",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
GROUPS = {
    text_embedder.GROUP: "text",
    vision_embedder.GROUP: "image",
    joint_updater.GROUP: "join",
}
CASES = [
    (overlay, name)
    for overlay in OVERLAYS
    for name in ("bootstrap", "shard", "replica", "gateway", "webhook", *GROUPS)
]


def process_of(overlay: str, name: str) -> Resource:
    [container] = [each for each in processes(overlay)[name]["spec"]["containers"] if each["name"] == "process"]
    return container


def settings_of(overlay: str, name: str) -> ProcessSettings:
    container = process_of(overlay, name)
    return load_settings(SETTINGS_OF[container["command"][2]], environment(overlay, container, CLUSTER_KNOWS))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_process_runs_and_no_other(overlay: str) -> None:
    assert processes(overlay).keys() == {name for case, name in CASES if case == overlay}


@pytest.mark.parametrize(("overlay", "name"), CASES)
def test_settings_are_accepted_by_the_process_that_gets_them(overlay: str, name: str) -> None:
    container = process_of(overlay, name)
    module = container["command"][2]
    assert importlib.util.find_spec(module) is not None
    settings = settings_of(overlay, name)
    assert settings.process == (name if name == "bootstrap" else "pod-1")
    assert str(settings.model_repository) in {each["mountPath"] for each in container["volumeMounts"]}


@pytest.mark.parametrize(("overlay", "name"), [case for case in CASES if case[1] != "bootstrap"])
def test_probes_ask_what_the_process_answers(overlay: str, name: str) -> None:
    container, settings = process_of(overlay, name), settings_of(overlay, name)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports["health"] == settings.health_port
    assert settings.health_host == "0.0.0.0"
    if "http" in ports:
        assert isinstance(settings, GatewaySettings | WebhookSettings)
        assert (ports["http"], settings.host) == (settings.port, "0.0.0.0")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe in container:
            asked = container[probe]["httpGet"]
            assert asked["port"] in ports
            assert asked["path"] in {"/healthz", "/readyz"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize(("overlay", "name"), CASES)
def test_kafka_is_reached_with_a_login_of_its_own_over_tls(overlay: str, name: str) -> None:
    reached = connection(settings_of(overlay, name).kafka_bootstrap)
    [cluster] = of_kind(overlay, "Kafka").values()
    [listener] = cluster["spec"]["kafka"]["listeners"]
    assert reached["bootstrap.servers"] == f"{cluster['metadata']['name']}-kafka-bootstrap:{listener['port']}"
    assert (reached["security.protocol"], reached["sasl.mechanism"]) == ("sasl_ssl", "SCRAM-SHA-512")
    assert listener["authentication"]["type"] == reached["sasl.mechanism"].lower()
    user = of_kind(overlay, "KafkaUser")[reached["sasl.username"]]
    [password] = [each for each in process_of(overlay, name)["env"] if each["name"] == "KAFKA_PASSWORD"]
    assert password["valueFrom"]["secretKeyRef"] == {"name": user["metadata"]["name"], "key": "password"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_shard_has_one_server_and_the_replica_has_all(overlay: str) -> None:
    shard, replica, bootstrap = (settings_of(overlay, name) for name in ("shard", "replica", "bootstrap"))
    assert isinstance(shard, IndexSettings)
    assert isinstance(replica, IndexSettings)
    assert isinstance(bootstrap, BootstrapSettings)
    assert of_kind(overlay, "StatefulSet")["shard"]["spec"]["replicas"] == shard.n_shards == bootstrap.n_shards
    assert (shard.shards, shard.group, shard.read_only) == ((1,), 0, False)
    assert (replica.shards, replica.group, replica.read_only) == ((0, 1, 2), 1, True)
    assert shard.generation == replica.generation == bootstrap.generation
    [index] = [e for e in process_of(overlay, "shard")["env"] if e["name"] == "TRIREME_SHARDS"]
    assert index["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_cpu_share_of_an_index_process_is_measured_against_its_limit(overlay: str) -> None:
    for name in ("shard", "replica"):
        settings = settings_of(overlay, name)
        assert isinstance(settings, IndexSettings)
        assert settings.cpu_limit_cores == float(process_of(overlay, name)["resources"]["limits"]["cpu"])


def test_topics_are_those_of_the_contracts() -> None:
    assert TARGET.read_text() == rendered_topics()
    topics = {each["spec"]["topicName"]: each["spec"] for each in of_kind("prod", "KafkaTopic").values()}
    assert topics.keys() == {spec.name for spec in fixed_topics()}
    for spec in fixed_topics():
        assert topics[spec.name]["partitions"] == spec.partitions
        assert topics[spec.name]["config"] == spec.config()


def test_rights_are_given_on_topics_that_exist_only() -> None:
    names = {spec.name for spec in fixed_topics()} | {index_updates("g-3"), index_touches("g-3")}
    for name, user in of_kind("prod", "KafkaUser").items():
        for acl in user["spec"]["authorization"]["acls"]:
            resource = acl["resource"]
            if resource["type"] == "topic" and resource["name"] != "*":
                matching = [topic for topic in names if topic.startswith(resource["name"])]
                assert matching, (name, resource)
                assert resource["patternType"] == "prefix" or resource["name"] in names, (name, resource)
            if resource["type"] == "group" and resource["patternType"] == "literal" and resource["name"] != "*":
                assert resource["name"] in GROUPS, (name, resource)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_workers_grow_with_what_waits_for_them(overlay: str) -> None:
    for name, scaled in of_kind(overlay, "ScaledObject").items():
        assert scaled["spec"]["scaleTargetRef"]["name"] == name
        if name == "gateway":
            assert scaled["spec"]["maxReplicaCount"] <= REPLY_PARTITIONS
            continue
        assert scaled["spec"]["maxReplicaCount"] <= FILE_PARTITIONS
        lanes = lanes_of(GROUPS[name])  # type: ignore[arg-type]
        for trigger in scaled["spec"]["triggers"]:
            assert trigger["metadata"]["consumerGroup"] == name
            assert trigger["metadata"]["topic"] in lanes


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_secret_that_is_read_is_in_the_example_and_no_other(overlay: str) -> None:
    example = set(re.findall(r"^([A-Z_0-9]+)=", (KUBERNETES / "secrets.env.example").read_text(), re.MULTILINE))
    text = str(rendered(overlay))
    read = set(re.findall(r"'secretKeyRef': {'key': '([A-Z_0-9]+)', 'name': 'trireme'", text))
    scaler = of_kind(overlay, "TriggerAuthentication")["kafka"]["spec"]["secretTargetRef"]
    read |= {each["key"] for each in scaler if each["name"] == "trireme"}
    assert read == example


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_unprivileged_limited_and_strangers_to_the_cluster(overlay: str) -> None:
    for name, owner in of_kind(overlay, *POD_OWNERS).items():
        pod = owner["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", name
        assert pod["automountServiceAccountToken"] is False, name
        for container in containers(owner["spec"]["template"]):
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"], name
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert container["resources"]["limits"].keys() >= {"cpu", "memory"}, name
            assert re.search(r":\d", container["image"]), f"{name}: {container['image']} names no version"
            if container["image"].startswith("trireme/"):
                assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_and_budgets_and_policies_meet_pods(overlay: str) -> None:
    labels = [owner["spec"]["template"]["metadata"]["labels"] for owner in of_kind(overlay, *POD_OWNERS).values()]
    selectors: list[dict[str, str]] = [each["spec"]["selector"] for each in of_kind(overlay, "Service").values()]
    selectors += [e["spec"]["selector"]["matchLabels"] for e in of_kind(overlay, "PodDisruptionBudget").values()]
    policies = of_kind(overlay, "NetworkPolicy").values()
    selectors += [each["spec"]["podSelector"].get("matchLabels", {}) for each in policies]
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_triton_is_started_as_compose_starts_it(overlay: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["triton"]
    [container] = of_kind(overlay, "Deployment")["triton"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == compose["image"]
    elsewhere = (
        "--model-repository",
        "--model-config-name",
        "--pinned-memory",
        "--allow-gpu-metrics",
        "restricted",
    )
    wanted = [e for e in compose["command"] if not any(part in e for part in elsewhere)]
    assert set(wanted) <= set(container["args"])
    assert sum("restricted" in each for each in container["args"]) == 2


def test_production_has_triton_and_shards_on_three_gpu_nodes_and_workers_on_spot_nodes() -> None:
    owners: dict[str, Any] = of_kind("prod", *POD_OWNERS)
    for name in ("triton", "shard"):
        assert owners[name]["spec"]["replicas"] == 3
        pod = owners[name]["spec"]["template"]["spec"]
        assert pod["nodeSelector"] == {"trireme.dev/pool": "gpu"}
        assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    for name in ("text-embedder", "vision-embedder"):
        pod = owners[name]["spec"]["template"]["spec"]
        settings = settings_of("prod", name)
        assert isinstance(settings, TextEmbedderSettings | VisionEmbedderSettings)
        assert pod["nodeSelector"] == {"trireme.dev/pool": "spot"}
        assert settings.shutdown_s < pod["terminationGracePeriodSeconds"]


def test_off_peak_scales_what_exists_and_may_scale_nothing_else() -> None:
    owners = of_kind("prod", "Deployment", "StatefulSet")
    scripts = " ".join(str(each) for each in of_kind("prod", "CronJob").values())
    named = set(re.findall(r"kubectl scale (?:deployment|statefulset)/([\w-]+)", scripts))
    assert named <= owners.keys()
    rules = of_kind("prod", "Role")["off-peak"]["rules"]
    assert set(rules[0]["resourceNames"]) == named
    assert "replicas" in owners["triton-cpu"]["spec"]
    assert owners["triton-cpu"]["spec"]["replicas"] == 0


def test_bucket_paths_agree() -> None:
    settings = settings_of("prod", "gateway")
    [init] = processes("prod")["gateway"]["spec"]["initContainers"]
    assert init["command"][2:] == ["stack.models_copy", f"{settings.object_store_url}/models", "/models"]
    assert importlib.util.find_spec(init["command"][2]) is not None


def test_spans_go_through_the_collector_to_the_store_that_compose_has_too() -> None:
    services, owners = of_kind("prod", "Service"), of_kind("prod", *POD_OWNERS)
    policies = of_kind("prod", "NetworkPolicy")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, mounted in (("otel-collector", "config.yaml"), ("tempo", "tempo.yaml")):
        pod = owners[name]["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"] == compose[name]["image"]
        config = of_kind("prod", "ConfigMap")[pod["volumes"][0]["configMap"]["name"]]["data"][mounted]
        assert f"/{mounted}" in str(pod["containers"][0]["args"])
        listens = {int(port) for port in re.findall(r"(?:0\.0\.0\.0:|port: )(\d+)", config)}
        ports = {each["name"]: each["containerPort"] for each in pod["containers"][0]["ports"]}
        assert set(ports.values()) == listens, name
        allowed = {each["port"] for rule in policies[name]["spec"]["ingress"] for each in rule["ports"]}
        assert {ports[each["targetPort"]] for each in services[name]["spec"]["ports"]} <= allowed, name
    for case, name in CASES:
        endpoint = settings_of(case, name).otlp_endpoint
        assert endpoint == ("http://otel-collector:4318" if case == "prod" else None), (case, name)
    [egress] = policies["spans"]["spec"]["egress"]
    assert egress["ports"] == [{"port": 4318}]
