"""Writes components/monitoring/rules.yaml: the rules of Prometheus as resources of its operator.

.venv/bin/python deploy/kubernetes/render_rules.py
"""

import textwrap
from pathlib import Path

RULES = Path(__file__).parents[1] / "observability" / "prometheus" / "rules"
TARGET = Path(__file__).parent / "components" / "monitoring" / "rules.yaml"
HEAD = "# Written by render_rules.py from deploy/observability/prometheus/rules, one resource for each file.\n"


def rendered() -> str:
    """The whole file."""
    return HEAD + "---\n".join(_resource(path) for path in sorted(RULES.glob("*.yml")))


def _resource(path: Path) -> str:
    return (
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        f"metadata: {{ name: {path.stem} }}\n"
        "spec:\n"
        f"{textwrap.indent(path.read_text(), '  ')}"
    )


if __name__ == "__main__":
    TARGET.write_text(rendered())
