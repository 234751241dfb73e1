"""What a chat completion consists of, whoever writes it: an opening, words, a closing."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urljoin

from contracts.api import SearchHit
from contracts.tensors import LLAMA
from gateway.core.citations import Mark
from gateway.core.writing import FinishReason, Piece, Usage
from gateway.flows.answer_events import AnswerEvent, Cited, Delta, Done, Retrieved

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opening:
    """The answer begins.

    Args:
        generator: who writes it.
        extension: what is known before the first word.
    """

    generator: str
    extension: Json | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of the answer as it is written."""

    text: str
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Closing:
    """The answer is written.

    Args:
        content: the whole text, without markers that were found wanting.
        annotations: where `content` cites what, as the protocol has it.
        streamed_annotations: the same for the text as it was streamed.
        extension: what the protocol has no place for.
        consulted_tokens: what the language model read and wrote beside the answer.
    """

    content: str
    finish_reason: FinishReason
    usage: Usage
    annotations: list[Json]
    streamed_annotations: list[Json]
    extension: Json | None = None
    consulted_tokens: int = 0


ChatEvent = Opening | Words | Closing


async def from_model(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[ChatEvent, None]:
    """The language model's own words. Raises what `pieces` raises."""
    yield Opening(LLAMA)
    texts: list[str] = []
    last = Piece("")
    async with aclosing(pieces):
        async for piece in pieces:
            last = piece
            texts.append(piece.text)
            yield Words(piece.text, piece.token_ids)
    yield Closing("".join(texts), last.finish_reason or "stop", last.usage, [], [])


async def from_answer(events: AsyncGenerator[AnswerEvent, None], base_url: str) -> AsyncGenerator[ChatEvent, None]:
    """An answer from the documents.

    Unlike `/v1/answer` this raises when the generator fails: a completion without words would look like an answer.
    """
    async with aclosing(events):
        async for event in events:
            match event:
                case Retrieved(found, generator, searched_for):
                    yield Opening(
                        generator,
                        {"documents": found.hits, "generator": generator, "searched_for": searched_for},
                    )
                case Delta(text):
                    yield Words(text)
                case Cited():
                    pass
                case Done():
                    if event.failure is not None:
                        raise event.failure
                    yield _closing(event, base_url)


def _closing(done: Done, base_url: str) -> Closing:
    response = done.response
    extension = asdict(response)
    del extension["answer"]
    return Closing(
        response.answer,
        done.finish_reason,
        done.usage,
        [_annotation(mark, mark.kept, response.documents, base_url) for mark in done.marks],
        [_annotation(mark, mark.written, response.documents, base_url) for mark in done.marks],
        extension,
        done.consulted_tokens,
    )


def _annotation(mark: Mark, place: tuple[int, int], documents: list[SearchHit], base_url: str) -> Json:
    link = next((hit.document_url for hit in documents if hit.rank == mark.citation.n), None)
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": place[0],
            "end_index": place[1],
            "title": mark.citation.source,
            "url": urljoin(base_url, link or ""),
        },
    }
