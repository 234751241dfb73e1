"""Runs an exported model for the gate: greedy answers as it is served, and the logits along a given answer.

A model for the CPU is run by onnxruntime-genai's generator. One for CUDA keeps keys and values in blocks, which
only the library's Engine can write into; the Engine hands out no logits, so these come from ONNX Runtime on the
same graph.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
import onnxruntime_genai as genai
from numpy.typing import NDArray
from onnx import TensorProto

EVENTS = 4
GRAPH = "model.onnx"
CACHE_TYPES = {
    "tensor(float)": TensorProto.FLOAT,
    "tensor(float16)": TensorProto.FLOAT16,
    "tensor(bfloat16)": TensorProto.BFLOAT16,
}


class Exported(Protocol):
    """An exported model as the gate needs it."""

    def greedy(self, prompt: list[int], most: int) -> list[int]:
        """The likeliest next tokens, one after the other, up to `most` or before the end token."""
        ...

    def led_logits(self, prompt: list[int], answer: list[int]) -> NDArray[np.float32]:
        """Logits before each token of `answer`, float32 [tokens, vocabulary]."""
        ...

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end an answer."""
        ...


def open_exported(version: Path) -> Exported:
    """Open an exported version as it will be served."""
    described = json.loads((version / "genai_config.json").read_text())
    paged = bool(described.get("engine", {}).get("dynamic_batching"))
    return PagedModel(version, described) if paged else DenseModel(version, described)


class DenseModel:
    """One whose keys and values lie in one piece."""

    def __init__(self, version: Path, described: dict[str, Any]) -> None:
        self._model = genai.Model(str(version))
        self.ends = end_tokens(described)

    def greedy(self, prompt: list[int], most: int) -> list[int]:
        """See `Exported`."""
        generator = self._generator(prompt, most)
        answer: list[int] = []
        while not generator.is_done():
            generator.generate_next_token()
            answer.append(int(generator.get_next_tokens()[0]))
        return without_end(answer, self.ends)

    def led_logits(self, prompt: list[int], answer: list[int]) -> NDArray[np.float32]:
        """See `Exported`."""
        generator = self._generator(prompt, len(answer) + 1)
        rows = [_last_logits(generator)]
        for token in answer[:-1]:
            generator.append_tokens(np.array([token], dtype=np.int32))
            rows.append(_last_logits(generator))
        return np.stack(rows)

    def _generator(self, prompt: list[int], most: int) -> Any:
        parameters = genai.GeneratorParams(self._model)
        parameters.set_search_options(max_length=len(prompt) + most, do_sample=False)
        generator = genai.Generator(self._model, parameters)
        generator.append_tokens(np.array(prompt, dtype=np.int32))
        return generator


class PagedModel:
    """One whose keys and values lie in blocks."""

    def __init__(self, version: Path, described: dict[str, Any]) -> None:
        self._version = version
        self.ends = end_tokens(described)
        self._block_size = int(described["engine"]["dynamic_batching"]["block_size"])
        self._providers = [
            f"{name.upper()}ExecutionProvider"
            for each in described["model"]["decoder"]["session_options"]["provider_options"]
            for name in each
        ]

    def greedy(self, prompt: list[int], most: int) -> list[int]:
        """See `Exported`."""
        # Opened for each answer: the Engine takes most of a GPU's memory, and the logits need some.
        engine = genai.Engine(genai.Model(str(self._version)))
        limits = genai.RequestOptions()
        limits.set_max_session_tokens(len(prompt) + most)
        request = engine.create_request(options=limits)
        options = genai.TurnOptions(request)
        options.set_do_sample(False)
        request.begin_turn(np.array(prompt, dtype=np.int32), options)
        events = engine.create_event_buffer(EVENTS)
        answer: list[int] = []
        while engine.has_pending_requests():
            answer += [each.token for each in engine.run(events) if each.flags & genai.EngineEventFlags.TOKEN]
        request.close()
        return answer

    def led_logits(self, prompt: list[int], answer: list[int]) -> NDArray[np.float32]:
        """See `Exported`. All tokens are read at once."""
        session = ort.InferenceSession(self._version / GRAPH, providers=[*self._providers, "CPUExecutionProvider"])
        tokens = [*prompt, *answer[:-1]]
        blocks = -(-len(tokens) // self._block_size)
        binding = session.io_binding()
        for name, values in {
            "input_ids": np.array(tokens, dtype=np.int64),
            "block_table": np.arange(blocks, dtype=np.int32)[None],
            "cumulative_sequence_lengths": np.array([0, len(tokens)], dtype=np.int32),
            "past_sequence_lengths": np.zeros(1, dtype=np.int32),
            "attention_metadata": np.array([len(tokens), len(tokens), 1], dtype=np.int32),
        }.items():
            binding.bind_cpu_input(name, values)
        on_gpu = "CUDAExecutionProvider" in session.get_providers()
        for given in session.get_inputs():
            if given.name.startswith("past_key_values."):
                cache = _empty_cache([blocks, self._block_size, *given.shape[2:]], given.type, on_gpu=on_gpu)
                # The operator writes where it reads.
                binding.bind_ortvalue_input(given.name, cache)
                binding.bind_ortvalue_output(given.name.replace("past_key_values.", "present."), cache)
        binding.bind_output("logits", "cpu")
        session.run_with_iobinding(binding)
        logits: NDArray[np.float32] = binding.get_outputs()[-1].numpy().astype(np.float32)
        return logits[len(prompt) - 1 :]


def without_end(answer: list[int], ends: frozenset[int]) -> list[int]:
    """The answer less the end token, if it has come to that."""
    return answer[:-1] if answer and answer[-1] in ends else answer


def end_tokens(described: dict[str, Any]) -> frozenset[int]:
    """The tokens that end an answer."""
    ends = described["model"]["eos_token_id"]
    return frozenset(ends if isinstance(ends, list) else [ends])


def _empty_cache(shape: list[int], type_name: str, *, on_gpu: bool) -> ort.OrtValue:
    onnx_type = CACHE_TYPES[type_name]
    if on_gpu:
        return ort.OrtValue.ortvalue_from_shape_and_type(shape, onnx_type, "cuda", 0)
    # numpy has no bfloat16; its zeros are those of 16-bit integers.
    zeros = np.zeros(shape, dtype=np.float32 if onnx_type == TensorProto.FLOAT else np.uint16)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(zeros, onnx_type)


def _last_logits(generator: Any) -> NDArray[np.float32]:
    logits = np.asarray(generator.get_logits(), dtype=np.float32)
    last: NDArray[np.float32] = logits.reshape(-1, logits.shape[-1])[-1].copy()
    return last
