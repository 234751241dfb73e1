"""Answers by turns: each has a generator of its own, with its own key-value cache, and writes one token a turn.

For the CPU. There the library's Engine batches statically (batches.py), so that a request that comes later waits
for the whole batch to end, and takes no seed; and a generator for several sequences takes none in once it has
begun.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime_genai as genai
from ask import Ask
from language_model import AnswerText, LanguageModel, longest_answer
from scheduler import Progress


class Turns:
    """`scheduler.Engine` of generators.

    Args:
        prefill_tokens: of a prompt, read in one turn: other answers go on between the pieces.
    """

    def __init__(self, model: LanguageModel, *, prefill_tokens: int) -> None:
        self.model = model
        self.prefill_tokens = prefill_tokens

    def open(self) -> None:
        """Nothing is shared between generators."""

    def advance(self) -> None:
        """Nor do they advance together: each does in its turn."""

    def start(self, ask: Ask) -> GeneratedAnswer:
        """Begin an answer.

        Raises:
            ValueError: the prompt cannot be.
        """
        return GeneratedAnswer(self, ask)


class GeneratedAnswer:
    """One answer: `scheduler.Answer`. Its cache is sized for prompt and answer."""

    def __init__(self, turns: Turns, ask: Ask) -> None:
        ids = turns.model.prompt_ids(ask)
        longest = longest_answer(turns.model, ask, len(ids))
        self._prefill_tokens = turns.prefill_tokens
        self._unread = ids
        self._text = AnswerText(turns.model, ask, prompt_tokens=len(ids), max_tokens=longest)
        parameters = genai.GeneratorParams(turns.model.model)
        parameters.set_search_options(**_options(ask, len(ids), longest))
        self._generator = genai.Generator(turns.model.model, parameters)

    def turn(self) -> Progress:
        """See `scheduler.Answer`."""
        if self._unread:
            size = self._prefill_tokens
            piece, self._unread = self._unread[:size], self._unread[size:]
            self._generator.append_tokens(np.array(piece, dtype=np.int32))
            return Progress()
        self._generator.generate_next_token()
        return self._text.add(int(self._generator.get_next_tokens()[0]))

    def close(self) -> None:
        """The cache goes with the generator."""
        del self._generator


def _options(ask: Ask, prompt_tokens: int, longest: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "max_length": prompt_tokens + longest,
        "min_length": prompt_tokens + min(ask.min_tokens, longest),
        "do_sample": ask.temperature > 0,
    }
    if ask.temperature > 0:
        # top_k 0: all tokens take part, as far as top_p lets them.
        options |= {"temperature": ask.temperature, "top_p": ask.top_p, "top_k": 0}
        if ask.seed is not None:
            options["random_seed"] = ask.seed
    return options
