"""An exported model, opened by onnxruntime-genai, and the text of one answer.

What writes the tokens is in turns.py and batches.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxruntime_genai as genai
from ask import Ask
from scheduler import Progress
from stops import StopFinder

FINISH_STOP = "stop"
FINISH_LENGTH = "length"


class LanguageModel:
    """A folder that `trireme export llama` wrote: weights, tokenizer and chat template.

    Args:
        threads: that one computation on the CPU uses.
        gpu: number of the GPU to run on; None for the CPU.
        overlay: settings over those of the folder's genai_config.json.
    """

    def __init__(
        self, folder: Path, *, threads: int, gpu: int | None = None, overlay: dict[str, Any] | None = None
    ) -> None:
        described = json.loads((folder / "genai_config.json").read_text())
        config = genai.Config(str(folder))
        config.clear_providers()
        if gpu is not None:
            config.append_provider("cuda")
            config.set_provider_option("cuda", "device_id", str(gpu))
        # A thread that spins while it waits takes the core from the other models of a small machine.
        options = {"intra_op_num_threads": threads, "session.intra_op.allow_spinning": "0"}
        config.overlay(json.dumps({"model": {"decoder": {"session_options": options}}}))
        if overlay:
            config.overlay(json.dumps(overlay))
        self.model = genai.Model(config)
        self.tokenizer = genai.Tokenizer(self.model)
        # Chat templates write the special tokens out; a second beginning-of-text would change the answer.
        self.tokenizer.update_options(add_special_tokens="false")
        self.end_tokens = frozenset(int(each) for each in self.tokenizer.eos_token_ids)
        self.context_tokens = int(described["model"]["context_length"])
        self.vocabulary = int(described["model"]["vocab_size"])

    def prompt_ids(self, ask: Ask) -> list[int]:
        """The tokens of what is asked.

        Raises:
            ValueError: they leave no room for an answer, or are no tokens of this model.
        """
        if ask.input_ids is not None:
            ids = list(ask.input_ids)
        else:
            text = ask.prompt
            if ask.messages is not None:
                text = self.tokenizer.apply_chat_template(ask.messages, add_generation_prompt=True)
            ids = [int(each) for each in self.tokenizer.encode(text)]
        if not ids or not all(0 <= each < self.vocabulary for each in ids):
            raise ValueError("the prompt is empty or holds tokens outside the vocabulary")
        if len(ids) >= self.context_tokens:
            raise ValueError(f"the prompt has {len(ids)} tokens; the context holds {self.context_tokens}")
        return ids


class AnswerText:
    """Turns one answer's tokens into progress: whole characters, cut at a stop text, counted.

    Args:
        prompt_tokens: length of the prompt.
        max_tokens: after which the answer ends.
    """

    def __init__(self, model: LanguageModel, ask: Ask, *, prompt_tokens: int, max_tokens: int) -> None:
        self._end_tokens = model.end_tokens
        self._stream = model.tokenizer.create_stream()
        self._stops = StopFinder(ask.stop)
        self._prompt_tokens = prompt_tokens
        self._max_tokens = max_tokens
        self._written = 0

    def add(self, token: int) -> Progress:
        """The progress that a token brings; the last one if it, or a stop text, ends the answer."""
        self._written += 1
        ended = token in self._end_tokens
        delta = "" if ended else self._stops.feed(self._stream.decode(token))
        reason = ""
        if ended or self._stops.found:
            reason = FINISH_STOP
        elif self._written >= self._max_tokens:
            reason = FINISH_LENGTH
        return self._progress(delta, (token,), reason)

    def finish(self, reason: str) -> Progress:
        """The last progress of an answer that ended without another token."""
        return self._progress("", (), reason)

    def _progress(self, delta: str, tokens: tuple[int, ...], reason: str) -> Progress:
        if reason and not self._stops.found:
            delta += self._stops.rest()
        return Progress(delta, tokens, self._prompt_tokens, self._written, reason)


def longest_answer(model: LanguageModel, ask: Ask, prompt_tokens: int) -> int:
    """Tokens that the answer may have: what was asked for, as far as the context reaches."""
    return min(ask.max_tokens, model.context_tokens - prompt_tokens)
