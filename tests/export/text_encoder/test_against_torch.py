"""The exported text encoder against PyTorch itself, in the export environment."""

from pathlib import Path

import numpy as np
import pytest

from export.text_encoder.build import export_text_encoder
from export.text_encoder.parity import compare, encode, reference_texts, reference_vectors
from tests.export.text_encoder.conftest import CHECKPOINT

pytestmark = pytest.mark.export_env

WORDS = (
    "the",
    "a",
    "of",
    "river",
    "bridge",
    "quarterly",
    "revenue",
    "1973",
    "naïve",
    "Übung",
    "→",
    "42%",
    "λ",
    "cat",
)


def mixed_texts(count: int) -> list[str]:
    """Seeded texts of 1 to 700 words."""
    rng = np.random.default_rng(20261123)
    lengths = np.unique(np.geomspace(1, 700, count).astype(int))
    return [" ".join(rng.choice(WORDS, size)) for size in lengths]


def test_mixed_lengths_agree_with_pytorch_alone_and_padded(tmp_path: Path) -> None:
    torch_vectors = pytest.importorskip("export.text_encoder.reference", reason="needs torch").torch_vectors
    version = export_text_encoder(tmp_path, CHECKPOINT)
    texts = mixed_texts(24)
    wanted = torch_vectors(CHECKPOINT, texts)
    for batch_size in (1, 8):
        parity = compare(encode(version, texts, 512, batch_size), wanted)
        # float32 of the same weights; what is left is the order of additions.
        assert parity.min_cosine > 1 - 1e-6
        assert parity.max_abs_error < 1e-5


def test_the_recorded_vectors_are_still_what_pytorch_says() -> None:
    torch_vectors = pytest.importorskip("export.text_encoder.reference", reason="needs torch").torch_vectors
    found = torch_vectors(CHECKPOINT, reference_texts())
    assert compare(found, reference_vectors()).max_abs_error < 1e-5
