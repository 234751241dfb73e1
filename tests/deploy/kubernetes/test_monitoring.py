"""What the monitoring component brings: the alerts and dashboards that there are elsewhere."""

from __future__ import annotations

import re
from typing import Any

import yaml

from deploy.kubernetes.render_rules import RULES, TARGET
from deploy.kubernetes.render_rules import rendered as rendered_rules
from deploy.observability.grafana.render import rendered as rendered_boards
from tests.deploy.kubernetes.rendering import POD_OWNERS, Resource, of_kind

NAME_OF_POD = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
JOBS = {"gateway": {"gateway"}, "index": {"shard", "replica"}, "triton": {"triton"}}
JOBS |= {"ingest": {"text-embedder", "vision-embedder", "joint-updater", "webhook"}}


def test_rules_of_the_operator_are_those_of_the_rule_files() -> None:
    assert TARGET.read_text() == rendered_rules()
    shipped: dict[str, Any] = {path.stem: yaml.safe_load(path.read_text()) for path in RULES.glob("*.yml")}
    applied = {name: each["spec"] for name, each in of_kind("prod", "PrometheusRule").items()}
    assert applied == shipped


def scraped() -> dict[str, tuple[str, str]]:
    """Pods that are scraped, with the job that they get and the label that `instance` comes from."""
    pods = {
        name: owner["spec"]["template"]["metadata"]["labels"]
        for name, owner in of_kind("prod", *POD_OWNERS).items()
        if owner["kind"] != "Job"
    }
    found: dict[str, tuple[str, str]] = {}
    for monitor in of_kind("prod", "PodMonitor").values():
        for name, labels in pods.items():
            if chosen(monitor["spec"]["selector"], labels):
                assert name not in found, f"{name} is scraped twice"
                found[name] = relabelled(monitor, labels["app.kubernetes.io/name"])
    return found


def chosen(selector: Resource, labels: dict[str, str]) -> bool:
    wanted: dict[str, str] = selector.get("matchLabels", {})
    among = [
        (labels.get(each["key"]) in each["values"]) is (each["operator"] == "In")
        for each in selector.get("matchExpressions", ())
    ]
    return wanted.items() <= labels.items() and all(among)


def relabelled(monitor: Resource, name_of_pod: str) -> tuple[str, str]:
    """`job`, and where `instance` comes from, of a pod with this name in its labels."""
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    job = instance = ""
    for rule in endpoint["relabelings"]:
        source = rule.get("sourceLabels", [])
        if rule["targetLabel"] == "instance":
            [instance] = source
        elif not source or (source == [NAME_OF_POD] and re.fullmatch(rule["regex"], name_of_pod)):
            job = rule["replacement"]
    return job, instance


def test_every_pod_has_the_job_and_the_instance_that_rules_and_dashboards_name() -> None:
    found = scraped()
    assert all(instance == "__meta_kubernetes_pod_name" for _, instance in found.values())
    jobs: dict[str, set[str]] = {}
    for name, (job, _) in found.items():
        jobs.setdefault(job, set()).add(name)
    assert jobs.pop("tracing") == {"otel-collector", "tempo"}
    # The Triton of the nights is scraped as the other one.
    assert jobs == JOBS | {"triton": {"triton", "triton-cpu"}}


def test_grafana_is_given_the_dashboards_and_the_store_of_traces() -> None:
    maps, services = of_kind("prod", "ConfigMap"), of_kind("prod", "Service")
    assert maps["dashboards"]["data"] == rendered_boards()
    assert maps["dashboards"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    [source] = yaml.safe_load(maps["trace-source"]["data"]["trireme.yaml"])["datasources"]
    tempo = services["tempo"]
    ports = {each["name"]: each["port"] for each in tempo["spec"]["ports"]}
    assert source["url"] == f"http://tempo.{tempo['metadata']['namespace']}:{ports['http']}"
