"""A real Prometheus for tests: the shipped configuration and rules, with times cut short, on a free port."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stack.home import CHECKOUT
from stack.ports import LOOPBACK, free_ports
from tests.running_stack import until

SHIPPED = CHECKOUT / "deploy" / "observability" / "prometheus"
START_TIMEOUT_S = 30.0
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class PrometheusServer:
    """A running Prometheus, asked over its HTTP API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{LOOPBACK}:{port}"

    def get(self, path: str, **parameters: str) -> Any:
        """What the API answers."""
        url = f"{self._url}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Series of an instant query."""
        series: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return series

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        alerts = self.get("/api/v1/alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def unhealthy_rules(self) -> list[str]:
        """Rules whose evaluation fails."""
        groups = self.get("/api/v1/rules")["groups"]
        return [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"]


def hurried(rules: str) -> str:
    """Rules whose `for` is a sixtieth and whose windows are a thirtieth, at least 5 s; all else is as shipped."""

    def wait(match: re.Match[str]) -> str:
        return f"for: {max(1, int(match[1]) * _SECONDS[match[2]] // 60)}s"

    def window(match: re.Match[str]) -> str:
        return f"[{max(5, int(match[1]) * _SECONDS[match[2]] // 30)}s]"

    return re.sub(r"\[(\d+)([smhd])\]", window, re.sub(r"\bfor: (\d+)([smhd])", wait, rules))


@contextmanager
def prometheus(folder: Path, targets: Path) -> Iterator[PrometheusServer]:
    """Prometheus with the shipped files in `folder`, scraping what `targets` names once a second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    (folder / "rules").mkdir()
    for rules in (SHIPPED / "rules").glob("*.yml"):
        (folder / "rules" / rules.name).write_text(hurried(rules.read_text()))
    shipped = (SHIPPED / "prometheus.yml").read_text()
    quick = re.sub(r"_interval: 15s", "_interval: 1s", shipped).replace("scrape_timeout: 5s", "scrape_timeout: 1s")
    assert quick.count("_interval: 1s") == 3
    (folder / "prometheus.yml").write_text(quick)
    (folder / "targets").symlink_to(targets.parent)
    (folder / "prometheus.yml").write_text(quick.replace("targets/*.json", f"targets/{targets.name}"))
    (port,) = free_ports(1)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={LOOPBACK}:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        server = PrometheusServer(port)
        until(server.is_ready, "Prometheus is ready", START_TIMEOUT_S)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
