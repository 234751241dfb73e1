"""What runs a graph: ONNX Runtime, or OpenVINO where the configuration asks for its accelerator.

Triton's C++ backend reaches OpenVINO through a build of ONNX Runtime that has it as a provider. That build and
the plain one, which the language model's engine needs, cannot live in one environment; so the OpenVINO runtime is
called directly here. It is the same CPU plugin, and it reads the same `model.onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import onnxruntime
from settings import Settings


class Engine(Protocol):
    """A graph that is ready to run.

    Attributes:
        inputs, outputs: the graph's own names.
        side_by_side: how many threads may run it at once, and are faster so than one after the other.
        run_cost: what a run of a text encoder costs beside its tokens, in tokens.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    side_by_side: int
    run_cost: int

    def run(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """Arrays of the wanted outputs, the caller's to keep; `feeds` are read in place and not kept."""
        ...


def open_engine(path: Path, settings: Settings) -> Engine:
    """Load the graph for the CPU; takes as long as compiling it does."""
    return OpenVinoEngine(path, settings) if settings.openvino else OnnxRuntimeEngine(path, settings)


class OnnxRuntimeEngine:
    """A session of ONNX Runtime on the CPU."""

    # Measured with MiniLM in fp32 on two cores: 1 ms a run, 0.08 ms a token and more for long texts.
    run_cost = 24

    def __init__(self, path: Path, settings: Settings) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.intra_op_threads
        options.inter_op_num_threads = settings.inter_op_threads
        options.graph_optimization_level = settings.graph_level
        # A thread that spins while it waits takes the core from the other models and processes of a small machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        for name, value in settings.session_entries.items():
            options.add_session_config_entry(name, value)
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        # Threads that sleep leave the cores idle between a run's operators: a second run fills these gaps.
        self.side_by_side = settings.intra_op_threads
        self.inputs = tuple(each.name for each in self._session.get_inputs())
        self.outputs = tuple(each.name for each in self._session.get_outputs())

    def run(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """See `Engine.run`."""
        found: list[Any] = self._session.run(list(wanted), dict(feeds))
        return found


class OpenVinoEngine:
    """A model that OpenVINO compiled for the CPU, in bfloat16 between its int8 operators where the CPU has it."""

    side_by_side = 1
    # Measured with MiniLM in int8 on two cores: 1.2 ms a run of another shape than the last, 0.025 ms a token.
    run_cost = 48

    def __init__(self, path: Path, settings: Settings) -> None:
        # Only models that ask for it pay for the import, half a second.
        import openvino

        core = openvino.Core()
        compiled = core.compile_model(
            core.read_model(str(path)),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": settings.intra_op_threads,
                # One request at a time has all the threads; `instance_group.count` makes several run at once.
                "NUM_STREAMS": 1,
                # Instances and models know nothing of each other and would all be pinned to the first cores.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._request = compiled.create_infer_request()
        self.inputs = tuple(each.get_any_name() for each in compiled.inputs)
        self.outputs = tuple(each.get_any_name() for each in compiled.outputs)

    def run(self, wanted: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """See `Engine.run`."""
        found = self._request.infer(dict(feeds), share_inputs=True)
        return [found[name] for name in wanted]
