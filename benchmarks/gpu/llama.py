"""A Llama of full size with seeded weights on a device: tokens a second beside what memory and arithmetic allow.

PyTorch's own forward pass with a cache of fixed size, as a CUDA graph, in bf16: what the device can do for the
next token of each of several conversations. A batch of one reads every weight for one token, so memory's speed
bounds it; a large batch shares that reading, and arithmetic bounds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, StaticCache

from benchmarks.gpu.device import BF16, Device, captured, median_s, per_call_s, place

# config.json of meta-llama/Meta-Llama-3-8B-Instruct; the tiny one tries the same steps out.
SIZES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "llama-3-8b": {
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
            "rope_theta": 500000.0,
            "max_position_embeddings": 8192,
        },
        "llama-tiny": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 500,
            "max_position_embeddings": 512,
        },
    }
)
BATCHES = (1, 8, 32, 64, 128)
_SEED = 3

Row = dict[str, Any]


def seeded_llama(name: str) -> LlamaForCausalLM:
    """The model on the device, in bf16, with random weights."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(BF16)
    torch.manual_seed(_SEED)
    try:
        with torch.device(place()):
            model = LlamaForCausalLM(LlamaConfig(**SIZES[name], tie_word_embeddings=False))
    finally:
        torch.set_default_dtype(before)
    return model.eval()


def llama_rows(
    name: str, device: Device, batches: Sequence[int] = BATCHES, *, context: int = 512, prompt: int = 2048
) -> Iterator[Row]:
    """Measure it.

    Args:
        context: tokens that each conversation has already, when the next one is made.
        prompt: tokens of a prompt that is read in one go.
    """
    model = seeded_llama(name)
    n_parameters = sum(each.numel() for each in model.parameters())
    read = n_parameters - model.get_input_embeddings().weight.numel()
    with torch.no_grad():
        yield _prefill(model, name, read, device, prompt)
        for batch in batches:
            yield _decode(model, name, read, device, batch, context)


def _prefill(model: LlamaForCausalLM, name: str, read: int, device: Device, prompt: int) -> Row:
    config = model.config
    ids = torch.randint(0, config.vocab_size, (1, prompt), device=place())
    seconds = median_s(lambda: model(input_ids=ids, use_cache=False, logits_to_keep=1), least=5)
    attention = 2 * config.num_hidden_layers * prompt**2 * config.hidden_size
    head = config.vocab_size * config.hidden_size
    flops = 2 * (read - head) * prompt + 2 * head + attention
    return {
        "part": "llama",
        "model": name,
        "engine": "torch",
        "what": f"prompt of {prompt} tokens",
        "batch": 1,
        "ms": round(seconds * 1000, 2),
        "tokens_s": round(prompt / seconds, 1),
        "of_flops": round(flops / seconds / device.bf16_flops, 3),
    }


def _decode(model: LlamaForCausalLM, name: str, read: int, device: Device, batch: int, context: int) -> Row:
    config = model.config
    cache = StaticCache(config=config, max_cache_len=context + 64)
    prompt = torch.randint(0, config.vocab_size, (batch, context), device=place())
    model(input_ids=prompt, past_key_values=cache, use_cache=True, logits_to_keep=1)
    token = torch.randint(0, config.vocab_size, (batch, 1), device=place())
    position = torch.tensor([context], device=place())

    def step() -> torch.Tensor:
        return model(
            input_ids=token,
            past_key_values=cache,
            position_ids=position[None, :].expand(batch, 1),
            cache_position=position,
            use_cache=True,
        ).logits.argmax(-1)

    work, graph = captured(step)
    seconds = per_call_s(work, calls=20)
    head_dim = config.hidden_size // config.num_attention_heads
    cached = 2 * 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim * (context + 64) * batch
    bound_s = max((2 * read + cached) / device.read_bytes_s, 2 * read * batch / device.bf16_flops)
    return {
        "part": "llama",
        "model": name,
        "engine": "torch",
        "what": f"next token after {context}",
        "how": "CUDA graph" if graph else "eager",
        "batch": batch,
        "ms": round(seconds * 1000, 3),
        "tokens_s": round(batch / seconds, 1),
        "of_roofline": round(bound_s / seconds, 3),
        "bound_by": "memory" if (2 * read + cached) / device.read_bytes_s >= bound_s else "arithmetic",
    }
