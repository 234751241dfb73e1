"""What TensorRT-LLM is asked and how its answers are cut, without Triton; and the configurations."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc.model_config_pb2 import DataType

from contracts.tensors import LLAMA, LLAMA_SPEC
from stack.home import CHECKOUT
from tests.deploy.tensors import configured, described, read_config

TRTLLM = CHECKOUT / "deploy" / "triton" / "trtllm"
FRONT = read_config(TRTLLM / LLAMA / "config.pbtxt")
UPSTREAM = read_config(Path(__file__).parent / "stand_in" / "config.pbtxt")
MODEL = yaml.safe_load((TRTLLM / "tensorrt_llm" / "1" / "model.yaml").read_text())
MODULES = ("mapping", "ask", "stops")


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The model's modules; the server, too, finds them in its folder."""
    sys.path.insert(0, str(TRTLLM / LLAMA / "1"))
    yield {name: importlib.import_module(name) for name in MODULES}
    sys.path.remove(str(TRTLLM / LLAMA / "1"))
    for name in MODULES:
        del sys.modules[name]


def asked(modules: dict[str, ModuleType], **tensors: Any) -> Any:
    arrays = {name: np.array([value]) for name, value in ({"prompt": b"x"} | tensors).items()}
    return modules["ask"].read_ask(arrays, longest=100)


def test_the_front_has_the_tensors_of_the_contract_and_streams() -> None:
    assert configured(FRONT) == described(LLAMA_SPEC)
    assert (FRONT.name, FRONT.backend, FRONT.max_batch_size) == (LLAMA, "python", 0)
    assert FRONT.model_transaction_policy.decoupled


def test_the_writer_takes_as_many_and_as_long_answers_as_the_front_lets_through() -> None:
    parameters = {name: each.string_value for name, each in FRONT.parameters.items()}
    assert parameters["writer"] == "tensorrt_llm"
    assert MODEL["max_batch_size"] >= int(parameters["slots"])
    assert MODEL["max_seq_len"] == int(parameters["context_tokens"])
    assert MODEL["triton_config"]["decoupled"] is True
    assert int(parameters["max_queue_size"]) > 0


@pytest.mark.parametrize(
    ("tensors", "wanted"),
    [
        ({}, {"sampling_param_top_k": 1, "sampling_param_max_tokens": 100}),
        ({"temperature": 0.0, "seed": 3, "top_p": 0.5}, {"sampling_param_top_k": 1}),
        (
            {"temperature": 0.5, "top_p": 0.75, "max_tokens": 7},
            {
                "sampling_param_temperature": 0.5,
                "sampling_param_top_p": 0.75,
                "sampling_param_max_tokens": 7,
            },
        ),
        ({"temperature": 1.0, "seed": 2**31 - 1}, {"sampling_param_seed": 2**31 - 1}),
    ],
)
def test_sampling_is_told_in_upstreams_words(
    modules: dict[str, ModuleType], tensors: dict[str, Any], wanted: dict[str, Any]
) -> None:
    inputs = modules["mapping"].writer_inputs(asked(modules, **tensors), "why?")
    told = {name: value.item() for name, value in inputs.items()}
    assert wanted.items() <= told.items()
    assert (told["text_input"], told["streaming"], told["return_finish_reason"]) == (b"why?", True, True)
    # Greedy or sampled, never both.
    assert ("sampling_param_top_k" in told) != ("sampling_param_temperature" in told)
    if "sampling_param_top_k" in told:
        assert "sampling_param_seed" not in told


def test_every_tensor_that_is_sent_has_upstreams_name_and_type(modules: dict[str, ModuleType]) -> None:
    mapping = modules["mapping"]
    sampled = mapping.writer_inputs(asked(modules, temperature=1.0, seed=1), "x")
    sent = mapping.writer_inputs(asked(modules), "x") | sampled | mapping.stop_inputs()
    types = {each.name: DataType.Name(each.data_type) for each in UPSTREAM.input}
    names = {
        "O": "TYPE_STRING",
        "bool": "TYPE_BOOL",
        "int32": "TYPE_INT32",
        "float32": "TYPE_FP32",
        "uint64": "TYPE_UINT64",
    }
    for name, value in sent.items():
        assert types[name] == names["O" if value.dtype == np.object_ else str(value.dtype)], name
    assert set(mapping.OUTPUTS) <= {each.name for each in UPSTREAM.output}
    needed = {each.name for each in UPSTREAM.input if not each.optional}
    assert needed <= set(mapping.stop_inputs())


def test_what_the_writer_cannot_be_told_is_refused(modules: dict[str, ModuleType]) -> None:
    with pytest.raises(ValueError, match="min_tokens"):
        modules["mapping"].writer_inputs(asked(modules, min_tokens=1), "x")


def test_an_answer_that_the_writer_broke_off_is_an_error(modules: dict[str, ModuleType]) -> None:
    pieces = modules["mapping"].Pieces(asked(modules), list)
    with pytest.raises(RuntimeError, match="timeout"):
        pieces.next("some", "timeout")


@given(st.text(alphabet="abcß→", min_size=1, max_size=30), st.text(alphabet="abc", max_size=3), st.integers(1, 9))
def test_however_the_text_grows_its_pieces_make_it_up_to_the_first_stop_text(
    modules: dict[str, ModuleType], text: str, stop: str, step: int
) -> None:
    ask = asked(modules, **({"stop": stop.encode()} if stop else {}))
    # A byte a token: pieces end within characters, and such a text ends with the sign for that.
    raw = text.encode()
    pieces = modules["mapping"].Pieces(ask, lambda piece: list(piece.encode()))
    sent, counted, reason = "", 0, ""
    for end in range(step, len(raw) + step, step):
        so_far = raw[:end].decode(errors="replace")
        piece = pieces.next(so_far, "length" if end >= len(raw) else "None")
        sent += piece.delta
        counted += len(piece.token_ids)
        assert piece.completion_tokens == counted
        reason = piece.reason
        if reason:
            break
    wanted = text[: text.index(stop)] if stop and stop in text else text
    assert (sent, reason) == (wanted, "stop" if stop and stop in text else "length")
