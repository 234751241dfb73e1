"""`trireme ask`: a question in, an answer with citations out, as it is written; or a conversation of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, UrlOption, is_interactive, out, print_json
from cli.files import read_file
from cli.render import citation_lines
from cli.target import HomeOption, open_client
from client.answers import AnswerDelta, AnswerDone
from client.client import TriremeClient
from client.queries import Turn
from contracts.api import AnswerRerank, AnswerResponse
from contracts.errors import DependencyDown

ANSWER_TIMEOUT_S = 90.0
# What a gateway takes, with some room.
_MOST_TURNS = 100


def run(
    question: Annotated[
        str | None,
        typer.Argument(help="The question. Without one: a conversation, a question a line, until an empty line."),
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", "-i", help="A picture that belongs to it.")] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, max=50, help="Number of documents to draw from; 10 by default, 24 for a judge."),
    ] = None,
    rerank: Annotated[
        AnswerRerank | None,
        typer.Option(
            help="What orders the documents before the first are read: 'score' (how close they are, the default), "
            "or 'judge': the language model is asked once which of them help most."
        ),
    ] = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a question and get an answer with citations.

    In a conversation a question may point back ("And of a cello?"): a language model, where one is loaded, makes
    it whole before the documents are searched.
    """
    picture = read_file(image) if image else None
    with open_client(url, home, timeout_s=ANSWER_TIMEOUT_S) as client:
        asking = _Asking(client, picture, k, rerank, as_json)
        if question is not None:
            asking.ask(question, [])
            return
        said: list[Turn] = []
        for follow_up in _lines():
            response = asking.ask(follow_up, said)
            said = [*said, Turn("user", follow_up), Turn("assistant", response.answer)][-_MOST_TURNS:]


@dataclass(frozen=True, slots=True)
class _Asking:
    """How questions are put, and their answers printed."""

    client: TriremeClient
    picture: bytes | None
    k: int | None
    rerank: AnswerRerank | None
    as_json: bool

    def ask(self, question: str, said: list[Turn]) -> AnswerResponse:
        """Ask, print, and return what came."""
        if self.as_json:
            response = self.client.answer(
                question, image=self.picture, k=self.k, rerank=self.rerank, conversation=said
            )
            print_json(response)
            return response
        for event in self.client.stream_answer(
            question, image=self.picture, k=self.k, rerank=self.rerank, conversation=said
        ):
            if isinstance(event, AnswerDelta):
                out.print(escape(event.text), end="", soft_wrap=True)
            elif isinstance(event, AnswerDone):
                _print_end(question, event.response)
                return event.response
        raise DependencyDown("gateway", "The gateway broke the answer off.")


def _lines() -> Iterator[str]:
    """Questions as they are typed or piped in."""
    while True:
        try:
            line = out.input("[bold cyan]?[/] " if is_interactive() else "").strip()
        except EOFError:
            return
        if not line:
            return
        yield line


def _print_end(question: str, response: AnswerResponse) -> None:
    out.print()
    if response.failed_stage:
        out.print(f"[yellow]The answer is partial: the stage '{response.failed_stage}' failed.[/]")
    for line in citation_lines(response.citations):
        out.print(line)
    total_ms = response.timings_ms.get("total", 0.0)
    ranked = " · ranked by a judge" if response.reranked_by == "judge" else ""
    if response.searched_for not in {"", question}:
        out.print(f"[dim]searched for: {escape(response.searched_for)}[/]")
    out.print(
        f"[dim]written by {response.generator}{ranked} · "
        f"{response.coverage.answered} of {response.coverage.of} shards · {total_ms:.0f} ms · "
        f"trace {response.trace_id}[/]"
    )
