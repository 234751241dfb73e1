"""Records what PyTorch says of a few texts, for machines that have no torch. Runs in the export environment:

python -m export.text_encoder.reference CHECKPOINT_FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from export.text_encoder.parity import REFERENCE_FILE

MAX_LENGTH = 512

TEXTS = (
    "tide",
    "How many watts does the heat pump draw at minus ten degrees?",
    "A lighthouse keeper logs the weather every four hours.",
    "Die Wärmepumpe läuft auch bei -10 °C; ihr COP sinkt dann auf 2,4.",
    "E = mc², π ≈ 3.14159, and f(x) = ∑ aᵢxⁱ",
    "日本語のテキスト mixed with English words",
    "",
    "UPPER CASE, lower case; punctuation?! (brackets) [square] {curly} — dashes",
    "The committee approved the minutes. " * 6,
    "Sourdough rises slowly because wild yeast is outnumbered by lactic bacteria. " * 12,
    "Soil moisture is read by a capacitive probe at three depths and sent every ten minutes. " * 24,
    "Longer than any chunk, so that the end is cut: one more sentence about bees and their hive. " * 60,
)


def torch_vectors(checkpoint: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """Encode each text alone (no padding) with transformers; masked mean, length 1; [texts, dim]."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModel.from_pretrained(checkpoint, attn_implementation="eager").eval()
    rows = []
    with torch.inference_mode():
        for text in texts:
            encoded = tokenizer(text, truncation=True, max_length=MAX_LENGTH, padding=False, return_tensors="pt")
            hidden = model(**encoded).last_hidden_state
            kept = encoded["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * kept).sum(1) / kept.sum(1).clamp(min=1e-9)
            rows.append(torch.nn.functional.normalize(mean, dim=1)[0].numpy())
    return np.stack(rows).astype(np.float32)


def main() -> None:
    vectors = torch_vectors(Path(sys.argv[1]), TEXTS)
    rows = [[float(f"{value:.8g}") for value in row] for row in vectors]
    written = ",\n".join(json.dumps(row) for row in rows)
    texts = json.dumps(TEXTS, ensure_ascii=False, indent=1)
    REFERENCE_FILE.write_text(f'{{"texts": {texts},\n"vectors": [\n{written}\n]}}\n')
    print(f"{len(TEXTS)} texts, vectors of {vectors.shape[1]} numbers -> {REFERENCE_FILE.name}")


if __name__ == "__main__":
    main()
