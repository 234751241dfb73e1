"""What runs a graph: ONNX Runtime, or OpenVINO where the configuration asks for its accelerator.

Triton's C++ backend reaches OpenVINO through a build of ONNX Runtime that has it as a provider. That build and
the plain one, which the language model's engine needs, cannot live in one environment; so the OpenVINO runtime is
called directly here. It is the same CPU plugin, and it reads the same `model.onnx`.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import onnxruntime
from settings import Settings

LARGEST_TWICE_BYTES = 512 * 1024 * 1024
"""Weights up to this size are kept twice: for runs with all threads, and for runs with a thread each."""


@dataclass(frozen=True)
class Costs:
    """What a run costs, in tokens of a text encoder computed with all threads.

    Args:
        run: beside its tokens; as much with one thread as with all.
        gain: how many times a token is faster with all threads than with one.
    """

    run: int
    gain: float


class Engine(Protocol):
    """A graph that is ready to run.

    Attributes:
        inputs, outputs: the graph's own names.
        lanes: how many runs it does side by side, each with one thread; 1 if only one after the other.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    lanes: int
    costs: Costs

    def run(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """With all threads: arrays of the wanted outputs, the caller's to keep; `feeds` are read in place."""
        ...

    def run_beside(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """As `run`, with one thread, by up to `lanes` callers at once. Not where `lanes` is 1."""
        ...


def open_engine(path: Path, settings: Settings) -> Engine:
    """Load the graph for the CPU; takes as long as compiling it does.

    With several threads and weights of moderate size it is opened twice: threads that share a run wait for each
    other at every operator, so that two runs at once, each with a thread of its own, are faster than one after
    the other with both (MiniLM in int8, texts one by one on two cores: 1.5 times), and a lone run is slower.
    """
    size = sum(each.stat().st_size for each in path.parent.iterdir() if each.is_file())
    lanes = settings.intra_op_threads if size <= LARGEST_TWICE_BYTES else 1
    return OpenVinoEngine(path, settings, lanes) if settings.openvino else OnnxRuntimeEngine(path, settings, lanes)


class OnnxRuntimeEngine:
    """Sessions of ONNX Runtime on the CPU: one with all threads, and one with none but its callers'."""

    def __init__(self, path: Path, settings: Settings, lanes: int) -> None:
        # Measured with MiniLM in fp32, two cores: 1.2 ms a run, 0.085 ms a token with both threads, 0.13 with one.
        self.costs = Costs(run=16, gain=max(1.0, 0.78 * settings.intra_op_threads))
        self._session = _session(path, settings, settings.intra_op_threads)
        self._beside = _session(path, settings, 1) if lanes > 1 else self._session
        self.lanes = lanes
        self.inputs = tuple(each.name for each in self._session.get_inputs())
        self.outputs = tuple(each.name for each in self._session.get_outputs())

    def run(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """See `Engine.run`."""
        found: list[Any] = self._session.run(list(wanted), dict(feeds))
        return found

    def run_beside(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """See `Engine.run_beside`."""
        found: list[Any] = self._beside.run(list(wanted), dict(feeds))
        return found


def _session(path: Path, settings: Settings, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = settings.inter_op_threads
    options.graph_optimization_level = settings.graph_level
    # A thread that spins while it waits takes the core from the other models and processes of a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in settings.session_entries.items():
        options.add_session_config_entry(name, value)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class OpenVinoEngine:
    """A model that OpenVINO compiled for the CPU, in bfloat16 between its int8 operators where the CPU has it."""

    def __init__(self, path: Path, settings: Settings, lanes: int) -> None:
        # Only models that ask for it pay for the import, half a second.
        import openvino

        # Of some pairs these were fastest over MiniLM's mixed texts, in int8 on two cores. A thread alone looks
        # this slow because lanes end at different times, which costs more the faster the model is.
        self.costs = Costs(run=40, gain=max(1.0, 1.3 * settings.intra_op_threads))
        self.lanes = lanes
        core = openvino.Core()
        model = core.read_model(str(path))
        compiled = _compiled(core, model, settings.intra_op_threads, 1)
        self._request = compiled.create_infer_request()
        self._beside: queue.SimpleQueue[Any] = queue.SimpleQueue()
        if lanes > 1:
            streams = _compiled(core, model, settings.intra_op_threads, lanes)
            for _ in range(lanes):
                self._beside.put(streams.create_infer_request())
        self.inputs = tuple(each.get_any_name() for each in compiled.inputs)
        self.outputs = tuple(each.get_any_name() for each in compiled.outputs)

    def run(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """See `Engine.run`."""
        found = self._request.infer(dict(feeds), share_inputs=True)
        return [found[name] for name in wanted]

    def run_beside(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """See `Engine.run_beside`."""
        request = self._beside.get()
        try:
            found = request.infer(dict(feeds), share_inputs=True)
        finally:
            self._beside.put(request)
        return [found[name] for name in wanted]


def _compiled(core: Any, model: Any, threads: int, streams: int) -> Any:
    """All threads on one request at a time, or shared out among as many requests as there are streams."""
    return core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
            # Instances and models know nothing of each other and would all be pinned to the first cores.
            "ENABLE_CPU_PINNING": False,
        },
    )
