"""Dashboards without Grafana: files are what is described, Prometheus reads every query, what they name exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability.grafana.board import WHOLE_WIDTH, Board, Panel, Query
from deploy.observability.grafana.render import BOARDS, TARGET, rendered
from stack.home import CHECKOUT
from tests.promql import EXPOSED, TARGET_LABELS, named

GRAFANA = CHECKOUT / "deploy" / "observability" / "grafana"
RULES = CHECKOUT / "deploy" / "observability" / "prometheus" / "rules"
CASES = [
    pytest.param(panel, query, id=f"{board.name}: {panel.title}: {query.legend}")
    for board in BOARDS
    for panel in board.panels
    for query in panel.queries
]


def panels_of(board: Board) -> list[dict[str, Any]]:
    everything: list[dict[str, Any]] = json.loads((TARGET / f"{board.name}.json").read_text())["panels"]
    return everything


def recorded() -> set[str]:
    groups = [group for path in RULES.glob("*.yml") for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def test_files_are_what_the_script_writes() -> None:
    assert {path.name: path.read_text() for path in TARGET.iterdir()} == rendered()


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed")
    expressions = {
        query.expr.replace("$__rate_interval", "1m")
        for board in BOARDS
        for panel in board.panels
        for query in panel.queries
    }
    rules = [{"record": f"query{n}", "expr": each} for n, each in enumerate(sorted(expressions))]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [program, "check", "rules", str(tmp_path / "queries.yml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.parametrize(("panel", "query"), CASES)
def test_a_query_names_series_and_labels_that_exist(panel: Panel, query: Query) -> None:
    asked = named(query.expr)
    assert asked.series
    ours = {name: labels for name, labels in asked.series.items() if name in EXPOSED}
    # Triton's own are held to what a real one exposes, by the integration test.
    foreign = {name for name in asked.series if name.startswith("nv_") or name == "up"}
    assert asked.series.keys() - ours.keys() - foreign <= recorded()
    for name, labels in ours.items():
        assert labels <= EXPOSED[name] | TARGET_LABELS, name
        assert asked.grouped_by <= EXPOSED[name] | TARGET_LABELS, name


@pytest.mark.parametrize(("panel", "query"), CASES)
def test_a_legend_shows_labels_that_the_result_has(panel: Panel, query: Query) -> None:
    asked = named(query.expr)
    [first, *_] = asked.series
    kept = EXPOSED.get(first, frozenset({"gpu_uuid"})) | TARGET_LABELS
    aggregated = re.match(r"\(?(sum|max|histogram_quantile)\b", query.expr)
    assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= (asked.grouped_by if aggregated else kept)


def test_every_promised_number_is_drawn_where_it_is_watched() -> None:
    drawn = {panel.title: panel.limit for board in BOARDS for panel in board.panels if panel.limit is not None}
    assert drawn["p95 without cache"] == drawn["Searches without cache"] == 150
    assert drawn["Errors of the embedding workers"] == 10
    assert drawn["Processor"] == 85


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_panels_are_numbered_do_not_overlap_and_ask_the_chosen_source(board: Board) -> None:
    panels = panels_of(board)
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= WHOLE_WIDTH
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}


def test_sources_are_services_of_compose_and_lead_to_each_other() -> None:
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "trireme.yml").read_text())["datasources"]
    by_uid = {source["uid"]: source for source in sources}
    assert by_uid.keys() == {"prometheus", "loki", "tempo"}
    tempo = yaml.safe_load((CHECKOUT / "deploy" / "observability" / "tracing" / "tempo.yaml").read_text())
    loki = yaml.safe_load(compose["configs"]["loki"]["content"])
    ports = {
        "prometheus": 9090,
        "loki": loki["server"]["http_listen_port"],
        "tempo": tempo["server"]["http_listen_port"],
    }
    for uid, source in by_uid.items():
        assert source["url"] == f"http://{uid}:{ports[uid]}"
        assert "observability" in compose["services"][uid]["profiles"]
    assert f":{ports['prometheus']}/-/ready" in str(compose["services"]["prometheus"]["healthcheck"])
    [derived] = by_uid["loki"]["jsonData"]["derivedFields"]
    assert derived["datasourceUid"] == "tempo"
    assert by_uid["tempo"]["jsonData"]["tracesToLogsV2"]["datasourceUid"] == "loki"


def test_compose_mounts_boards_where_grafana_is_told_to_look() -> None:
    grafana = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]["grafana"]
    mounts = dict(entry.split(":")[:2] for entry in grafana["volumes"])
    [provider] = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "trireme.yml").read_text())["providers"]
    assert mounts["./deploy/observability/grafana/dashboards"] == provider["options"]["path"]
    for kind in ("datasources", "dashboards"):
        assert mounts[f"./deploy/observability/grafana/provisioning/{kind}"] == f"/etc/grafana/provisioning/{kind}"
