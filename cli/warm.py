"""`trireme warm`: asks a file of questions, so that the cache knows their answers before people ask."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.markup import escape
from rich.progress import Progress

from cli.console import JsonOption, UrlOption, err, out, print_json
from cli.files import read_file
from cli.target import HomeOption, open_client
from client.client import TriremeClient
from contracts.errors import InvalidInput, Overloaded, TriremeError
from contracts.search import Filter
from gateway.core.cache_key import CACHED_K

Outcome = Literal["kept", "known", "partial"]

_TRIES = 4
_LONGEST_PAUSE_S = 5.0
_SHOWN_ERRORS = 5


class WarmQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One question. Fields beside these are passed over, so that a file for `trireme eval` serves as well.

    Args:
        query: words. image: path of a picture, beside the file.
        k: hits; answers with more than ten are never cached.
    """

    query: str | None = None
    image: str | None = None
    k: int = 10
    collections: tuple[str, ...] | None = None


def run(
    file: Annotated[
        Path, typer.Argument(help='Questions, one a line: plain words, or JSON such as {"query": "...", "k": 10}.')
    ],
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=32, help="Questions under way at a time.")] = 4,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask every question of a file once. Exit status 1 when one of them failed.

    Answers stay fresh for five minutes (TRIREME_CACHE_FRESH_S), and are kept a day for when the index is away.
    Warm yesterday's most asked questions after a cut-over or a restart of Redis.
    """
    queries = read_queries(read_file(file))
    began = time.monotonic()
    counts: Counter[str] = Counter()
    errors: list[str] = []
    with (
        open_client(url, home) as client,
        ThreadPoolExecutor(at_once) as pool,
        Progress(console=err, transient=True) as bar,
    ):
        line = bar.add_task("questions", total=len(queries))

        def ask(numbered: tuple[int, WarmQuery]) -> None:
            number, query = numbered
            try:
                counts[_ask(client, query, file.parent)] += 1
            except TriremeError as error:
                counts["failed"] += 1
                errors.append(f"line {number}: {error.message}")
            bar.advance(line)

        list(pool.map(ask, queries))
    summary: dict[str, Any] = {
        "questions": len(queries),
        **{outcome: counts[outcome] for outcome in ("kept", "known", "partial", "failed")},
        "seconds": round(time.monotonic() - began, 1),
    }
    if as_json:
        print_json({**summary, "errors": sorted(errors)})
    else:
        out.print(", ".join(f"{name} {value}" for name, value in summary.items()))
        for each in sorted(errors)[:_SHOWN_ERRORS]:
            err.print(f"[red]✗[/] {escape(each)}")
    if errors:
        raise typer.Exit(1)


def read_queries(data: bytes) -> Sequence[tuple[int, WarmQuery]]:
    """Questions with the numbers of their lines; empty lines and those that begin with '#' are passed over.

    Raises:
        InvalidInput: a line that begins like JSON is none, or asks for nothing; names it.
    """
    found: list[tuple[int, WarmQuery]] = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            query = msgspec.json.decode(text, type=WarmQuery) if text.startswith("{") else WarmQuery(query=text)
        except (msgspec.DecodeError, msgspec.ValidationError) as exc:
            raise InvalidInput(f"Line {number} is no question: {exc}.") from exc
        if not (query.query or query.image):
            raise InvalidInput(f"Line {number} asks for nothing: it needs a query, an image, or both.")
        if not 1 <= query.k <= CACHED_K:
            raise InvalidInput(f"Line {number} asks for {query.k} hits; answers of 1 to {CACHED_K} are cached.")
        found.append((number, query))
    if not found:
        raise InvalidInput("The file holds no questions.")
    return found


def _ask(client: TriremeClient, query: WarmQuery, folder: Path) -> Outcome:
    image = read_file(folder / query.image) if query.image else None
    wanted = Filter(collections=query.collections) if query.collections else None
    for tries_left in reversed(range(_TRIES)):
        try:
            response = client.search(query.query, image=image, k=query.k, filter=wanted)
        except Overloaded as busy:
            if not tries_left:
                raise
            time.sleep(min(busy.retry_after_s, _LONGEST_PAUSE_S))
            continue
        if response.served_by == "cache":
            return "known"
        # What is not whole, or has no hits, is not cached.
        return "partial" if response.degraded or not response.hits else "kept"
    raise AssertionError("unreachable")
