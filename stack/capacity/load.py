"""What a deployment shall hold and bear: the input of a plan, and the answer's shape."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from contracts.errors import InvalidInput
from index_service.kinds.parameters import IndexParameters

_DAY_S = 86_400
_LEAST, _MOST = 1_000, 10**10


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a deployment.

    Args:
        items: rows of the joint index: chunks of text and pictures.
        dim: width of a joint vector; both halves together.
        shards: shards of the generation, one process each.
        items_per_document: how many items a document has on average.
        documents_per_day: new and changed documents on an average day.
        busy: how many times the average day's rate the busiest hour brings, for documents and searches alike.
        searches_per_s: in the busiest second, cached ones left out.
        answers_per_s: answers written by a language model in the busiest second.
        answer_tokens: tokens of an answer.
        cached_answers: answers that Redis holds at once.
        log_copies: replicas of a Kafka partition.
        used: share of a processor that is planned to be busy.
        gpu: shards search on a GPU each.

    Raises:
        InvalidInput: a number makes no sense.
    """

    items: int
    items_per_document: float
    dim: int = 768
    shards: int = 3
    documents_per_day: float = 10_000
    busy: float = 4
    searches_per_s: float = 50
    answers_per_s: float = 0
    answer_tokens: int = 200
    cached_answers: int = 100_000
    log_copies: int = 3
    used: float = 0.6
    gpu: bool = False
    index: IndexParameters = field(default_factory=IndexParameters)

    def __post_init__(self) -> None:
        if not _LEAST <= self.items <= _MOST:
            raise InvalidInput(f"Plans are for {_LEAST:,} to {_MOST:,} items, not {self.items:,}.")
        positive = {
            "dimensions": self.dim,
            "shards": self.shards,
            "items per document": self.items_per_document,
            "busy": self.busy,
            "log copies": self.log_copies,
            "answer tokens": self.answer_tokens,
        }
        if wrong := [name for name, value in positive.items() if not value > 0]:
            raise InvalidInput(f"Must be more than 0: {', '.join(wrong)}.")
        rates = (self.documents_per_day, self.searches_per_s, self.answers_per_s, self.cached_answers)
        if any(rate < 0 for rate in rates):
            raise InvalidInput("Rates and numbers cannot be less than 0.")
        if not 0 < self.used <= 1:
            raise InvalidInput("The share of a processor that is used is more than 0 and at most 1.")

    @property
    def documents(self) -> int:
        """Documents that the items belong to."""
        return math.ceil(self.items / self.items_per_document)

    @property
    def rows(self) -> int:
        """Rows of one shard."""
        return math.ceil(self.items / self.shards)

    @property
    def documents_per_s(self) -> float:
        """Documents a second in the busiest hour."""
        return self.documents_per_day * self.busy / _DAY_S


@dataclass(frozen=True, slots=True)
class Need:
    """One line of a plan.

    Args:
        part: what needs it: "index", "log", "workers" and so on.
        name: what it is.
        amount: in `unit`: "bytes", "cores", "GPUs", "seconds", "partitions", "a second" or "" for plain numbers.
        formula: how it was computed, in words and the names of other lines.
    """

    part: str
    name: str
    amount: float
    unit: str
    formula: str
