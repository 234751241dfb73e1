"""Writes a tiny CLIP and a tiny BERT for tests of another environment: `python -m ... FOLDER`. Needs torch."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.export.checkpoints import tiny_bert, tiny_clip

if __name__ == "__main__":
    tiny_clip(Path(sys.argv[1]) / "clip")
    tiny_bert(Path(sys.argv[1]) / "bert")
    tiny_bert(Path(sys.argv[1]) / "other_bert", pooling="cls")
