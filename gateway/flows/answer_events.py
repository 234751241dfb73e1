"""What an answer consists of, as it comes about: documents, words, citations, the whole."""

from dataclasses import dataclass

from contracts.api import AnswerResponse, Citation, SearchResponse
from contracts.errors import TriremeError
from gateway.core.citations import Mark
from gateway.core.writing import FinishReason, Usage


@dataclass(frozen=True, slots=True)
class Retrieved:
    """First event: the documents that the answer will be drawn from, in the order of the search.

    Args:
        searched_for: the question that they were found with.
    """

    found: SearchResponse
    generator: str
    searched_for: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer as it is written; its citations are not checked yet."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The citations that held."""

    citations: list[Citation]
    dropped: int


@dataclass(frozen=True, slots=True)
class Done:
    """Last event: the whole answer.

    Args:
        marks: the places of the markers that held.
        usage: of the generator.
        failure: why the generator broke off, None when it did not.
        consulted_tokens: what the language model read and wrote beside the answer: to make the question whole, and
            as a judge.
    """

    response: AnswerResponse
    usage: Usage
    finish_reason: FinishReason
    marks: tuple[Mark, ...]
    failure: TriremeError | None
    consulted_tokens: int = 0


AnswerEvent = Retrieved | Delta | Cited | Done
