"""Tiny checkpoints, each exported once for all tests. No torch at the top: both environments read this file.

Files whose every test needs PyTorch are collected only where it is: `make test-export`, a part of
`make test`, runs them.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pytest

NEED_TORCH = (
    "captioner/test_captioner_export.py",
    "clip/test_open_clip.py",
    "clip/test_preprocessing.py",
    "clip/test_projected_export.py",
    "clip/test_towers.py",
    "test_command.py",
    "test_failed_exports.py",
    "test_gpu_benchmark.py",
    "test_hub.py",
    "test_precision.py",
    "test_tracing.py",
    "text/test_encoders.py",
)
# Triton's protobuf is in the running system's environment.
NEED_TRITON = ("captioner/test_captioner_config.py", "test_model_config.py", "test_text_api.py")
collect_ignore = [
    *(() if importlib.util.find_spec("torch") else NEED_TORCH),
    *(() if importlib.util.find_spec("tritonclient") else NEED_TRITON),
]


@dataclass(frozen=True, slots=True)
class Exported:
    """A checkpoint's folder, and the models that came out of it."""

    family: str
    checkpoint: Path
    repository: Path

    @property
    def image(self) -> str:
        return f"{self.family}_image"

    @property
    def text(self) -> str:
        return f"{self.family}_text"

    def graph(self, model: str) -> Path:
        return self.repository / model / "1" / "model.onnx"


CLIP_FAMILIES = ("clip", "dual", "open_clip")
TEXT_FAMILIES = ("bert_mean", "bert_cls", "xlm_roberta", "distilbert")


@pytest.fixture(scope="session", params=CLIP_FAMILIES)
def exported_clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Every family of CLIP in fp32."""
    from export.checkpoints import open_checkpoint
    from export.clip.build import export_clip
    from export.request import ExportRequest
    from tests.export import checkpoints
    from tests.export.clip.open_clip_network import tiny_open_clip

    make = {"clip": checkpoints.tiny_clip, "dual": checkpoints.tiny_dual_encoder, "open_clip": tiny_open_clip}
    root = tmp_path_factory.mktemp(request.param)
    folder = make[request.param](root / "checkpoint")
    repository = root / "repository"
    export_clip(open_checkpoint(str(folder)), ExportRequest(repository, request.param))
    return Exported(request.param, folder, repository)


@pytest.fixture(scope="session", params=TEXT_FAMILIES)
def exported_text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Every family of sentence encoders in fp32; the model is called `<family>_text`."""
    from export.checkpoints import open_checkpoint
    from export.request import ExportRequest
    from export.text.build import export_text
    from tests.export import checkpoints

    root = tmp_path_factory.mktemp(request.param)
    folder = checkpoints.tiny_sentence_encoder(root / "checkpoint", request.param)
    exported = Exported(request.param, folder, root / "repository")
    export_text(open_checkpoint(str(folder)), ExportRequest(exported.repository, exported.text))
    return exported
