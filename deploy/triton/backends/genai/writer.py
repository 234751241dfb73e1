"""Opens an exported model on its device and chooses how answers are written: by turns, or in batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import onnxruntime_genai as genai
from ask import Ask
from batches import Batches, is_paged, overlay
from language_model import LanguageModel
from scheduler import Answer
from settings import ENGINE, Settings
from turns import Turns

# Written once at loading, so that the first caller does not pay for what is set up on first use.
WARM_UP = Ask(
    messages=None,
    prompt=None,
    input_ids=(1, 1),
    max_tokens=2,
    min_tokens=0,
    temperature=0.0,
    top_p=1.0,
    seed=None,
    stop=(),
)


class Kind(Protocol):
    """A way of writing answers: `scheduler.Engine` that also begins them."""

    def open(self) -> None: ...

    def advance(self) -> None: ...

    def start(self, ask: Ask) -> Answer: ...


class Writer:
    """`scheduler.Engine` that writes a short answer whenever it is opened."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def open(self) -> None:
        """See `scheduler.Engine`."""
        self._kind.open()
        answer = self._kind.start(WARM_UP)
        while not answer.turn().finish_reason:
            self._kind.advance()
        answer.close()

    def advance(self) -> None:
        """See `scheduler.Engine`."""
        self._kind.advance()

    def start(self, ask: Ask) -> Answer:
        """Begin an answer.

        Raises:
            ValueError: what is asked cannot be; the message is for the caller.
        """
        return self._kind.start(ask)


def open_writer(folder: Path, settings: Settings, *, gpu: int | None) -> Writer:
    """Open the model in `folder`; `gpu` is the number of a GPU, None for the CPU.

    Raises:
        ValueError: there is no model, or it cannot run as the settings say.
    """
    if not (folder / "genai_config.json").is_file():
        raise ValueError(f"{folder} holds no exported model: run `trireme export llama`")
    if gpu is not None and not genai.is_cuda_available():
        raise ValueError("KIND_GPU needs onnxruntime-genai-cuda and a GPU")
    described = json.loads((folder / "genai_config.json").read_text())
    if settings.batching != ENGINE:
        if is_paged(described):
            raise ValueError("this model was exported for continuous batching: `batching` must be `engine`")
        model = LanguageModel(folder, threads=settings.intra_op_thread_count, gpu=gpu)
        return Writer(Turns(model, prefill_tokens=settings.prefill_tokens))
    changed = overlay(described, slots=settings.slots, prefill_tokens=settings.prefill_tokens)
    model = LanguageModel(folder, threads=settings.intra_op_thread_count, gpu=gpu, overlay=changed)
    return Writer(Batches(model, slots=settings.slots, takes_seeds=is_paged(described)))
