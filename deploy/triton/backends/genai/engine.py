"""onnxruntime-genai: one model, one tokenizer, and a generator with its own key-value cache for each answer.

On the CPU the library's own Engine batches statically (a request that comes later waits for the whole batch to
end, and it takes neither seeds nor stop texts); its continuous batching needs paged attention, which exists for
CUDA only. So every answer has its own generator here, and the scheduler gives them turns.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime_genai as genai
from ask import Ask
from scheduler import Progress
from stops import StopFinder

FINISH_STOP = "stop"
FINISH_LENGTH = "length"


class Engine:
    """An exported model folder, opened.

    Args:
        threads: that one token's computation uses.
        prefill_tokens: of a prompt, read in one turn: other answers go on between the pieces.
    """

    def __init__(self, folder: Path, *, threads: int, prefill_tokens: int) -> None:
        config = genai.Config(str(folder))
        # A thread that spins while it waits takes the core from the other models of a small machine.
        options = {"intra_op_num_threads": threads, "session.intra_op.allow_spinning": "0"}
        config.overlay(json.dumps({"model": {"decoder": {"session_options": options}}}))
        self.model = genai.Model(config)
        self.tokenizer = genai.Tokenizer(self.model)
        # Chat templates write the special tokens out; a second beginning-of-text would change the answer.
        self.tokenizer.update_options(add_special_tokens="false")
        self.end_tokens = frozenset(int(each) for each in self.tokenizer.eos_token_ids)
        self.prefill_tokens = prefill_tokens
        described = json.loads((folder / "genai_config.json").read_text())["model"]
        self.context_tokens = int(described["context_length"])
        self.vocabulary = int(described["vocab_size"])

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


class EngineAnswer:
    """One answer: `scheduler.Answer`. Its cache is sized for prompt and answer, and goes when this object goes."""

    def __init__(self, engine: Engine, ask: Ask) -> None:
        ids = engine.prompt_ids(ask)
        self._engine = engine
        self._unread = ids
        self._prompt_tokens = len(ids)
        self._max_tokens = min(ask.max_tokens, engine.context_tokens - len(ids))
        self._written = 0
        self._text = engine.tokenizer.create_stream()
        self._stops = StopFinder(ask.stop)
        self._generator = genai.Generator(engine.model, self._parameters(ask))

    def turn(self) -> Progress:
        """See `scheduler.Answer`."""
        if self._unread:
            size = self._engine.prefill_tokens
            piece, self._unread = self._unread[:size], self._unread[size:]
            self._generator.append_tokens(np.array(piece, dtype=np.int32))
            return Progress()
        self._generator.generate_next_token()
        token = int(self._generator.get_next_tokens()[0])
        self._written += 1
        ended = token in self._engine.end_tokens
        delta = "" if ended else self._stops.feed(self._text.decode(token))
        reason = self._finish_reason(ended)
        if reason and not self._stops.found:
            delta += self._stops.rest()
        return Progress(delta, (token,), self._prompt_tokens, self._written, reason)

    def _finish_reason(self, ended: bool) -> str:
        if ended or self._stops.found:
            return FINISH_STOP
        return FINISH_LENGTH if self._written >= self._max_tokens or self._generator.is_done() else ""

    def _parameters(self, ask: Ask) -> Any:
        options: dict[str, Any] = {
            "max_length": self._prompt_tokens + self._max_tokens,
            "min_length": self._prompt_tokens + min(ask.min_tokens, self._max_tokens),
            "do_sample": ask.temperature > 0,
        }
        if ask.temperature > 0:
            # top_k 0: all tokens take part, as far as top_p lets them.
            options |= {"temperature": ask.temperature, "top_p": ask.top_p, "top_k": 0}
            if ask.seed is not None:
                options["random_seed"] = ask.seed
        parameters = genai.GeneratorParams(self._engine.model)
        parameters.set_search_options(**options)
        return parameters
