"""CLIP's picture towers on a device: pictures a second in fp16 and bf16, beside what its arithmetic allows.

Two engines: PyTorch with its fused attention, as a CUDA graph; and ONNX Runtime's CUDA provider on the fp16 graph
that Trireme's own export writes, which is what Triton serves. Each is held against PyTorch in fp32 first.
"""

from __future__ import annotations

import copy
import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPVisionConfig

from benchmarks.gpu.device import captured, on_gpu, per_call_s, place
from contracts.tensors import EMBEDDING
from export.checkpoints import open_checkpoint
from export.clip.towers import ImageTower, load_clip
from export.precision import write_precision
from export.seeded import SIZES
from export.tracing import trace

BATCHES = (1, 8, 32, 64, 128)
PICTURE = "image"
_SEED = 7
_COMPARED = 16

Row = dict[str, Any]


class InPrecision(torch.nn.Module):  # type: ignore[misc]
    """The same tower with weights and arithmetic in another type; UINT8 pictures in, unit vectors FP32 out."""

    def __init__(self, tower: ImageTower, dtype: torch.dtype) -> None:
        super().__init__()
        self.tower, self.dtype = copy.deepcopy(tower).to(dtype), dtype

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pixels = image.permute(0, 3, 1, 2).to(self.dtype) * self.tower.factor + self.tower.shift
        features = self.tower.head(self.tower.vision(pixel_values=pixels).pooler_output)
        return torch.nn.functional.normalize(features.float(), dim=-1)


def tower_flops(config: CLIPVisionConfig) -> float:
    """Multiplications and additions of one picture: attention, feed-forward parts, and the patches' embedding."""
    n = (config.image_size // config.patch_size) ** 2 + 1
    width, layers = config.hidden_size, config.num_hidden_layers
    layer = 8 * n * width**2 + 4 * n**2 * width + 4 * n * width * config.intermediate_size
    return float(layers * layer + 2 * n * width * 3 * config.patch_size**2)


def tower_rows(name: str, folder: Path, flops: float, batches: Sequence[int] = BATCHES) -> Iterator[Row]:
    """Measure a checkpoint of `export.seeded`.

    Args:
        flops: bf16 operations a second that the device was seen to do.
    """
    checkpoint = open_checkpoint(str(SIZES[name](folder / name)))
    clip = load_clip(checkpoint)
    config = clip.model.config.vision_config
    once = tower_flops(config)
    size = clip.preprocessing.image_size
    pictures = torch.randint(
        0,
        256,
        (max(*batches, _COMPARED), size, size, 3),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(_SEED),
    )
    with torch.no_grad():
        tower = clip.image_tower().eval().to(place())
        wanted = tower(pictures[:_COMPARED].to(place())).float().cpu().numpy()
        cuda = tower_on_onnxruntime(tower, folder, pictures[:1])
        for engine, ask, cosine in cuda(wanted, pictures) if cuda else ():
            yield from _rows(name, engine, "fp16", ask, cosine, pictures, batches, once, flops)
        for dtype, label in ((torch.float16, "fp16"), (torch.bfloat16, "bf16")):
            module = InPrecision(tower, dtype)
            found = module(pictures[:_COMPARED].to(place())).cpu().numpy()
            yield from _rows(
                name,
                "torch",
                label,
                _torch_asker(module),
                smallest_cosine(found, wanted),
                pictures,
                batches,
                once,
                flops,
            )
            del module


Asker = Callable[[torch.Tensor], tuple[Callable[[], object], str]]
"""Given a batch of pictures, what runs it once, and how."""


def _rows(
    name: str,
    engine: str,
    label: str,
    ask: Asker,
    cosine: float,
    pictures: torch.Tensor,
    batches: Sequence[int],
    once: float,
    flops: float,
) -> Iterator[Row]:
    for batch in batches:
        work, how = ask(pictures[:batch])
        seconds = per_call_s(work)
        yield {
            "part": "tower",
            "model": name,
            "engine": engine,
            "how": how,
            "precision": label,
            "batch": batch,
            "ms": round(seconds * 1000, 3),
            "pictures_s": round(batch / seconds, 1),
            "of_flops": round(batch * once / seconds / flops, 3),
            "gflop_a_picture": round(once / 1e9, 1),
            "min_cosine": round(cosine, 6),
        }


def _torch_asker(module: torch.nn.Module) -> Asker:
    def ask(batch: torch.Tensor) -> tuple[Callable[[], object], str]:
        there = batch.to(place())
        work, graph = captured(lambda: module(there))
        return work, "CUDA graph" if graph else "eager"

    return ask


def tower_on_onnxruntime(tower: ImageTower, folder: Path, example: torch.Tensor) -> Any:
    """The exported fp16 graph on ONNX Runtime's CUDA provider; None where that provider is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers() or not on_gpu():
        return None
    plain, half = folder / "plain.onnx", folder / "half.onnx"
    start = time.perf_counter()
    trace(tower.cpu(), {PICTURE: example.repeat(2, 1, 1, 1)}, plain)
    write_precision(plain, half, "fp16", [])
    exported_s = time.perf_counter() - start
    providers = [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "1"})]
    session = onnxruntime.InferenceSession(str(half), providers=providers)
    tower.to(place())

    def measured(wanted: Any, pictures: torch.Tensor) -> Iterator[tuple[str, Asker, float]]:
        found = session.run([EMBEDDING], {PICTURE: pictures[:_COMPARED].numpy()})[0]
        cosine = smallest_cosine(found, wanted)
        how = f"exported in {exported_s:.0f} s"

        def from_host(batch: torch.Tensor) -> tuple[Callable[[], object], str]:
            array = np.ascontiguousarray(batch.numpy())
            return lambda: session.run([EMBEDDING], {PICTURE: array}), f"from and to the host's memory; {how}"

        def on_device(batch: torch.Tensor) -> tuple[Callable[[], object], str]:
            binding = session.io_binding()
            there = onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(batch.numpy()), "cuda", 0)
            binding.bind_ortvalue_input(PICTURE, there)
            binding.bind_output(EMBEDDING, "cuda")
            return lambda: session.run_with_iobinding(binding), "in the device's memory"

        yield "onnxruntime", from_host, cosine
        yield "onnxruntime", on_device, cosine

    return measured


def smallest_cosine(found: Any, wanted: Any) -> float:
    """Over rows of unit vectors."""
    return float((found.astype(np.float64) * wanted).sum(axis=1).min())
