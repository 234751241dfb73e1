"""Weights that are too large for a graph's own file, at tiny size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from export.joint_space.new_repository import copy_model  # noqa: E402
from export.parity import run_graph  # noqa: E402
from export.precision import write_precision  # noqa: E402
from export.tower import sha256_of_version  # noqa: E402
from export.tracing import trace  # noqa: E402


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.randn((48, 24), generator=torch.Generator().manual_seed(5)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(image.float().flatten(1) @ self.weights, dim=-1)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randint(0, 256, (3, 4, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(6))


def test_large_weights_lie_beside_the_graph_and_count_in_its_hash(tmp_path: Path, image: torch.Tensor) -> None:
    module, version = Layer(), tmp_path / "made" / "1"
    version.mkdir(parents=True)
    trace(module, {"image": image}, version / "model.onnx", inline_bytes=100)
    assert {path.name for path in version.iterdir()} == {"model.onnx", "model.weights"}
    assert (version / "model.onnx").stat().st_size < module.weights.numel() * 4
    assert (version / "model.weights").stat().st_mode == (version / "model.onnx").stat().st_mode
    wanted = module(image).detach().numpy()
    np.testing.assert_allclose(run_graph(version / "model.onnx", [{"image": image.numpy()}]), wanted, atol=1e-6)
    # A space's repository shares them by hard links; ONNX Runtime takes weights that have two names.
    copy_model(tmp_path / "made", tmp_path / "clip_image")
    shared = tmp_path / "clip_image" / "1"
    assert (shared / "model.weights").stat().st_nlink == 2
    np.testing.assert_allclose(run_graph(shared / "model.onnx", [{"image": image.numpy()}]), wanted, atol=1e-6)
    before = sha256_of_version(version)
    changed = bytearray((version / "model.weights").read_bytes())
    changed[0] ^= 1
    (version / "model.weights").unlink()
    (version / "model.weights").write_bytes(changed)
    assert sha256_of_version(version) != before


def test_weights_from_beside_a_graph_are_converted(tmp_path: Path, image: torch.Tensor) -> None:
    module = Layer()
    trace(module, {"image": image}, tmp_path / "fp32.onnx", inline_bytes=100)
    write_precision(tmp_path / "fp32.onnx", tmp_path / "model.onnx", "fp16", [])
    wanted = module(image).detach().numpy()
    np.testing.assert_allclose(run_graph(tmp_path / "model.onnx", [{"image": image.numpy()}]), wanted, atol=5e-3)
