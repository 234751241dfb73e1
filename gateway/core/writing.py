"""What is asked of a language model, and what it writes, piece by piece. Knows no model and no protocol."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as a chat template takes it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How an answer is written.

    Args:
        max_tokens: longest answer; None leaves it to whoever writes.
        temperature: 0 takes the likeliest token.
        top_p: above 0, at most 1.
        seed: 0 to 2^31 - 1; None draws one.
        stop: texts that end the answer and do not belong to it.
    """

    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens so far, as the model that writes counts them; none where no model ran."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer.

    Args:
        text: whole characters; may be empty, while a model holds back what may become a stop text.
        token_ids: the tokens since the last piece; empty where no model with tokens writes.
        finish_reason: why the answer ended, in its last piece only: by itself or at a stop text, or at its limit.
    """

    text: str
    usage: Usage = Usage()
    token_ids: tuple[int, ...] = ()
    finish_reason: FinishReason | None = None
