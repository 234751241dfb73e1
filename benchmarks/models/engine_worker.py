"""One model in one process: the oracle that Triton is measured against. Imports nothing of ours.

Run by the serving environment's Python, so that the engine is the very one of the server:

    python engine_worker.py MODEL.onnx INPUTS.npz --engine onnxruntime --threads 2

INPUTS.npz holds arrays named `<way of batching>:<number>:<tensor>`; the way "1" is row by row. It says what it is
as one line of JSON, then answers each line of JSON on its standard input with one: {"way": "8", "seconds": 2} or
{"vectors": "FILE.npy"}.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

Feeds = Mapping[str, Any]
Run = Callable[[Feeds], Any]

GAUGE_TURNS, GAUGE_S = 3, 0.3


def open_onnxruntime(graph: str, threads: int) -> dict[str, Run]:
    """ONNX Runtime on the CPU, with threads that spin while they wait, its default, and with ones that sleep.

    Spinning may be faster on an idle machine, and is many times slower where something else wants the cores.
    """
    onnxruntime: Any = importlib.import_module("onnxruntime")
    found: dict[str, Run] = {}
    for how, flag in (("spinning", "1"), ("sleeping", "0")):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", flag)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        found[f"onnxruntime {onnxruntime.__version__}, {how}"] = partial(_run_session, session)
    return found


def _run_session(session: Any, feeds: Feeds) -> Any:
    return session.run(None, dict(feeds))[0]


def open_openvino(graph: str, threads: int) -> dict[str, Run]:
    """OpenVINO on the CPU, all threads on one request, pinned to cores, which is its default, and not pinned."""
    openvino: Any = importlib.import_module("openvino")
    release = openvino.__version__.partition("-")[0]
    found: dict[str, Run] = {}
    for how, pinning in (("pinned", True), ("not pinned", False)):
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": pinning}
        request = openvino.Core().compile_model(graph, "CPU", settings).create_infer_request()
        found[f"openvino {release}, {how}"] = partial(_run_request, request)
    return found


def _run_request(request: Any, feeds: Feeds) -> Any:
    return request.infer(dict(feeds), share_inputs=True)[0]


def fastest(ways: Mapping[str, Run], batches: Sequence[Feeds]) -> str:
    """Which of the ways is faster now: they take turns over the batches, and the best turn of each counts."""
    best = dict.fromkeys(ways, 0.0)
    for _ in range(GAUGE_TURNS):
        for name, run in ways.items():
            best[name] = max(best[name], measure(run, batches, GAUGE_S)["items_per_s"])
    return max(best, key=lambda name: best[name])


def read_batches(path: str) -> dict[str, list[Feeds]]:
    """The inputs by way of batching, in their order."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            way, number, name = key.split(":", 2)
            found.setdefault(way, {}).setdefault(int(number), {})[name] = arrays[key]
    return {way: [batches[number] for number in sorted(batches)] for way, batches in found.items()}


def measure(run: Run, batches: Sequence[Feeds], seconds: float) -> dict[str, Any]:
    """Whole passes over the batches until the time is over: rows a second, milliseconds a batch, cores in use."""
    rows = sum(len(next(iter(feeds.values()))) for feeds in batches)
    taken_ms: list[float] = []
    passes, began, used = 0, time.perf_counter(), time.process_time()
    while passes == 0 or time.perf_counter() - began < seconds:
        for feeds in batches:
            before = time.perf_counter()
            run(feeds)
            taken_ms.append((time.perf_counter() - before) * 1000)
        passes += 1
    wall_s = time.perf_counter() - began
    cores = (time.process_time() - used) / wall_s
    return {"items_per_s": passes * rows / wall_s, "median_ms": float(np.median(taken_ms)), "cores": cores}


def main() -> None:
    """Entry point; ends when its standard input does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph")
    parser.add_argument("inputs")
    parser.add_argument("--engine", choices=("onnxruntime", "openvino"), required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    opened = open_openvino if arguments.engine == "openvino" else open_onnxruntime
    ways = opened(arguments.graph, arguments.threads)
    batches = read_batches(arguments.inputs)
    for run in ways.values():
        for each in batches.values():
            measure(run, each, 0)
    engine = fastest(ways, batches["1"])
    run = ways[engine]
    ways.clear()
    answer({"engine": engine})
    for line in sys.stdin:
        asked = json.loads(line)
        if "vectors" in asked:
            np.save(asked["vectors"], np.concatenate([run(feeds) for feeds in batches["1"]]))
            answer({})
        else:
            answer(measure(run, batches[asked["way"]], asked["seconds"]))


def answer(value: Mapping[str, Any]) -> None:
    """One line of JSON to standard output."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
