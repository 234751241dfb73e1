"""Days of last access go along when an index is built from another, or takes its place; they stop nothing."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from rich.markup import escape

from cli.console import err
from cli.index_target import index_target
from contracts.errors import TriremeError
from contracts.generations import Generation


def take_access_along(home: Path | None, kafka: str, source: str, target: Generation) -> None:
    """Carry the days over; where no process of the source can be asked, say so and go on."""
    from stack.generations.access_days import carry_access

    try:
        with ExitStack() as closing:
            shards = index_target(home, generation=source).primaries(closing)
            carry_access([(one.door, one.state.shard) for one in shards], kafka, target)
    except TriremeError as exc:
        err.print(
            f"  [yellow]Days of last access stay behind in {source}[/]: documents count as seen today in "
            f"{target.name}. {escape(exc.message)}"
        )
