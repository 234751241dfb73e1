"""What TensorRT is told of a tower: the commands that build a plan, and the ONNX Runtime provider's settings.

Text only; nothing here runs TensorRT. Every shape that can come lies inside one profile, because the provider
builds its engine anew (30 to 100 s) for a shape outside.
"""

from __future__ import annotations

from collections.abc import Mapping

from export.shapes import Shapes, TowerShapes

ENGINE_CACHE = "/var/cache/trireme/tensorrt"
"""A volume of the server's container: engines and timings outlive it, so that a restart does not build again."""

WORKSPACE_BYTES = 2 * 1024**3


def trtexec_command(name: str, tower: TowerShapes, *, max_batch: int, fp16: bool) -> str:
    """Builds `model.plan` beside `model.onnx`; run in the container image of the server that will load it."""
    small, usual, large = (_shapes(each) for each in tower.profile(max_batch))
    parts = [
        "trtexec --onnx=model.onnx --saveEngine=model.plan",
        f"--minShapes={small} --optShapes={usual} --maxShapes={large}",
        f"--timingCacheFile={ENGINE_CACHE}/{name}.timing",
        *(["--fp16"] if fp16 else []),
    ]
    return " ".join(parts)


def polygraphy_command(tower: TowerShapes, *, max_batch: int, fp16: bool) -> str:
    """As `trtexec_command`, and compares the plan with ONNX Runtime on random inputs afterwards."""
    small, usual, large = tower.profile(max_batch)
    # By default, whole numbers are drawn from 1 to 25: not what a mask or a picture holds.
    values = "image:[0,255]" if tower.kind == "image" else "input_ids:[1,1000] attention_mask:[1,1]"
    parts = [
        "polygraphy run model.onnx --trt --onnxrt --save-engine model.plan",
        f"--trt-min-shapes {_bracketed(small)} --trt-opt-shapes {_bracketed(usual)}",
        f"--trt-max-shapes {_bracketed(large)} --input-shapes {_bracketed(usual)}",
        f"--val-range {values}",
        *(["--fp16 --atol 1e-2 --rtol 1e-2"] if fp16 else []),
    ]
    return " ".join(parts)


def provider_parameters(name: str, tower: TowerShapes, *, max_batch: int, fp16: bool) -> Mapping[str, str]:
    """Parameters of the accelerator "tensorrt" in config.pbtxt.

    Keys as the table in triton-inference-server/onnxruntime_backend, README.md, has them.
    """
    small, usual, large = (_shapes(each) for each in tower.profile(max_batch))
    return {
        "precision_mode": "FP16" if fp16 else "FP32",
        "max_workspace_size_bytes": str(WORKSPACE_BYTES),
        "trt_layer_norm_fp32_fallback": "true",
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": f"{ENGINE_CACHE}/{name}",
        "trt_timing_cache_enable": "true",
        "trt_timing_cache_path": f"{ENGINE_CACHE}/{name}",
        "trt_profile_min_shapes": small,
        "trt_profile_opt_shapes": usual,
        "trt_profile_max_shapes": large,
    }


def _shapes(shapes: Shapes) -> str:
    return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())


def _bracketed(shapes: Shapes) -> str:
    return " ".join(f"{name}:[{','.join(map(str, shape))}]" for name, shape in shapes.items())
