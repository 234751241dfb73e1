"""What a sentence encoder does with its token vectors, and which words it wants in front: read from its own files.

The files are those of sentence-transformers: `modules.json`, `1_Pooling/config.json`,
`config_sentence_transformers.json`. Their spelling of the pooling has changed once; both are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from export.checkpoints import Checkpoint
from export.text_encoder.checkpoint import CheckpointError

Pooling = Literal["mean", "cls"]

_OLD_SPELLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_HARMLESS_MODULES = ("Transformer", "Pooling", "Normalize")

_E5 = ("query: ", "passage: ")
_BGE = ("Represent this sentence for searching relevant passages: ", "")
_KNOWN_PREFIXES = (
    # Instruction-tuned E5 wants a task in words: none can be guessed.
    (re.compile(r"e5-(?!.*instruct)", re.IGNORECASE), _E5),
    (re.compile(r"bge-(small|base|large)-en", re.IGNORECASE), _BGE),
)
"""Families whose older checkpoints tell their prefixes in the model card only."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Words that the checkpoint was trained to see in front of questions and of passages."""

    query: str
    passage: str


def read_pooling(checkpoint: Checkpoint, asked: Pooling | None = None) -> Pooling:
    """The checkpoint's pooling; `asked` stands in where its files do not say.

    Raises:
        CheckpointError: nobody says, the two contradict each other, or the checkpoint does something else.
    """
    modules = checkpoint.read_json("modules.json") or []
    kinds = [str(each.get("type", "")).rpartition(".")[2] for each in modules]
    if unknown := sorted(set(kinds) - set(_HARMLESS_MODULES)):
        raise CheckpointError(f"'{checkpoint.source}' has a module '{unknown[0]}': that is not supported.")
    folder = next(
        (each["path"] for each, kind in zip(modules, kinds, strict=True) if kind == "Pooling"), "1_Pooling"
    )
    settings = checkpoint.read_json(f"{folder}/config.json")
    if settings is None:
        if asked is None:
            raise CheckpointError(
                f"'{checkpoint.source}' does not say how it pools (it has no {folder}/config.json): give "
                "--pooling mean or --pooling cls, as its model card says."
            )
        return asked
    found = _pooling_of(settings)
    if found not in get_args(Pooling):
        raise CheckpointError(f"'{checkpoint.source}' pools by '{found}'; mean and cls are supported.")
    if asked not in (None, found):
        raise CheckpointError(
            f"'{checkpoint.source}' was trained with {found} pooling, not {asked}: leave --pooling off."
        )
    return "mean" if found == "mean" else "cls"


def read_prefixes(checkpoint: Checkpoint, query: str | None, passage: str | None) -> Prefixes:
    """The prefixes: as asked for, else by the checkpoint's own prompts, else by its family's name, else none."""
    prompts = (checkpoint.read_json("config_sentence_transformers.json") or {}).get("prompts") or {}
    known = next((pair for name, pair in _KNOWN_PREFIXES if name.search(checkpoint.source)), ("", ""))
    own = (
        prompts.get("query") or known[0],
        prompts.get("passage") or prompts.get("document") or known[1],
    )
    return Prefixes(own[0] if query is None else query, own[1] if passage is None else passage)


def _pooling_of(settings: dict[str, Any]) -> str:
    if mode := settings.get("pooling_mode"):
        return "+".join(mode) if isinstance(mode, list) else str(mode)
    switched_on = [name for name, value in settings.items() if name.startswith("pooling_mode_") and value]
    return (
        "+".join(_OLD_SPELLING.get(name, name.removeprefix("pooling_mode_")) for name in switched_on) or "nothing"
    )
