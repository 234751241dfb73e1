"""Exports by the real command, loaded by the real server: at tiny size, and full-size by `make full-size`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc.aio as grpc
from numpy.typing import NDArray

from contracts.tensors import EMBEDDING, PRIORITY_BULK
from encoding.manifests import ImageManifest, TextManifest, read_manifest
from encoding.text import TextTokens
from export.parity import session
from export.sample_inputs import SAMPLES, sample_pictures, sample_texts
from stack.home import CHECKOUT
from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.triton import TritonPorts, triton_spec
from tests.stack.servers.conftest import PATHS, needs, running

EXPORT_PYTHON = CHECKOUT / ".venv-export" / "bin" / "python"
# Minutes for a tower of 304 million parameters on two busy cores.
LIMIT_S = 1800
N_INPUTS = 3

# A tiny CLIP in fp32 is served by tests/integration/test_space_of_exports.py.
TINY = [("text", "bert-tiny", "fp32"), ("clip", "clip-tiny", "fp16")]
FULL = [
    ("clip", "clip-vit-b-32", "fp32"),
    ("clip", "clip-vit-l-14", "fp32"),
    ("clip", "clip-vit-l-14", "fp16"),
    # Its weights do not fit into a graph's own file.
    ("clip", "clip-vit-h-14-picture", "fp32"),
    ("text", "minilm-l6", "fp32"),
]
CASES = [
    *(pytest.param(*case, marks=pytest.mark.integration) for case in TINY),
    *(pytest.param(*case, marks=pytest.mark.full_size) for case in FULL),
]


@pytest.mark.parametrize(("kind", "size", "precision"), CASES)
async def test_a_served_export_gives_the_vectors_of_its_graph(
    tmp_path: Path, kind: str, size: str, precision: str
) -> None:
    needs(EXPORT_PYTHON.is_file() and PATHS.backends.is_dir(), "Triton or the export environment")
    repository = tmp_path / "models"
    run(str(EXPORT_PYTHON), "-m", "export.seeded", size, str(tmp_path / size))
    options = ("--name", "made", "--precision", precision, "--repository", str(repository))
    run(sys.executable, "-m", "cli.main", "export", kind, str(tmp_path / size), *options)
    models = ["made_image", "made_text"] if kind == "clip" else ["made"]
    for model in models:
        manifest = json.loads((repository / model / "manifest.json").read_text())
        assert manifest["parity"]["min_cosine"] >= manifest["parity"]["threshold"]
    spec = triton_spec(
        environment=PATHS.serving,
        repository=repository,
        backends=PATHS.backends,
        run_dir=tmp_path,
        ports=TritonPorts(*free_ports(3)),
    )
    async with running(spec, tmp_path / "log"):
        for model in models:
            for feeds in inputs_of(repository, model):
                # The same graph by the same library on one machine; threads may add in another order.
                wanted = session(repository / model / "1" / "model.onnx").run([EMBEDDING], feeds)[0]
                np.testing.assert_allclose(await served(spec, model, feeds), wanted, atol=1e-5)


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr


def inputs_of(repository: Path, model: str) -> Sequence[dict[str, NDArray[np.generic]]]:
    """Some real inputs as callers send them: each alone, and all at once."""
    if (repository / model / "1" / "tokenizer.json").is_file():
        about = read_manifest(repository, model, TextManifest)
        path = repository / model / about.tokenizer
        tokens = TextTokens(path, max_length=about.max_length, pad_token_id=about.pad_token_id)
        fitting = [text for text in sample_texts(SAMPLES, 200) if tokens.count(text) <= tokens.max_tokens]
        sequences = tokens.ids(fitting[:N_INPUTS])
        return [*(tokens.pad([ids]) for ids in sequences), tokens.pad(sequences)]
    image = read_manifest(repository, model, ImageManifest)
    pixels = np.stack([image.prepare(picture) for picture in sample_pictures(SAMPLES, N_INPUTS)])
    return [*({"image": pixels[row : row + 1]} for row in range(len(pixels))), {"image": pixels}]


async def served(spec: ProcessSpec, model: str, feeds: dict[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    kinds = {"int64": "INT64", "uint8": "UINT8"}
    tensors = []
    for name, values in feeds.items():
        tensor = grpc.InferInput(name, values.shape, kinds[values.dtype.name])
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    async with grpc.InferenceServerClient(f"127.0.0.1:{spec.ports['grpc']}") as client:
        result = await client.infer(model, tensors, priority=PRIORITY_BULK, client_timeout=120)
    vectors: NDArray[np.float32] = result.as_numpy(EMBEDDING)
    return vectors
