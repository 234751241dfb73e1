"""`make bench-gateway`: latency against load, Kafka against a direct call, and the gateway's own cost.

    python -m benchmarks.gateway [--parts load,kafka,own] [--searches 1000] [--seconds 20] [--out result.json]

It starts an embedded stack of its own and ingests samples/. Beyond the capacity `benchmarks.overload` goes on.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.filled_stack import with_filled_stack_state
from benchmarks.gateway import tables
from benchmarks.gateway.direct import measure_ways
from benchmarks.gateway.offered import LOADS, against_load, capacity
from benchmarks.gateway.own import measure_own
from benchmarks.machine import describe_machine
from benchmarks.questions import questions, read_prose
from stack.state import StackState

_CHECKOUT = Path(__file__).resolve().parent.parent.parent
_PARTS = ("load", "kafka", "own")
_SEED = 20261127
_ROUNDS = 5


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    """Run the parts that were asked for, one after the other, against one stack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(_PARTS), help="which, with commas between them")
    parser.add_argument("--searches", type=int, default=1000, help="of each measurement")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load")
    parser.add_argument("--rows", type=int, default=30_000, help="items in the shards that are asked both ways")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    given = parser.parse_args()
    parts = given.parts.split(",")
    if unknown := [part for part in parts if part not in _PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(_PARTS)}")
    console = Console(width=max(130, Console().width))

    async def measure(state: StackState) -> None:
        told: dict[str, Any] = {"machine": describe_machine()}
        asked = questions(read_prose(_CHECKOUT / "samples"), _SEED)
        if "load" in parts:
            closed = await capacity(state.gateway_url, asked, searches=given.searches)
            per_s = closed.row()["per_s"]
            _say(f"capacity: {per_s:.1f}/s")
            rows = await against_load(
                state.gateway_url, asked, [load * per_s for load in LOADS], seconds=given.seconds
            )
            told["load"] = {
                "closed_loop": closed.row(),
                "open_loop": [{"offered_per_s": offered, **sample.row()} for offered, sample in rows],
            }
            console.print(tables.load(closed, rows))
        if "kafka" in parts:
            ways = await measure_ways(
                state.kafka_bootstrap, rows=given.rows, searches=given.searches, rounds=_ROUNDS, say=_say
            )
            told["kafka"] = [dataclasses.asdict(row) for row in ways]
            console.print(tables.ways(ways))
        if "own" in parts:
            own = await measure_own(state, asked, searches=given.searches, rounds=_ROUNDS)
            told["own"] = dataclasses.asdict(own) | {"of_bare": own.of_bare}
            console.print(tables.own(own))
        console.print(f"[dim]{json.dumps(told['machine'])}[/]", soft_wrap=True)
        if given.out:
            given.out.write_text(json.dumps(told, indent=2) + "\n")

    asyncio.run(with_filled_stack_state(_CHECKOUT / "samples", measure))


if __name__ == "__main__":
    main()
