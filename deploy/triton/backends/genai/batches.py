"""Answers in batches: onnxruntime-genai's Engine computes one token of every answer at once.

A model that was exported for CUDA keeps keys and values in blocks of one pool ("paged"), and the Engine batches it
continuously: answers join and leave between two tokens, and prompts are read in pieces beside them. A model
without blocks is batched statically: an answer that comes later waits for the whole batch to end, one that is
broken off keeps its row until then, and seeds are not taken. https://github.com/microsoft/onnxruntime-genai,
docs/paged_attention_engine.md, release 0.18.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import onnxruntime_genai as genai
from ask import Ask
from language_model import FINISH_LENGTH, FINISH_STOP, AnswerText, LanguageModel, longest_answer
from scheduler import Progress

FLAGS = genai.EngineEventFlags
REASONS = {
    genai.FinishReason.EOS: FINISH_STOP,
    genai.FinishReason.MAX_GENERATED_TOKENS: FINISH_LENGTH,
    genai.FinishReason.MAX_SESSION_TOKENS: FINISH_LENGTH,
}


def overlay(described: dict[str, Any], *, slots: int, prefill_tokens: int) -> dict[str, Any]:
    """Settings of the Engine, over those of a folder's genai_config.json."""
    if not is_paged(described):
        return {"engine": {"static_batching": {"max_batch_size": slots}}}
    # The chunk bounds one prompt's share of a step, so that answers go on while a long prompt is read.
    return {
        "engine": {"dynamic_batching": {"max_batch_size": slots}},
        "search": {"chunk_size": prefill_tokens},
    }


def is_paged(described: dict[str, Any]) -> bool:
    """Whether a model was exported for continuous batching."""
    return bool(described.get("engine", {}).get("dynamic_batching"))


class Batches:
    """`scheduler.Engine` around the library's.

    Args:
        slots: answers in one batch.
        takes_seeds: whether the batches are continuous.
    """

    def __init__(self, model: LanguageModel, *, slots: int, takes_seeds: bool) -> None:
        self.model = model
        self.takes_seeds = takes_seeds
        self._slots = slots
        self._begun = 0
        self._writing: dict[Any, BatchedAnswer] = {}
        self._displaced: list[BatchedAnswer] = []
        self._has_room = False

    def open(self) -> None:
        """Make the Engine, which belongs to the thread that makes it, or an empty one in its place."""
        self._writing, self._displaced = {}, []
        self.engine: Any = None
        self.engine = genai.Engine(self.model.model)
        self._events = self.engine.create_event_buffer(2 * self._slots)
        # Where the cache holds less than the context, it is the limit; 0 where there is no cache in blocks.
        most = self.engine.get_capabilities().max_request_length or self.model.context_tokens
        self.model.context_tokens = min(self.model.context_tokens, most)

    def advance(self) -> None:
        """Compute one step of all answers and hand them their events.

        Raises:
            RuntimeError: the Engine is broken; all its answers are lost.
        """
        if self._has_room:
            self._take_up_displaced()
        if not self.engine.has_pending_requests():
            return
        for event in self.engine.run(self._events):
            if event.flags & FLAGS.CAPACITY_BLOCKED:
                self._make_room()
            elif event.flags & FLAGS.RETRYABLE and not event.flags & FLAGS.FAILED:
                # Nothing has happened; the next step tries again.
                continue
            elif event.request is None:
                raise RuntimeError(f"the engine failed: {event.error_code.name}")
            else:
                self._writing[event.request].take(event)

    def start(self, ask: Ask) -> BatchedAnswer:
        """Begin an answer.

        Raises:
            ValueError: the prompt cannot be, or a seed was given where none is taken.
        """
        if ask.seed is not None and ask.temperature > 0 and not self.takes_seeds:
            raise ValueError("seeds are not taken here: the engine batches this model statically")
        self._begun += 1
        answer = BatchedAnswer(self, ask, number=self._begun)
        self._put_in(answer)
        return answer

    def leave(self, answer: BatchedAnswer) -> None:
        """Take an answer out of the batch; its blocks are free at once."""
        self._take_out(answer)
        if answer in self._displaced:
            self._displaced.remove(answer)
        self._has_room = True

    def _make_room(self) -> None:
        """Nobody can go on, because everybody waits for blocks that others hold: the last to come gives way.

        The library leaves this to its caller. The answer is taken up again, its text so far read as prompt, when
        another has left; the oldest is never displaced, so that all come to their end.
        """
        last = max(self._writing.values(), key=lambda answer: answer.number)
        if len(self._writing) == 1:
            last.fail(RuntimeError("the key-value cache has no room for this answer"))
            return
        self._take_out(last)
        self._displaced.append(last)

    def _take_up_displaced(self) -> None:
        self._has_room = False
        waiting, self._displaced = self._displaced, []
        for each in waiting:
            self._put_in(each)

    def _put_in(self, answer: BatchedAnswer) -> None:
        self._writing[answer.begin(self.engine)] = answer

    def _take_out(self, answer: BatchedAnswer) -> None:
        if self._writing.pop(answer.request, None) is not None:
            answer.request.close()


class BatchedAnswer:
    """One answer: `scheduler.Answer`.

    Args:
        number: the how-manieth it is.
    """

    def __init__(self, batches: Batches, ask: Ask, *, number: int) -> None:
        ids = batches.model.prompt_ids(ask)
        self.number = number
        self.request: Any = None
        self._batches = batches
        self._ask = ask
        self._tokens = ids
        self._end = len(ids) + longest_answer(batches.model, ask, len(ids))
        self._text = AnswerText(batches.model, ask, prompt_tokens=len(ids), max_tokens=self._end - len(ids))
        self._min_end = min(len(ids) + ask.min_tokens, self._end)
        self._brought: deque[Progress | Exception] = deque()

    def begin(self, engine: Any) -> Any:
        """Ask the engine for the tokens that are still to come; returns its request."""
        limits = genai.RequestOptions()
        limits.set_max_session_tokens(self._end)
        self.request = engine.create_request(options=limits)
        options = genai.TurnOptions(self.request)
        options.set_max_generated_tokens(self._end - len(self._tokens))
        options.set_min_generated_tokens(max(self._min_end - len(self._tokens), 0))
        options.set_do_sample(self._ask.temperature > 0)
        if self._ask.temperature > 0:
            options.set_temperature(self._ask.temperature)
            options.set_top_p(self._ask.top_p)
            # All tokens take part, as far as top_p lets them.
            options.set_top_k(0)
            if self._ask.seed is not None:
                options.set_seed(self._ask.seed)
        self.request.begin_turn(np.array(self._tokens, dtype=np.int32), options)
        return self.request

    def take(self, event: Any) -> None:
        """Note what a step brought: a token, with which a limit may be reached, or an end without one."""
        if event.flags & FLAGS.FAILED:
            self.fail(RuntimeError(f"the engine lost this answer: {event.error_code.name}"))
        elif event.flags & FLAGS.TOKEN:
            self._tokens.append(int(event.token))
            self._brought.append(self._text.add(int(event.token)))
        elif event.flags & FLAGS.TURN_FINISHED:
            self._brought.append(self._text.finish(REASONS[event.finish_reason]))

    def fail(self, error: Exception) -> None:
        """End the answer with an error, in its next turn."""
        self._brought.append(error)

    def turn(self) -> Progress:
        """See `scheduler.Answer`: hands out what the last step brought, or nothing."""
        brought = self._brought.popleft() if self._brought else Progress()
        if isinstance(brought, Exception):
            raise brought
        return brought

    def close(self) -> None:
        """See `scheduler.Answer`."""
        self._batches.leave(self)
