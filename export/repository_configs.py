"""The configurations that are checked in under `model_repository/`, out of the renderer that every export uses.

`python -m export.repository_configs` writes them. A test compares the files with what would be written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED, CLIP_TEXT, CLIP_TEXT_DISTILLED, TEXT_ENCODER
from export.demo_clip.config import DIM, IMAGE_SIZE
from export.model_config import DEVICES, config_file, render_config
from export.shapes import TowerShapes

REPOSITORY = Path(__file__).resolve().parents[1] / "model_repository"

# The tokens that MiniLM has positions for.
_WORDS = TowerShapes("text", 512, DIM)
_PICTURES = TowerShapes("image", IMAGE_SIZE, DIM)

CHECKED_IN: Mapping[str, tuple[TowerShapes, str]] = MappingProxyType(
    {
        TEXT_ENCODER: (_WORDS, "Words to the text half of the joint space. Made by export/text_encoder."),
        CLIP_TEXT: (_WORDS, "Words to the CLIP space, where they meet pictures. Made by export/text_encoder."),
        CLIP_TEXT_DISTILLED: (
            _WORDS,
            "Words to the CLIP space by a student of clip_text. The demo has none: docs/decisions/0005.",
        ),
        CLIP_IMAGE: (
            _PICTURES,
            "Pictures to the CLIP space; scaling and normalising are in the graph. Made by export/demo_clip.",
        ),
        CLIP_IMAGE_DISTILLED: (
            _PICTURES,
            "Pictures to the CLIP space by the student of clip_image, four times cheaper. Made by export/distil.",
        ),
    }
)
"""Each model's sizes, and what its files say that it is."""


def rendered() -> Iterator[tuple[str, str]]:
    """Path inside the repository and text of every file."""
    for name, (tower, about) in CHECKED_IN.items():
        for device in DEVICES:
            yield f"{name}/{config_file(device)}", render_config(name, tower, device, about=about)


def main() -> None:
    """Write the files that have changed."""
    for place, text in rendered():
        path = REPOSITORY / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {place}")


if __name__ == "__main__":
    main()
