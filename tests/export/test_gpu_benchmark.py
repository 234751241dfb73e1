"""The measurements for GPUs at tiny sizes on a CPU: every part gives its figures, of the right things."""

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPVisionConfig

from benchmarks.gpu.__main__ import models
from benchmarks.gpu.index_data import K, draw, exact, recall
from benchmarks.gpu.towers import tower_flops
from benchmarks.index.joint_vectors import CorpusSpec, JointVectors

pytestmark = pytest.mark.export_env


def test_models_are_measured_and_held_against_float32(tmp_path: Path) -> None:
    rows = [json.loads(json.dumps(row)) for row in models(small=True)]
    towers = [row for row in rows if row["part"] == "tower"]
    assert {row["precision"] for row in towers} == {"fp16", "bf16"}
    assert all(row["min_cosine"] > 0.999 and row["pictures_s"] > 0 for row in towers)
    told = [(row["what"], row["batch"]) for row in rows if row["part"] == "llama"]
    assert told == [("prompt of 64 tokens", 1), ("next token after 32", 1), ("next token after 32", 4)]


def test_a_towers_arithmetic_is_that_of_the_published_models() -> None:
    """4.4 and 81 thousand million multiply-adds: docs/model_profile.csv of mlfoundations/open_clip."""
    base = CLIPVisionConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, patch_size=32)
    large = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14
    )
    assert tower_flops(base) / 2e9 == pytest.approx(4.4, rel=0.02)
    assert tower_flops(large) / 2e9 == pytest.approx(81, rel=0.02)


def test_rows_are_the_benchmarks_corpus_and_the_exact_best_are_exact() -> None:
    data = draw(12_000, 16)
    corpus = np.concatenate([chunk.vectors for chunk in JointVectors(CorpusSpec()).chunks(12_000)])
    assert np.array_equal(data.rows, corpus)
    scores = data.queries @ data.rows.astype(np.float32).T
    wanted = np.argsort(-scores, axis=1)[:, :K]
    assert recall(exact(data), wanted) > 0.99
    assert recall(np.full_like(wanted, -1), wanted) == 0
