"""`python -m benchmarks.gpu models|index --out FILE`: figures as JSON lines, each written once it is known."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any


def models(small: bool) -> Iterator[dict[str, Any]]:
    """CLIP's towers and the language model."""
    from benchmarks.gpu.device import describe
    from benchmarks.gpu.llama import llama_rows
    from benchmarks.gpu.towers import tower_rows

    device = describe(elements=2**20, side=256) if small else describe()
    yield {"part": "device", **asdict(device)}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("clip-tiny",) if small else ("clip-vit-b-32", "clip-vit-l-14"):
            yield from tower_rows(name, Path(folder), device.bf16_flops, (1, 4) if small else (1, 8, 32, 64, 128))
    if small:
        yield from llama_rows("llama-tiny", device, (1, 4), context=32, prompt=64)
    else:
        yield from llama_rows("llama-3-8b", device)


def index(small: bool, rows: list[int]) -> Iterator[dict[str, Any]]:
    """The index over each of these numbers of rows; three shards of the first of them."""
    from benchmarks.gpu.index import index_rows

    for number, n_rows in enumerate([20_000] if small else rows):
        yield from index_rows(n_rows, 128 if small else 1024, shards=number == 0)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("what", choices=["models", "index"])
    parser.add_argument("--out", type=Path, required=True, help="file that the JSON lines are appended to")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try it out, on a CPU too")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    figures = models(asked.small) if asked.what == "models" else index(asked.small, asked.rows)
    with asked.out.open("a") as out:
        for row in figures:
            line = json.dumps(row)
            print(line, flush=True)
            out.write(line + "\n")
            out.flush()


if __name__ == "__main__":
    main()
