"""open_clip's checkpoints under transformers' names, against the network written out by its description."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from export.checkpoints import open_checkpoint  # noqa: E402
from export.clip.open_clip import load_open_clip  # noqa: E402
from export.clip.towers import load_clip  # noqa: E402
from export.text_encoder.checkpoint import CheckpointError  # noqa: E402
from tests.export.checkpoints import LIMIT, SIZE  # noqa: E402
from tests.export.clip.open_clip_network import tiny_network, tiny_open_clip  # noqa: E402


@pytest.mark.parametrize("weights", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_both_towers_compute_what_open_clip_computes(tmp_path: Path, weights: str) -> None:
    model = load_open_clip(open_checkpoint(str(tiny_open_clip(tmp_path / "tiny", weights))))
    network = tiny_network()
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randn((3, 3, SIZE, SIZE), generator=generator)
    ids = torch.zeros((3, LIMIT), dtype=torch.int64)
    for row, length in enumerate((3, 9, LIMIT)):
        ids[row, :length] = torch.randint(0, 500, (length,), generator=generator)
        ids[row, length - 1] = 513
    with torch.inference_mode():
        found = model.get_image_features(pixel_values=pixels).pooler_output
        torch.testing.assert_close(found, network.visual(pixels), atol=1e-5, rtol=1e-4)
        found = model.get_text_features(input_ids=ids).pooler_output
        torch.testing.assert_close(found, network.encode_text(ids), atol=1e-5, rtol=1e-4)


def test_the_width_of_the_towers_is_that_of_the_checkpoint(tmp_path: Path) -> None:
    clip = load_clip(open_checkpoint(str(tiny_open_clip(tmp_path / "tiny"))))
    assert clip.dim == 16
    assert clip.preprocessing.crop_rounding == "nearest"
    assert np.isclose(clip.preprocessing.mean, [0.5, 0.4, 0.3]).all()


@pytest.mark.parametrize(
    ("tower", "key", "value"),
    [
        ("vision_cfg", "timm_model_name", "vit_base"),
        ("text_cfg", "hf_model_name", "roberta-base"),
        ("vision_cfg", "layers", [3, 4, 6, 3]),
    ],
)
def test_towers_of_another_kind_are_refused(tmp_path: Path, tower: str, key: str, value: Any) -> None:
    folder = tiny_open_clip(tmp_path / "tiny")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"][tower][key] = value
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="not supported"):
        load_open_clip(open_checkpoint(str(folder)))


class Malicious:
    """Unpickled with trust, it makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_weights_that_hold_code_are_refused_and_not_run(tmp_path: Path) -> None:
    folder = tiny_open_clip(tmp_path / "tiny", "open_clip_pytorch_model.bin")
    trace = tmp_path / "ran"
    torch.save({"visual.proj": Malicious(trace)}, folder / "open_clip_pytorch_model.bin", pickle_module=pickle)
    with pytest.raises(CheckpointError, match="hold code"):
        load_open_clip(open_checkpoint(str(folder)))
    assert not trace.exists()
