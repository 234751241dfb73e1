"""The maker of checkpoints with Llama 3's vocabulary, at a width that a test can afford."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.llama.full_width import NAMED_TOKENS, VOCABULARY, Width, write_checkpoint

pytestmark = pytest.mark.export_env


def test_a_sharded_bfloat16_checkpoint_with_the_whole_vocabulary_exports_and_passes_the_gate(
    tmp_path: Path,
) -> None:
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    from transformers import AutoConfig, AutoTokenizer

    from export.llama.build import export_llama
    from export.llama.checkpoint import Source

    narrow = Width(hidden=64, intermediate=128, heads=4, kv_heads=2)
    checkpoint = write_checkpoint(tmp_path / "checkpoint", layers=2, width=narrow)
    manifest = export_llama(
        tmp_path / "repository",
        Source(checkpoint, "seeded"),
        precision="fp32",
        device="cpu",
        on_progress=lambda _: None,
    )
    assert manifest.parity.greedy_equal == manifest.parity.prompts
    assert len(manifest.checkpoint_sha256) == 4
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    assert len(tokenizer) == VOCABULARY
    assert {name: tokenizer.convert_tokens_to_ids(name) for name in NAMED_TOKENS} == NAMED_TOKENS
    # Unless it is told another width, it is Llama 3 8B's.
    assert (Width().hidden, Width().intermediate, Width().heads, Width().kv_heads) == (4096, 14336, 32, 8)
    assert AutoConfig.from_pretrained(checkpoint).num_hidden_layers == 2
