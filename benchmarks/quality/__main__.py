"""`make bench-quality`: recall, MRR and nDCG of the joint search, of its halves, and of fusions, with intervals.

    python -m benchmarks.quality [--seed 1] [--sweep] [--write FOLDER] [--out result.json]

Starts an embedded stack of its own and brings the generated collection in. `--sweep` asks with several weights
instead: on a seed of its own, because whoever chooses weights by the queries that judge them deceives himself.
`--write` only writes the files and queries.jsonl, for `trireme ingest` and `trireme eval queries`.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.filled_stack import with_filled_stack
from benchmarks.machine import describe_machine
from benchmarks.quality.collection import Collection, Size, collection
from client.client import TriremeClient
from client.evaluation.figures import FIGURES, Estimate
from client.evaluation.ways import WAYS, WayFigures, evaluate
from contracts.joint import Weights

_TIMEOUT_S = 30.0
_PICTURE_WEIGHTS = (0.5, 0.75, 1.0, 1.5, 2.0)
_LEXICAL_WEIGHTS = (0.15, 0.3, 0.6)


def main() -> None:
    """Measure, print, and write JSON where --out says."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--sweep", action="store_true", help="several weights, instead of several ways")
    arguments.add_argument("--small", action="store_true", help="a tenth of it, to see that it works")
    arguments.add_argument("--write", type=Path, help="write the collection there, and no more")
    arguments.add_argument("--out", type=Path)
    given = arguments.parse_args()
    made = collection(given.seed, Size(12, 40, 4, 12) if given.small else Size())
    if given.write:
        write(made, given.write)
        return
    ways = sweep() if given.sweep else WAYS
    results: list[list[WayFigures]] = []

    async def measure(url: str) -> None:
        with TriremeClient(url, timeout_s=_TIMEOUT_S) as client:
            results.append(await asyncio.to_thread(evaluate, client, made.queries, ways))

    with tempfile.TemporaryDirectory(prefix="bench-quality-") as folder:
        write(made, Path(folder))
        sys.stderr.write(f"{len(made.documents):,} documents, {len(made.queries)} queries\n")
        asyncio.run(with_filled_stack(Path(folder), measure))
    console = Console(width=max(150, Console().width))
    for kind in dict.fromkeys(each.kind for each in results[0]):
        console.print(table([each for each in results[0] if each.kind == kind]))
    if given.out:
        told: dict[str, Any] = {
            "machine": describe_machine(),
            "seed": given.seed,
            "documents": len(made.documents),
            "figures": [dataclasses.asdict(each) for each in results[0]],
        }
        given.out.write_text(json.dumps(told, indent=1) + "\n")


def sweep() -> Mapping[str, tuple[Weights | None, ...]]:
    """Weights of pictures and of words beside the default ones; the text half counts one."""
    ways: dict[str, tuple[Weights | None, ...]] = {"joint": (None,)}
    for picture, lexical in product(_PICTURE_WEIGHTS, _LEXICAL_WEIGHTS):
        ways[f"picture {picture:g}, words {lexical:g}"] = (Weights(1.0, picture, picture, lexical),)
    return ways


def write(made: Collection, folder: Path) -> None:
    """The documents as files; beside them, in `queries/`, queries.jsonl and the pictures that it names."""
    asked = folder / "queries"
    asked.mkdir(parents=True, exist_ok=True)
    for document in made.documents:
        (folder / document.name).write_bytes(document.data)
    lines = []
    for query in made.queries:
        if query.picture is not None:
            (asked / f"{query.id}.png").write_bytes(query.picture)
        line = {
            "id": query.id,
            "kind": query.kind,
            "query": query.words,
            "image": f"{query.id}.png" if query.picture is not None else None,
            "expected": sorted(query.relevant),
        }
        lines.append(msgspec.json.encode(line))
    (asked / "queries.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def table(figures: list[WayFigures]) -> Table:
    """The ways of one kind, with 95 % intervals."""
    made = Table(title=f"{figures[0].kind}: {figures[0].queries} queries", title_justify="left")
    made.add_column("ranked by")
    for name in (*FIGURES, "nDCG@10 behind the first"):
        made.add_column(name, justify="right")
    for each in figures:
        behind = "" if each.behind is None else _told(each.behind, "+")
        made.add_row(each.way, *(_told(figure) for figure in each.figures), behind)
    return made


def _told(figure: Estimate, sign: str = "") -> str:
    return f"{figure.mean:{sign}.3f} ({figure.low:{sign}.3f} to {figure.high:{sign}.3f})"


if __name__ == "__main__":
    main()
