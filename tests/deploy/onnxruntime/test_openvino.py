"""Models whose configuration asks for OpenVINO, served by the embedded Triton; the same graphs by ONNX Runtime are
the oracle."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc.aio as grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from contracts.tensors import CLIP_IMAGE, TEXT_ENCODER
from runtime.triton import TritonClient
from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.triton import TritonPorts, exported_models, triton_spec
from tests.stack.servers.conftest import PATHS, becomes_ready, last_words, needs, started

pytestmark = pytest.mark.integration

OPENVINO = 'optimization { execution_accelerators { cpu_execution_accelerator : [ { name : "openvino" } ] } }'
UNKNOWN = OPENVINO.replace("openvino", "tvm")
TWINS = {f"{TEXT_ENCODER}_ov": TEXT_ENCODER, f"{CLIP_IMAGE}_ov": CLIP_IMAGE}
# Between its operators OpenVINO computes in bfloat16 where the CPU has it: 8 bits of mantissa.
CLOSE = 0.999
LONGEST = 512


def add_model(repository: Path, name: str, source: str, more: str, instances: int = 1) -> None:
    """The exported model under another name, with `more` in its configuration."""
    shutil.copytree(PATHS.repository / source / "1", repository / name / "1")
    text = (PATHS.repository / source / "config.pbtxt").read_text()
    text = text.replace(f'name: "{source}"', f'name: "{name}"').replace("count: 1", f"count: {instances}")
    (repository / name / "config.pbtxt").write_text(f"{text}\n{more}\n")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProcessSpec, Path]]:
    """A Triton with every twin beside its original, and a model that asks for an accelerator that is not there."""
    originals = set(TWINS.values())
    needs(originals <= set(exported_models(PATHS.repository)) and PATHS.backends.is_dir(), "Triton or a model")
    folder = tmp_path_factory.mktemp("openvino")
    repository = folder / "repository"
    for name, source in TWINS.items():
        add_model(repository, source, source, "")
        add_model(repository, name, source, OPENVINO, instances=2)
    add_model(repository, "refused", CLIP_IMAGE, UNKNOWN)
    spec = triton_spec(
        environment=PATHS.serving,
        repository=repository,
        backends=PATHS.backends,
        run_dir=folder,
        ports=TritonPorts(*free_ports(3)),
        models=sorted([*TWINS, *originals]),
    )
    log = folder / "log"
    with started(spec, log) as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(log)
        yield spec, log


def tokens(seed: int, length: int) -> dict[str, NDArray[np.int64]]:
    ids = np.random.default_rng(seed).integers(1000, 20000, (1, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


async def vector(client: TritonClient, model: str, feeds: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
    found = await client.infer(model, feeds, ["embedding"], priority=2, timeout_s=20)
    first: NDArray[np.float32] = found["embedding"][0]
    return first


async def test_texts_of_all_lengths_in_shared_batches_get_onnx_runtimes_vectors(
    served: tuple[ProcessSpec, Path],
) -> None:
    client = TritonClient(f"127.0.0.1:{served[0].ports['grpc']}")
    texts = [tokens(n, (8, 16, 48, LONGEST)[n % 4]) for n in range(24)]
    wanted = [await vector(client, TEXT_ENCODER, text) for text in texts]
    found = await asyncio.gather(*(vector(client, f"{TEXT_ENCODER}_ov", text) for text in texts))
    await client.close()
    cosines = [float(one @ other) for one, other in zip(wanted, found, strict=True)]
    assert min(cosines) > CLOSE


async def test_pictures_get_onnx_runtimes_vectors_alone_and_in_a_batch(served: tuple[ProcessSpec, Path]) -> None:
    client = TritonClient(f"127.0.0.1:{served[0].ports['grpc']}")
    pictures = np.random.default_rng(3).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
    found = {}
    for model in (CLIP_IMAGE, f"{CLIP_IMAGE}_ov"):
        for size in (1, 8):
            parts = [pictures[start : start + size] for start in range(0, 8, size)]
            answers = [
                await client.infer(model, {"image": part}, ["embedding"], priority=2, timeout_s=20)
                for part in parts
            ]
            found[model, size] = np.concatenate([answer["embedding"] for answer in answers])
    await client.close()
    wanted = found[CLIP_IMAGE, 1]
    assert min((wanted * found[f"{CLIP_IMAGE}_ov", 1]).sum(1)) > CLOSE
    assert min((wanted * found[f"{CLIP_IMAGE}_ov", 8]).sum(1)) > CLOSE


async def test_a_text_longer_than_the_positions_is_an_error_and_no_vector(
    served: tuple[ProcessSpec, Path],
) -> None:
    async with grpc.InferenceServerClient(f"127.0.0.1:{served[0].ports['grpc']}") as client:
        for model in (TEXT_ENCODER, f"{TEXT_ENCODER}_ov"):
            inputs = []
            for name, value in tokens(1, LONGEST + 8).items():
                inputs.append(grpc.InferInput(name, list(value.shape), "INT64"))
                inputs[-1].set_data_from_numpy(value)
            with pytest.raises(InferenceServerException):
                await client.infer(model, inputs, client_timeout=20)


def test_every_instance_of_the_group_is_a_process_of_its_own(served: tuple[ProcessSpec, Path]) -> None:
    stubs = [
        each
        for each in psutil.Process().children(recursive=True)
        if "stub" in each.name() and any(f"{TEXT_ENCODER}_ov" in part for part in each.cmdline())
    ]
    assert len(stubs) == 2


async def test_an_accelerator_that_is_not_there_is_named_in_the_answer_and_in_the_log(
    served: tuple[ProcessSpec, Path],
) -> None:
    spec, log = served
    async with grpc.InferenceServerClient(f"127.0.0.1:{spec.ports['grpc']}") as client:
        with pytest.raises(InferenceServerException, match="the CPU accelerator tvm is not here"):
            await client.load_model("refused", client_timeout=60)
    assert "refused: the CPU accelerator tvm is not here; there is openvino" in log.read_text()
