"""The gate: the exported model against transformers on the same checkpoint, through the library that serves it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime_genai as genai
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer

from contracts.errors import ConfigurationError
from export.llama.manifest import LlamaParity
from export.llama.runners import open_exported, without_end

PROMPTS = (
    "How often does the pump need oil?",
    "Naïve Übung: what does λ → 0 mean?",
    "Summarise the lease of the allotment in one sentence.",
    "Quote the passage that names the bridge.",
)
NEW_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Gate:
    """What a precision must reach; see `GATES`."""

    greedy: bool
    min_mean_cosine: float


GATES = {
    # The same numbers in another order of additions: every greedy token is the same.
    "fp32": Gate(greedy=True, min_mean_cosine=0.99999),
    # Ten and seven bits of mantissa: a near-tie may fall the other way, the logits hardly move.
    "fp16": Gate(greedy=False, min_mean_cosine=0.999),
    "bf16": Gate(greedy=False, min_mean_cosine=0.995),
    # Four bits a weight in blocks of 32 leave some per cent of noise in each product: 0.972 measured on two layers
    # of seeded weights, which have no redundancy to average it out. Agreement of tokens is told, not gated.
    "int4": Gate(greedy=False, min_mean_cosine=0.95),
}


class ParityError(ConfigurationError):
    """The exported model does not compute what the checkpoint does."""


def check_parity(version: Path, checkpoint: Path, precision: str) -> LlamaParity:
    """Compare the exported model with the checkpoint.

    Loads both: the checkpoint in float32 for fp32 exports, in its own type otherwise.

    Raises:
        ParityError: the tokenizer, the chat template or the model differs by more than the precision explains.
    """
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    prompts = [_prompt(tokenizer, version, question) for question in PROMPTS]
    led = _transformers_answers(checkpoint, prompts, torch.float32 if precision == "fp32" else "auto")
    exported = open_exported(version)
    equal, same, cosines = 0, [], []
    for prompt, (answer, logits) in zip(prompts, led, strict=True):
        equal += exported.greedy(prompt, len(answer)) == without_end(answer, exported.ends)
        found = exported.led_logits(prompt, answer)
        same += list(found.argmax(axis=1) == logits.argmax(axis=1))
        cosines += list(_cosines(found, logits))
    figures = LlamaParity(
        prompts=len(prompts),
        greedy_equal=equal,
        positions=len(same),
        top1_agreement=round(float(np.mean(same)), 4),
        min_cosine=round(float(np.min(cosines)), 6),
        mean_cosine=round(float(np.mean(cosines)), 6),
    )
    judge(figures, precision)
    return figures


def judge(figures: LlamaParity, precision: str) -> None:
    """Raise `ParityError` unless the figures pass the precision's gate."""
    gate = GATES[precision]
    if gate.greedy and figures.greedy_equal < figures.prompts:
        raise ParityError(
            f"Only {figures.greedy_equal} of {figures.prompts} greedy answers equal transformers' token by token."
        )
    if not figures.mean_cosine >= gate.min_mean_cosine:
        raise ParityError(
            f"The logits' mean cosine to transformers' is {figures.mean_cosine}; {precision} has to reach "
            f"{gate.min_mean_cosine}."
        )


def _prompt(tokenizer: Any, version: Path, question: str) -> list[int]:
    """The question through the chat template, by both tokenizers, which must agree."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    wanted: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    exported = genai.Tokenizer(genai.Config(str(version)))
    exported.update_options(add_special_tokens="false")
    found = exported.encode(exported.apply_chat_template(json.dumps(messages), add_generation_prompt=True))
    if list(found) != wanted:
        raise ParityError("The exported tokenizer and chat template give other tokens than transformers.")
    return wanted


def _transformers_answers(
    checkpoint: Path, prompts: list[list[int]], dtype: Any
) -> list[tuple[list[int], NDArray[np.float32]]]:
    """Greedy answers with the logits that chose them, float32 [tokens, vocabulary]."""
    model = AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=dtype, trust_remote_code=False, use_safetensors=True
    ).eval()
    answers = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                output_logits=True,
                return_dict_in_generate=True,
            )
        logits = torch.cat(out.logits).float().numpy()
        answers.append((out.sequences[0, len(prompt) :].tolist(), logits))
    return answers


def _cosines(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    cosines: NDArray[np.float64] = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return cosines
