"""The demo CLIP's fixed numbers and where its files lie. No PyTorch, no I/O."""

from pathlib import Path

IMAGE_SIZE = 96
"""Height and width of the input picture, pixels."""

DIM = 384
"""Length of the embedding: that of the frozen text encoder it was trained against."""

MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
"""Per channel, of values in 0..1; applied inside the graph."""

TRAINING_SEED = 20261123
HELDOUT_SEED = 7_000_001

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE / "clip_image.safetensors"
CARD = HERE / "card.json"
SPACE = HERE / "space.json"
HELDOUT_PICTURES = HERE / "heldout.webp"
HELDOUT_NAMES = HERE / "heldout.json"
HELDOUT_VECTORS = HERE / "heldout.safetensors"

DISTILLED_WEIGHTS = HERE / "clip_image_distilled.safetensors"
DISTILLED_CARD = HERE / "distilled_card.json"
QUERY_PICTURES = HERE / "queries.webp"
QUERY_NAMES = HERE / "queries.json"
DISTILLED_VECTORS = HERE / "distilled.safetensors"
QUERY_SEED = 7_000_002

CACHE = Path(".trireme/cache/demo_clip")
"""Caption vectors and the training's checkpoint; relative to the repository's root."""
