"""Pictures as callers prepare them, against every family's own processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil, ViTImageProcessorPil  # noqa: E402

from encoding.pictures import to_tensor  # noqa: E402
from export.clip.preprocessing import Preprocessing, from_open_clip, from_processor  # noqa: E402
from export.text_encoder.checkpoint import CheckpointError  # noqa: E402

SIZES = ((640, 427), (427, 640), (225, 224), (224, 231), (31, 97), (97, 30), (300, 300), (1000, 40))

PROCESSORS = {
    "CLIP": CLIPImageProcessorPil(),
    "CLIP at 336": CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
    "CLIP with a margin": CLIPImageProcessorPil(size={"shortest_edge": 256}),
    "CLIP by bilinear": CLIPImageProcessorPil(resample=Image.Resampling.BILINEAR),
    "CLIP by Lanczos": CLIPImageProcessorPil(resample=Image.Resampling.LANCZOS),
    "CLIP unnormalised": CLIPImageProcessorPil(do_normalize=False),
    "ViT": ViTImageProcessorPil(),
    "SigLIP": SiglipImageProcessorPil(),
}


def pictures() -> list[Image.Image]:
    """Seeded blobs with sharp edges: what filters and offsets disagree about most."""
    rng = np.random.default_rng(11)
    coarse = [rng.integers(0, 256, (max(2, h // 5), max(2, w // 5), 3), dtype=np.uint8) for w, h in SIZES]
    return [
        Image.fromarray(each).resize(size, Image.Resampling.NEAREST)
        for each, size in zip(coarse, SIZES, strict=True)
    ]


def prepared(picture: Image.Image, how: Preprocessing) -> NDArray[np.float32]:
    """What the graph computes of what callers send, [3, size, size]."""
    pixels = to_tensor(
        picture,
        how.image_size,
        how.resize,
        interpolation=how.interpolation,
        shortest_edge=how.shortest_edge,
        crop_rounding=how.crop_rounding,
    )
    scaled = (pixels.astype(np.float32) * np.float32(how.scale) - np.float32(how.mean)) / np.float32(how.std)
    return scaled.transpose(2, 0, 1)


@pytest.mark.parametrize("name", PROCESSORS)
def test_pictures_are_those_of_the_checkpoints_own_processor(name: str) -> None:
    processor = PROCESSORS[name]
    how = from_processor(processor)
    for picture in pictures():
        own = processor(images=picture, return_tensors="np")["pixel_values"][0]
        # Not one pixel differs; what remains is the order of float32 operations.
        np.testing.assert_allclose(prepared(picture, how), own, atol=1e-5, err_msg=f"{picture.size}")


@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_pictures_are_those_of_open_clips_transform(mode: str) -> None:
    config: dict[str, Any] = {
        "model_cfg": {"vision_cfg": {"image_size": 224}},
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "resize_mode": mode},
    }
    how = from_open_clip(config)
    for picture in pictures():
        width, height = picture.size
        if mode == "squash":
            resized = picture.resize((224, 224), Image.Resampling.BICUBIC)
        else:
            # torchvision.transforms.functional: _compute_resized_output_size and center_crop.
            short, long = sorted((width, height))
            longer = int(224 * long / short)
            size = (224, longer) if width <= height else (longer, 224)
            resized = picture.resize(size, Image.Resampling.BICUBIC)
            top, left = (round((edge - 224) / 2.0) for edge in (resized.height, resized.width))
            resized = resized.crop((left, top, left + 224, top + 224))
        own = (np.asarray(resized, np.float32) / 255 - np.float32([0.5, 0.4, 0.3])) / np.float32([0.2, 0.3, 0.4])
        np.testing.assert_allclose(prepared(picture, how), own.transpose(2, 0, 1), atol=1e-5)


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        (CLIPImageProcessorPil(size={"height": 256, "width": 256}), "after stretching"),
        (CLIPImageProcessorPil(size={"shortest_edge": 200}), "crops more"),
        (CLIPImageProcessorPil(crop_size={"height": 200, "width": 224}), "not square"),
        (CLIPImageProcessorPil(do_resize=False), "does not resize"),
    ],
)
def test_a_processor_that_does_something_else_is_refused(processor: Any, reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        from_processor(processor)
