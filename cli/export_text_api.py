"""`trireme export text-api`: a text encoder behind an OpenAI-compatible embeddings API, as half of a space."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, err, out, print_json

CHECKOUT = Path(__file__).resolve().parents[1]
REPOSITORY = CHECKOUT / "model_repository"
SAMPLES = CHECKOUT / "samples"


def text_api(
    url: Annotated[str, typer.Argument(help="What comes before /embeddings, such as https://api.openai.com/v1.")],
    model: Annotated[str, typer.Option(help="The model, as the server calls it.")],
    key: Annotated[
        str,
        typer.Option(
            "--key", envvar="TRIREME_TEXT_API_KEY", help="Better by the variable: others see command lines."
        ),
    ] = "",
    dim: Annotated[int | None, typer.Option(help="Width to ask for, where the model can shorten vectors.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Longest text that the model reads, in tokens.")] = 512,
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="The model's tokenizer.json. Without it, every two bytes count as a token."),
    ] = None,
    query_prefix: Annotated[str, typer.Option(help="Words before every question (E5: 'query: ').")] = "",
    passage_prefix: Annotated[str, typer.Option(help="Words before every passage (E5: 'passage: ').")] = "",
    samples: Annotated[Path, typer.Option(help="Texts (.txt, .md) whose mean vector is measured.")] = SAMPLES,
    repository: Annotated[Path, typer.Option(help="Model repository to write into.")] = REPOSITORY,
    make_space: Annotated[
        bool,
        typer.Option("--make-space", help="Make a joint space of it and the present CLIP: a new, empty index."),
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of an earlier description.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let an OpenAI-compatible API embed texts; pictures stay with Triton.

    Asks the server for some vectors and writes down its model's name, width, a probe that tells it from another
    model, and the mean over real texts. URL and key are not kept: every process is told them.

    trireme export text-api https://api.openai.com/v1 --model text-embedding-3-small --max-tokens 8191 --make-space
    """
    # The export environment reads this file as well, and has none of these.
    from pydantic import SecretStr

    from export.text_api import TextApiRequest, describe_text_api

    request = TextApiRequest(
        url=url,
        key=SecretStr(key),
        model=model,
        repository=repository,
        dimensions=dim,
        max_length=max_tokens,
        tokenizer=tokenizer,
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
        samples=samples,
        make_space=make_space,
        replace=replace,
    )
    report = asyncio.run(describe_text_api(request, lambda step: err.print(f"  [dim]… {escape(step)}[/]")))
    if as_json:
        print_json(report)
        return
    out.print(
        f"  [green]✓[/] {escape(report.encoder)}: width {report.dim}, sent as {report.encoding}, "
        f"mean over {report.texts} texts"
    )
    if report.space_id is None:
        out.print("Described. Nothing uses it before a space is made of it: --make-space.")
        return
    out.print(f"The joint space is now {report.space_id}: another one, so the index begins empty. Start with")
    out.print(f"  trireme setup && trireme up --reset --text-api {escape(url)}")
