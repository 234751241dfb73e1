"""A seeded Llama of the width of Llama 3 8B, with as many layers as are asked for, written layer by layer.

Real architecture, real tensor names, sharded bfloat16 safetensors, a byte-level BPE tokenizer with Llama 3's
128,256 entries and its special tokens at their own numbers: what an exporter and a server meet in the real
checkpoint, only that the words mean nothing. As a program, in the export environment:

    python -m tests.export.llama.full_width FOLDER --layers 2
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

from tests.export.llama.tiny import CHAT_TEMPLATE

SEED = 20261125
# Llama's own initial spread. Projections back into the residual stream are drawn narrower, as GPT-2's are
# (Radford et al. 2019, 2.3), for the 32 layers of the whole model; embeddings wider, so that a layer changes the
# stream as a trained one does and does not drown it.
SPREAD = 0.02
RESIDUAL_SPREAD = SPREAD / math.sqrt(2 * 32)
EMBEDDING_SPREAD = 0.25
# Of https://huggingface.co/meta-llama/Meta-Llama-3-8B-Instruct: config.json and tokenizer.json.
PLAIN_TOKENS = 128_000
VOCABULARY = 128_256
NAMED_TOKENS = {
    "<|begin_of_text|>": 128_000,
    "<|end_of_text|>": 128_001,
    "<|start_header_id|>": 128_006,
    "<|end_header_id|>": 128_007,
    "<|eot_id|>": 128_009,
}


@dataclass(frozen=True, slots=True)
class Width:
    """Sizes of one layer; the defaults are Llama 3 8B's."""

    hidden: int = 4096
    intermediate: int = 14_336
    heads: int = 32
    kv_heads: int = 8
    vocabulary: int = VOCABULARY
    context: int = 8192


def write_checkpoint(folder: Path, layers: int, width: Width | None = None) -> Path:
    """Write the checkpoint; returns its folder. Holds one shard at a time in memory: at most 1.1 GB."""
    import torch
    from safetensors.torch import save_file

    width = width or Width()
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(SEED)
    placed: dict[str, str] = {}
    shards = [_embedding(width), *(_layer(number, width) for number in range(layers)), _head(width)]
    total = 0
    for number, shapes in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        tensors = {}
        for name, shape in shapes.items():
            drawn = torch.empty(shape, dtype=torch.bfloat16)
            # Norms scale by one; everything else is drawn.
            is_norm = len(shape) == 1
            tensors[name] = drawn.fill_(1.0) if is_norm else drawn.normal_(0.0, _spread(name), generator=generator)
            placed[name] = file
            total += drawn.numel() * drawn.element_size()
        save_file(tensors, folder / file, metadata={"format": "pt"})
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(_config(width, layers), indent=2))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nSeeded weights; says nothing.\n")
    _write_tokenizer(folder)
    return folder


def _spread(name: str) -> float:
    if "embed_tokens" in name:
        return EMBEDDING_SPREAD
    return RESIDUAL_SPREAD if "o_proj" in name or "down_proj" in name else SPREAD


def _embedding(width: Width) -> dict[str, tuple[int, ...]]:
    return {"model.embed_tokens.weight": (width.vocabulary, width.hidden)}


def _layer(number: int, width: Width) -> dict[str, tuple[int, ...]]:
    head_size = width.hidden // width.heads
    kv_size = width.kv_heads * head_size
    shapes: dict[str, tuple[int, ...]] = {
        "input_layernorm": (width.hidden,),
        "self_attn.q_proj": (width.hidden, width.hidden),
        "self_attn.k_proj": (kv_size, width.hidden),
        "self_attn.v_proj": (kv_size, width.hidden),
        "self_attn.o_proj": (width.hidden, width.hidden),
        "post_attention_layernorm": (width.hidden,),
        "mlp.gate_proj": (width.intermediate, width.hidden),
        "mlp.up_proj": (width.intermediate, width.hidden),
        "mlp.down_proj": (width.hidden, width.intermediate),
    }
    return {f"model.layers.{number}.{name}.weight": shape for name, shape in shapes.items()}


def _head(width: Width) -> dict[str, tuple[int, ...]]:
    return {"model.norm.weight": (width.hidden,), "lm_head.weight": (width.vocabulary, width.hidden)}


def _config(width: Width, layers: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "mlp_bias": False,
        "hidden_act": "silu",
        "hidden_size": width.hidden,
        "intermediate_size": width.intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": width.heads,
        "num_key_value_heads": width.kv_heads,
        "vocab_size": width.vocabulary,
        "max_position_embeddings": width.context,
        "rope_theta": 500000.0,
        "rms_norm_eps": 1e-05,
        "initializer_range": SPREAD,
        "tie_word_embeddings": False,
        "bos_token_id": NAMED_TOKENS["<|begin_of_text|>"],
        "eos_token_id": [NAMED_TOKENS["<|end_of_text|>"], NAMED_TOKENS["<|eot_id|>"]],
        "torch_dtype": "bfloat16",
    }


def _write_tokenizer(folder: Path) -> None:
    """Bytes, all pairs of bytes, and triples until there are 128,000; then the special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = list(itertools.product(bytes_, bytes_))
    triples = [("".join(pair), byte) for pair, byte in itertools.product(pairs, bytes_[:1])]
    wanted = PLAIN_TOKENS - len(bytes_)
    merges = [*pairs, *triples][:wanted]
    vocabulary = {token: number for number, token in enumerate([*bytes_, *("".join(each) for each in merges)])}
    assert len(vocabulary) == PLAIN_TOKENS
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = {number: name for name, number in NAMED_TOKENS.items()}
    tokenizer.add_special_tokens(
        [
            AddedToken(names.get(number, f"<|reserved_special_token_{number - PLAIN_TOKENS}|>"), normalized=False)
            for number in range(PLAIN_TOKENS, VOCABULARY)
        ]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        chat_template=CHAT_TEMPLATE,
    )
    fast.save_pretrained(folder)


def main() -> None:
    """Make the checkpoint that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.export.llama.full_width")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    wanted = parser.parse_args()
    write_checkpoint(wanted.folder, wanted.layers)


if __name__ == "__main__":
    main()
