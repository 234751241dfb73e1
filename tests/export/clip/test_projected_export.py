"""`--dim`: both towers of a checkpoint made narrower, the map inside the graphs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from export.checkpoints import open_checkpoint  # noqa: E402
from export.clip.build import export_clip  # noqa: E402
from export.request import ExportRequest  # noqa: E402
from tests.export.checkpoints import tiny_clip  # noqa: E402

PAIRS = 40


def captioned(folder: Path) -> Path:
    """Seeded noise with a caption each."""
    folder.mkdir()
    rng = np.random.default_rng(13)
    for number in range(PAIRS):
        pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40, 40), Image.Resampling.NEAREST).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"no {number} is {rng.integers(1000)}")
    return folder


def test_both_towers_give_the_width_asked_for_and_still_pytorchs_vectors(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(str(tiny_clip(tmp_path / "clip")))
    repository = tmp_path / "repository"
    pairs = captioned(tmp_path / "pairs")
    report = export_clip(checkpoint, ExportRequest(repository, "narrow"), dim=15, pairs=pairs)
    assert report.dim == 15
    assert report.projection is not None
    assert report.projection.pairs == PAIRS // 2
    assert report.projection.loss <= 0.01
    for name, parity in (("narrow_image", report.image_parity), ("narrow_text", report.text_parity)):
        manifest = json.loads((repository / name / "manifest.json").read_text())
        assert manifest["dim"] == len(manifest["mean_vector"]) == 15
        assert manifest["projection"]["from_dim"] == 16
        assert "dims: [ 15 ]" in (repository / name / "config.pbtxt").read_text()
        assert parity.min_cosine > 1 - 1e-5
