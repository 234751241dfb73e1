"""`trireme index export FILE`: everything that searches find, with vectors, as one Parquet file."""

from __future__ import annotations

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, err, out, print_json
from cli.index_target import DoorOption, GenerationOption, index_target, spec_of
from cli.target import HomeOption


class Precision(StrEnum):
    """How vectors are written."""

    float16 = "float16"
    float32 = "float32"


def run(
    file: Annotated[Path, typer.Argument(help="Parquet file to write; replaced when it is there.")],
    vectors: Annotated[
        Precision,
        typer.Option("--vectors", help="float16 as they are kept, or the same values as float32."),
    ] = Precision.float16,
    doors: DoorOption = None,
    generation: GenerationOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every document of the index with its vectors into a Parquet file.

    Read from the shards, so it is what searches find; documents that change meanwhile are in it as they were or as
    they are. One row is one item. Originals and pictures stay in the object store.
    """
    from index_service.exchange.parquet import ItemWriter

    elsewhere = "-" if doors else None
    target = index_target(home, doors=doors, kafka=elsewhere, objects=elsewhere, generation=generation)
    with ExitStack() as closing:
        shards = target.primaries(closing)
        with ItemWriter(file, spec_of(shards[0].state), vectors.value) as writer:
            for one in shards:
                err.print(f"  [dim]… shard {one.state.shard}: {one.state.items} items[/]")
                for document in one.door.documents(one.state.shard):
                    writer.write(document)
    if as_json:
        print_json({"file": str(file), "documents": writer.n_documents, "items": writer.n_items})
    else:
        out.print(f"[green]✓[/] {escape(str(file))}: {writer.n_documents} documents, {writer.n_items} items")
