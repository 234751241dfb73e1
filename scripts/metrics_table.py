"""Writes the table of metrics in docs/observability.md from contracts/metrics.py."""

import re
from pathlib import Path

from contracts.metrics import ALL

PAGE = Path(__file__).parents[1] / "docs" / "observability.md"
TABLE = re.compile(
    r"(?<=\| metric \| kind \| unit \| labels \| what it tells \|\n\|---\|---\|---\|---\|---\|\n)(\|.*\n)+"
)

rows = (
    f"| `{spec.name}{'_total' if spec.kind == 'counter' else ''}` | {spec.kind} | {spec.unit} "
    f"| {', '.join(spec.labels) or '–'} | {spec.help} |\n"
    for spec in ALL
)
table = "".join(rows)
PAGE.write_text(TABLE.sub(lambda _: table, PAGE.read_text(), count=1))
