"""Other engines beside a shard's core: the same data, queries and program, speed compared at equal recall."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.index.data_set import DataSet, Say
from benchmarks.index.peers.engine import ENGINES
from benchmarks.index.recall import WANTED_RECALL

_CHECKOUT = Path(__file__).resolve().parent.parent.parent
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS", "TOKIO_WORKER_THREADS"),
    "1",
)
# Those that the target names: databases, not libraries.
_DATABASES = ("lance_hnsw", "lance_pq", "chroma", "milvus", "postgres")


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One engine. `measured` is what its processes wrote; None where one failed or took too long (`failure`).

    Args:
        at_joint, at_worst: queries a second, in batches of 1 and of 16, where recall at (1,1), and where the worst
            of all weights and kinds of item, is 0.95; None where no point of the sweep comes to that.
    """

    name: str
    measured: dict[str, Any] | None
    failure: str
    at_joint: tuple[float | None, float | None]
    at_worst: tuple[float | None, float | None]


def peers_table(data: DataSet, scratch: Path, say: Say, only: str, *, timeout_s: float) -> list[PeerRow]:
    """Every engine in turn: built in one process, once, searched in another; `timeout_s` is for each."""
    chosen = [name for name in ENGINES if not only or any(part in name for part in only.split("+"))]
    return [_measured(name, data, scratch / f"{name}-{data.n}", say, timeout_s) for name in chosen]


def _measured(name: str, data: DataSet, directory: Path, say: Say, timeout_s: float) -> PeerRow:
    directory.parent.mkdir(parents=True, exist_ok=True)
    measured: dict[str, Any] = {}
    try:
        for step in ("build", "search"):
            say(f"{name}: {step}")
            measured |= _run(step, name, data, directory, timeout_s)
    except subprocess.TimeoutExpired:
        return _failed(name, f"{step} was not done in {timeout_s:.0f} s")
    except subprocess.CalledProcessError as exc:
        return _failed(name, f"{step} failed with status {exc.returncode}")
    sweep = measured["sweep"]
    return PeerRow(
        name,
        measured,
        "",
        _both(sweep, lambda point: float(point["recall"]["by_pair"][0])),
        _both(sweep, lambda point: float(point["worst"])),
    )


def _run(step: str, name: str, data: DataSet, directory: Path, timeout_s: float) -> dict[str, Any]:
    python = sys.executable if name == "trireme" else str(_CHECKOUT / ".venv-peers" / "bin" / "python")
    out = directory.with_name(f"{directory.name}.json")
    command = [
        *(python, "-m", "benchmarks.index.peers", step, name, "--rows", str(data.n)),
        *("--data", str(data.directory.parent), "--index", str(directory), "--out", str(out)),
    ]
    environment = os.environ | (_ONE_THREAD if step == "search" else {})
    with subprocess.Popen(command, cwd=_CHECKOUT, env=environment, start_new_session=True) as process:
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            # Some have servers of their own: the whole group ends.
            os.killpg(process.pid, 9)
            raise
    if status:
        raise subprocess.CalledProcessError(status, command)
    found: dict[str, Any] = json.loads(out.read_text())
    out.unlink()
    return found


def _failed(name: str, why: str) -> PeerRow:
    return PeerRow(name, None, why, (None, None), (None, None))


def _both(
    sweep: Sequence[dict[str, Any]], recall: Callable[[dict[str, Any]], float]
) -> tuple[float | None, float | None]:
    curves = [[(recall(point), float(point["timings"][i]["per_s"])) for point in sweep] for i in (0, 1)]
    return per_s_at(curves[0], WANTED_RECALL), per_s_at(curves[1], WANTED_RECALL)


def per_s_at(curve: Sequence[tuple[float, float]], wanted: float) -> float | None:
    """Queries a second at a recall, from (recall, queries a second) in the order of effort.

    Between the points around it the logarithm of speed is taken to fall straight with recall. Where the cheapest
    point is better already, its speed counts; where none is good enough there is no answer.
    """
    below: tuple[float, float] | None = None
    for recall, per_s in curve:
        if recall >= wanted:
            if below is None or recall == below[0]:
                return per_s
            share = (wanted - below[0]) / (recall - below[0])
            return math.exp((1 - share) * math.log(below[1]) + share * math.log(per_s))
        below = (recall, per_s)
    return None


def best_ratio(rows: Sequence[PeerRow], at: Callable[[PeerRow], float | None]) -> float | None:
    """The core's speed over that of the best database that comes to the recall; None where one side is missing."""
    ours = [value for row in rows if row.name == "trireme" and (value := at(row))]
    theirs = [value for row in rows if row.name in _DATABASES and (value := at(row))]
    return ours[0] / max(theirs) if ours and theirs else None
