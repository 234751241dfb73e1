"""`trireme ask`: a question in, an answer with citations out, as it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, UrlOption, out, print_json
from cli.files import read_file
from cli.render import citation_lines
from cli.target import HomeOption, open_client
from client.answers import AnswerDelta, AnswerDone
from contracts.api import AnswerRerank

ANSWER_TIMEOUT_S = 90.0


def run(
    question: Annotated[str, typer.Argument(help="The question.")],
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
    """Ask a question and get an answer with citations."""
    picture = read_file(image) if image else None
    with open_client(url, home, timeout_s=ANSWER_TIMEOUT_S) as client:
        if as_json:
            print_json(client.answer(question, image=picture, k=k, rerank=rerank))
            return
        for event in client.stream_answer(question, image=picture, k=k, rerank=rerank):
            if isinstance(event, AnswerDelta):
                out.print(escape(event.text), end="", soft_wrap=True)
            elif isinstance(event, AnswerDone):
                _print_end(event)


def _print_end(done: AnswerDone) -> None:
    response = done.response
    out.print()
    if response.failed_stage:
        out.print(f"[yellow]The answer is partial: the stage '{response.failed_stage}' failed.[/]")
    for line in citation_lines(response.citations):
        out.print(line)
    total_ms = response.timings_ms.get("total", 0.0)
    ranked = " · ranked by a judge" if response.reranked_by == "judge" else ""
    out.print(
        f"[dim]written by {response.generator}{ranked} · "
        f"{response.coverage.answered} of {response.coverage.of} shards · {total_ms:.0f} ms · "
        f"trace {response.trace_id}[/]"
    )
