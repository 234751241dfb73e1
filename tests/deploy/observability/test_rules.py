"""The shipped rules: Prometheus's own checker takes them; what they name exists in the code and in the docs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.metrics import ALL
from ingest import record_flow
from stack.home import CHECKOUT
from stack.layout import JOINT_UPDATER, TEXT_EMBEDDER, VISION_EMBEDDER
from tests.promql import EXPOSED

OBSERVABILITY = CHECKOUT / "deploy" / "observability"
PROMETHEUS = OBSERVABILITY / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))


def rules_of(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


EVERY = [rule for path in RULES for rule in rules_of(path)]
ALERTS = [rule for rule in EVERY if "alert" in rule]


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed")
    result = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_prometheus_takes_configuration_and_rules() -> None:
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    assert promtool("check", "rules", *map(str, RULES)).count("SUCCESS") == len(RULES)


def test_alerts_fire_after_their_true_times_and_not_before() -> None:
    promtool("test", "rules", *map(str, (PROMETHEUS / "tests").glob("*.yml")))


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_series_that_exist(rule: dict[str, Any]) -> None:
    recorded = {each["record"] for each in EVERY if "record" in each}
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", rule["expr"])
    ours = set(re.findall(r"\b(?:trireme_|search_latency|embedding_worker|faiss_index)\w*", bare))
    assert ours <= EXPOSED.keys()
    assert set(re.findall(r"\btrireme:[\w:]+", bare)) <= recorded
    assert ours or "trireme:" in bare or re.search(r"\bup\b|\bnv_inference_", bare)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_a_sentence_and_a_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")
    runbook = CHECKOUT / rule["annotations"]["runbook"]
    assert runbook.read_text().startswith(f"# {runbook.stem}\n")
    assert f"runbooks/{runbook.name}" in (CHECKOUT / "docs" / "observability.md").read_text()


def test_every_runbook_belongs_to_an_alert() -> None:
    named = {Path(rule["annotations"]["runbook"]).name for rule in ALERTS}
    assert {path.name for path in (CHECKOUT / "docs" / "runbooks").glob("*.md")} == named


def test_the_promised_alerts_have_the_promised_numbers() -> None:
    promised = {rule["alert"]: rule for rule in rules_of(PROMETHEUS / "rules" / "promised.yml")}
    latency, errors, cpu = (
        promised[name] for name in ("SearchLatencyHigh", "EmbeddingWorkerErrors", "FaissIndexCpuHigh")
    )
    assert (latency["for"], cpu["for"]) == ("5m", "5m")
    assert latency["expr"].endswith("> 150")
    assert 'served_by!="cache"' in latency["expr"]
    assert errors["expr"].endswith("[1m])) * 60 > 10")
    assert cpu["expr"] == "faiss_index_cpu > 85"


def test_the_loki_rule_counts_log_lines_that_the_workers_write() -> None:
    (rule,) = rules_of(OBSERVABILITY / "loki" / "rules" / "trireme" / "embedding.yml")
    code = Path(record_flow.__file__).read_text()
    processes = re.search(r'process=~"([^"]*)"', rule["expr"])
    events = re.search(r'event=~"([^"]*)"', rule["expr"])
    assert processes is not None
    assert events is not None
    assert set(processes[1].split("|")) == {TEXT_EMBEDDER, VISION_EMBEDDER, JOINT_UPDATER}
    assert all(f'"{event}"' in code for event in events[1].split("|"))
    assert "[1m])) > 10" in rule["expr"]


def test_datadog_collects_what_its_monitor_watches() -> None:
    monitor = json.loads((OBSERVABILITY / "datadog" / "faiss_index_cpu.monitor.json").read_text())
    (instance,) = yaml.safe_load((OBSERVABILITY / "datadog" / "openmetrics.d" / "conf.yaml").read_text())[
        "instances"
    ]
    assert set(instance["metrics"]) <= EXPOSED.keys()
    watched = re.search(rf":max:{instance['namespace']}\.(\w+){{", monitor["query"])
    assert watched is not None
    assert watched[1] in instance["metrics"]
    assert monitor["query"].startswith("min(last_5m):")
    assert monitor["query"].endswith(f"> {monitor['options']['thresholds']['critical']}")


def test_the_docs_list_every_metric_as_the_code_has_it_and_no_other() -> None:
    page = (CHECKOUT / "docs" / "observability.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| (.*?) \| (.*) \|$", page, re.MULTILINE)
    exposed = {
        (
            spec.name + ("_total" if spec.kind == "counter" else ""),
            spec.kind,
            spec.unit,
            ", ".join(spec.labels) or "–",
            spec.help,
        )
        for spec in ALL
    }
    assert set(listed) == exposed
