"""Builds or searches one engine in a process of its own, and writes what it measured as JSON.

    python -m benchmarks.index.peers build|search ENGINE --rows N --data FOLDER --index FOLDER --out FILE

Building may use all cores. A search process keeps to one core, and so do the servers that it starts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.index.asked import K
from benchmarks.index.data_set import DataSet, open_data_set
from benchmarks.index.joint_vectors import CorpusSpec
from benchmarks.index.peers.engine import ENGINES, Engine, engine
from benchmarks.index.recall import WANTED_RECALL, recall_of
from benchmarks.index.timing import time_searches

_LEAST_S = 2.0
_BATCHES = (1, 16)
_BUILT = "built.json"
_INDEX = "index"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _build(measured: Engine, directory: Path) -> dict[str, Any]:
    """Build, unless the same was built before."""
    told = directory / _BUILT
    if told.exists():
        known: dict[str, Any] = json.loads(told.read_text())
        if known["built_with"] == measured.built_with:
            return known
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    began = time.perf_counter()
    measured.build(directory / _INDEX)
    build_s = time.perf_counter() - began
    built = {"built_with": measured.built_with, "build_s": build_s, "size_bytes": _size_bytes(directory)}
    told.write_text(json.dumps(built))
    return built


def _size_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _search(measured: Engine, data: DataSet, directory: Path) -> dict[str, Any]:
    """The sweep, up to the first point where even the worst weights are good enough."""
    measured.open(directory / _INDEX)
    sweep = []
    try:
        for point in measured.points:
            measured.use(point)
            recall = recall_of(partial(measured.search, k=K), data.asked, data.truth, data.kinds)
            timings = [
                time_searches(partial(measured.search, k=K), data.asked.mixed, batch, least_s=_LEAST_S)
                for batch in _BATCHES
            ]
            sweep.append(
                {
                    "point": point,
                    "recall": asdict(recall),
                    "worst": recall.worst,
                    "timings": [asdict(timing) for timing in timings],
                }
            )
            _say(f"  {measured.knob} {point}: (1,1) {recall.by_pair[0]:.3f}, worst {recall.worst:.3f}, "
                 f"{timings[0].per_s:.0f} / {timings[1].per_s:.0f} per s")  # fmt: skip
            if recall.worst >= WANTED_RECALL:
                break
    finally:
        measured.close()
    return {"title": measured.title, "knob": measured.knob, "sweep": sweep}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("build", "search"))
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--index", type=Path, required=True, help="folder of this engine's index")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.step == "search":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    data = open_data_set(given.data, CorpusSpec(), given.rows, _say)
    measured = engine(given.engine, data)
    result = _build(measured, given.index) if given.step == "build" else _search(measured, data, given.index)
    given.out.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
