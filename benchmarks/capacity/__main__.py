"""What a document, an item and a cached answer take up, in every place: constants of `trireme plan`.

    python -m benchmarks.capacity [--documents 400] [--answers 300] [--out FILE]

Starts an embedded stack of its own and hands in documents of which no two share a chunk or a picture.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.capacity.places import answers_in_redis, log_bytes, process_bytes, segment_bytes, store_bytes
from benchmarks.ingest.corpus import corpus
from benchmarks.ingest.flow import bring_through
from benchmarks.machine import describe_machine
from benchmarks.questions import questions, read_prose
from stack.embedded import EmbeddedStack
from stack.events import StackEvent
from stack.home import CHECKOUT, DEFAULT_HOME, StackHome
from stack.options import StackOptions
from stack.running import run_stack

_SEED = 20261127
_TIMEOUT_S = 1500.0


async def measure(documents: int, n_answers: int) -> dict[str, Any]:
    """Figures over a stack of their own; sizes are bytes a document, an item or a process."""
    result: dict[str, Any] = {"machine": describe_machine(), "documents": documents}
    scratch = StackHome(DEFAULT_HOME).run
    scratch.mkdir(parents=True, exist_ok=True)
    prose = read_prose(CHECKOUT / "samples")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=scratch) as folder:
        home = StackHome(Path(folder))

        async def while_up(stack: EmbeddedStack, _stop: asyncio.Event) -> None:
            state = stack.state
            empty = log_bytes(home)
            passage = await bring_through(state, corpus(prose, documents, _SEED), timeout_s=_TIMEOUT_S)
            result["failed"] = passage.failed
            result["log_per_document"] = {
                topic: (size - empty.get(topic, 0)) / documents for topic, size in log_bytes(home).items()
            }
            result["store_per_document"] = {name: size / documents for name, size in store_bytes(home).items()}
            result["processes"] = process_bytes(state)
            result["cached_answer"] = await answers_in_redis(state, questions(prose, _SEED), n_answers)
            result["segments"] = await segment_bytes(state, Path(folder) / "sealed")

        await run_stack(StackOptions(home=home, port=0), _tell, while_up)
    return result


def _tell(event: StackEvent) -> None:
    if event.kind in {"died", "given_up"}:
        print(f"{event.name}: {event.kind} {event.detail or ''}")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="What a document, an item and a cached answer take up.")
    parser.add_argument("--documents", type=int, default=400, help="documents handed in")
    parser.add_argument("--answers", type=int, default=300, help="different questions asked, for the cache")
    parser.add_argument(
        "--out", type=Path, default=Path(".trireme/bench/capacity.json"), help="where the JSON goes"
    )
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments.documents, arguments.answers))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
