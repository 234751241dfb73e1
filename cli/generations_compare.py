"""`trireme index generations compare NAME`: does the new index find what the old one finds?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.console import JsonOption, out, print_json
from cli.evaluate import DEPTH, read_queries
from cli.files import read_file
from cli.generations_target import (
    ModelsOption,
    NameArgument,
    deployment,
    known_generations,
    named,
    open_bus,
    serving,
    stand_back,
)
from cli.index_target import KafkaOption, ObjectsOption
from cli.target import HomeOption
from cli.triton_target import TritonOption, address_of
from client.held_out import HeldOutQuery
from contracts.errors import Conflict
from contracts.generations import Generation
from stack.home import CHECKOUT

if TYPE_CHECKING:
    from contracts.search import SearchRequest
    from encoding.encoder import Encoder
    from stack.generations.building import Deployment
    from stack.generations.comparing import Comparison
    from stack.generations.judging import Quality
    from stack.generations.word_queries import Pair

QueriesOption = Annotated[int, typer.Option("--queries", min=1, max=2000, help="How many at most.")]
DepthOption = Annotated[int, typer.Option("-k", min=1, max=100, help="Hits of each.")]
JudgedOption = Annotated[
    Path | None,
    typer.Option(
        "--judged", help="Queries with the document that should come first, as `eval samples` takes them."
    ),
]


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found.

    Args:
        recorded_queries: how many of the queries people have asked.
        quality: of the old and of the new generation; None where there were no judged queries.
    """

    recorded_queries: int
    comparison: Comparison
    quality: tuple[Quality, Quality] | None


def run(
    name: NameArgument,
    against: Annotated[
        str | None, typer.Option("--against", help="Compare with this one; with the one that serves else.")
    ] = None,
    queries: QueriesOption = 100,
    k: DepthOption = 10,
    judged: JudgedOption = None,
    triton: TritonOption = None,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask two generations the searches of the last minute, and see what each finds.

    Where people asked fewer, stored items make up the number: their vectors, or between two spaces words of their
    texts. Recall is measured for each against a full comparison with its own vectors; overlap is the share of the
    old one's hits that the new one finds too. Between two spaces hits are documents.
    """
    stand_back()
    target = deployment(home, kafka, objects, models)
    known = known_generations(target)
    new = named(known, name)
    old = named(known, against) if against else serving(known)
    if old.name == new.name:
        raise Conflict(f"'{name}' serves: name the other one with --against.")
    address = address_of(triton, home) if judged or old.space_id != new.space_id else None
    found = asyncio.run(compared(target, old, new, n_queries=queries, k=k, judged=judged, triton=address))
    if as_json:
        print_json(found)
        return
    tell(found)


async def compared(
    target: Deployment,
    old: Generation,
    new: Generation,
    *,
    n_queries: int,
    k: int,
    judged: Path | None,
    triton: str | None,
) -> Compared:
    """Compare two generations.

    Args:
        triton: address of the server that encodes; needed for two spaces, and for judged queries.

    Raises:
        DependencyFailed, DependencyDown, ...: an index or the models do not answer.
    """
    from stack.generations.comparing import compare
    from stack.generations.judging import quality
    from stack.generations.recorded_queries import recorded_queries, sampled_queries
    from stack.generations.word_queries import asked_again, from_stored_words

    same_space = old.space_id == new.space_id
    asked = await asyncio.to_thread(recorded_queries, target.kafka, target.space_of(old), limit=n_queries)
    async with AsyncExitStack() as parts:
        encoders = await _encoders(parts, target, old, new, triton) if triton else None
        others: list[SearchRequest] | None = None
        if same_space:
            recorded = len(asked)
            if recorded < n_queries:
                limit = n_queries - recorded
                asked += await sampled_queries(target.store, old, target.space_of(old), limit=limit, k=k)
        else:
            assert encoders is not None
            pairs = await asked_again(asked, encoders[1], new, k=k)
            recorded = len(pairs)
            sides = (encoders[0], old), (encoders[1], new)
            pairs += await from_stored_words(target.store, *sides, limit=n_queries - recorded, k=k)
            asked, others = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        bus = await parts.enter_async_context(open_bus(target))
        comparison = await compare(bus, old, new, asked, k=k, in_new_space=others)
        marks = None
        if judged is not None and encoders is not None:
            questions = read_queries(judged)
            both = await _judged_pairs(questions, judged.parent, (encoders[0], old), (encoders[1], new))
            expected = [question.expected for question in questions]
            before = [(pair[0], name) for pair, name in zip(both, expected, strict=True)]
            after = [(pair[1], name) for pair, name in zip(both, expected, strict=True)]
            marks = (await quality(bus, old, before), await quality(bus, new, after))
        return Compared(recorded, comparison, marks)


async def _encoders(
    parts: AsyncExitStack, target: Deployment, old: Generation, new: Generation, triton: str
) -> tuple[Encoder, Encoder]:
    from encoding.encoder import Encoder
    from runtime.triton import TritonClient

    client = TritonClient(triton)
    parts.push_async_callback(client.close)

    def of(generation: Generation) -> Encoder:
        target.space_of(generation)
        part = target.spaces.name_part(generation.space_id)
        return Encoder(client, target.spaces.repository, space_id=part)

    return of(old), of(new)


async def _judged_pairs(
    questions: Sequence[HeldOutQuery],
    folder: Path,
    old: tuple[Encoder, Generation],
    new: tuple[Encoder, Generation],
) -> list[Pair]:
    from stack.generations.word_queries import in_words

    pairs: list[Pair] = []
    for each in questions:
        picture = None
        if each.image:
            beside = folder / each.image
            picture = read_file(beside if beside.is_file() else CHECKOUT / each.image)
        asked = [await in_words(*side, each.query, picture, k=DEPTH) for side in (old, new)]
        pairs.append((asked[0], asked[1]))
    return pairs


def tell(found: Compared) -> None:
    """Print a comparison for people."""
    comparison = found.comparison
    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = ["generation", f"recall@{comparison.k}", "items", "median ms in the slowest shard"]
    if found.quality:
        headings += ["judged queries", "right first", "mean reciprocal rank"]
    for heading in headings:
        table.add_column(heading)
    for place, side in enumerate((comparison.old, comparison.new)):
        row = [side.generation, f"{side.recall:.3f}", str(side.items), f"{side.search_ms:.1f}"]
        if found.quality:
            mark = found.quality[place]
            row += [str(mark.queries), f"{mark.first:.3f}", f"{mark.mean_reciprocal_rank:.3f}"]
        table.add_row(*row)
    out.print(table)
    out.print(
        f"{comparison.compared} queries ({found.recorded_queries} of the last searches): overlap "
        f"{comparison.overlap:.3f} of {comparison.by}s, same first {comparison.by} {comparison.same_first:.3f}, "
        f"unanswered {comparison.unanswered}."
    )
