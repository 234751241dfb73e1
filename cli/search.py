"""`trireme search`: words, pictures, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import JsonOption, UrlOption, out, print_json
from cli.files import read_file
from cli.render import hits_table, search_summary
from cli.target import HomeOption, open_client
from contracts.errors import InvalidInput
from contracts.joint import Weights
from contracts.search import MAX_K, Filter

WEIGHTS_HELP = "Weights text-text,text-image,image-image and, if a fourth is given, lexical, such as 1,1,1,0.3."


def run(
    query: Annotated[str | None, typer.Argument(help="What to search for.")] = None,
    image: Annotated[
        list[Path] | None, typer.Option("--image", "-i", help="A picture to search with; repeatable.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=MAX_K, help="Number of hits.")] = 10,
    by_document: Annotated[
        bool, typer.Option("--by-document", help="One hit of each document; -k counts documents.")
    ] = False,
    weights: Annotated[str | None, typer.Option("--weights", help=WEIGHTS_HELP)] = None,
    collection: Annotated[list[str] | None, typer.Option("--collection", help="Only there; repeatable.")] = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search with words, pictures, or both."""
    if not query and not image:
        raise InvalidInput("Give words to search for, a picture with --image, or both.")
    pictures = [read_file(each) for each in image or ()]
    with open_client(url, home) as client:
        response = client.search(
            query,
            image=pictures,
            by_document=by_document,
            k=k,
            weights=parse_weights(weights) if weights else None,
            filter=Filter(collections=tuple(collection)) if collection else None,
        )
    if as_json:
        print_json(response)
        return
    out.print(hits_table(response) if response.hits else "No hits.")
    out.print(search_summary(response))


def parse_weights(text: str) -> Weights:
    """Weights from "tt,ti,ii" or "tt,ti,ii,lexical".

    Raises:
        InvalidInput: not three or four numbers.
    """
    try:
        text_text, text_image, image_image, *lexical = (float(part) for part in text.split(","))
        return Weights(text_text, text_image, image_image, *lexical)
    except (ValueError, TypeError):
        raise InvalidInput(
            "Weights are three or four numbers with commas between them, such as 1,1,1 or 1,1,1,0.3."
        ) from None
