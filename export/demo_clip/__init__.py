"""A small, real CLIP picture tower, trained on rendered pictures against the frozen MiniLM text encoder.

`train` and `heldout` need the export environment; `build` and `evaluate` need no PyTorch.
"""

from export.demo_clip.config import DIM, IMAGE_SIZE

__all__ = ["DIM", "IMAGE_SIZE"]
