"""`make bench-batch`: documents through the workers, and the same kinds through a Spark job, on one running stack.

    python -m benchmarks.batch [--documents 400] [--notes 4000] [--rounds 2] [--out FILE]

Each run has documents of its own, of which no two share a chunk or a picture. Both ways are timed from the first
document handed in to the last one searchable; the job's time includes the start of Spark.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.batch.spark_job import Job, run_job
from benchmarks.filled_stack import ingest_folder
from benchmarks.index.markdown import table
from benchmarks.ingest.corpus import Source, corpus, notes
from benchmarks.ingest.flow import bring_through
from benchmarks.machine import describe_machine
from benchmarks.questions import read_prose
from stack.embedded import EmbeddedStack
from stack.events import StackEvent
from stack.home import DEFAULT_HOME, StackHome
from stack.options import StackOptions
from stack.running import run_stack

_SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples"
_SEED = 20261127
_TIMEOUT_S = 1800.0


class Bench:
    """Rounds of both ways over one running stack; each round has new documents."""

    def __init__(self, stack: EmbeddedStack, home: Path) -> None:
        self._stack = stack
        self._home = home
        self._seed = _SEED

    async def compare(self, make: Callable[[int], Sequence[Source]], rounds: int) -> list[dict[str, float]]:
        """Figures of every round: seconds by the workers, by the job, and of the job without Spark's start."""
        rows = []
        for _ in range(rounds):
            streamed = await bring_through(self._stack.state, self._new(make), timeout_s=_TIMEOUT_S)
            job = await self._job(self._new(make))
            if streamed.failed or job.failed:
                raise RuntimeError(f"{streamed.failed} and {job.failed} documents failed")
            rows.append(
                {
                    "documents": streamed.documents,
                    "workers_s": streamed.wall_s,
                    "job_s": job.wall_s,
                    "job_batches_s": job.batches_s,
                }
            )
        return rows

    def _new(self, make: Callable[[int], Sequence[Source]]) -> Sequence[Source]:
        self._seed += 1
        return make(self._seed)

    async def _job(self, sources: Sequence[Source]) -> Job:
        with tempfile.TemporaryDirectory(dir=self._home) as folder:
            for source in sources:
                (Path(folder) / source.name).write_bytes(source.data)
            names = [source.name for source in sources]
            return await run_job(self._stack.state, self._home, folder, names, timeout_s=_TIMEOUT_S)


async def run(documents: int, n_notes: int, rounds: int) -> dict[str, Any]:
    """Measure mixed documents and short notes over a stack of their own."""
    result: dict[str, Any] = {"machine": describe_machine()}
    scratch = StackHome(DEFAULT_HOME).run
    scratch.mkdir(parents=True, exist_ok=True)
    prose = read_prose(_SAMPLES)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=scratch) as home:

        async def while_up(stack: EmbeddedStack, _stop: asyncio.Event) -> None:
            await asyncio.to_thread(ingest_folder, stack.state.gateway_url, _SAMPLES)
            bench = Bench(stack, Path(home))
            for name, make in {
                "mixed": lambda seed: corpus(prose, documents, seed),
                "notes": lambda seed: notes(n_notes, seed),
            }.items():
                result[name] = await bench.compare(make, rounds)
                print(json.dumps({name: result[name]}), flush=True)

        await run_stack(StackOptions(home=StackHome(Path(home)), port=0), _tell, while_up)
    return result


def _tell(event: StackEvent) -> None:
    if event.kind in {"died", "given_up"}:
        print(f"{event.name}: {event.kind} {event.detail or ''}")


def _table(result: dict[str, Any]) -> str:
    head = (
        "documents",
        "number",
        "workers, documents/s",
        "job, documents/s",
        "without Spark's start",
        "job / workers",
    )
    return table(head, [_row(name, result[name]) for name in ("mixed", "notes") if name in result])


def _row(name: str, rounds: Sequence[dict[str, float]]) -> list[str]:
    """Medians over the rounds; the ratio is the median of the rounds' own."""

    def rate(seconds: str) -> str:
        return f"{statistics.median(each['documents'] / each[seconds] for each in rounds):.1f}"

    ratio = statistics.median(each["workers_s"] / each["job_s"] for each in rounds)
    n = f"{rounds[0]['documents']:.0f}"
    return [name, n, rate("workers_s"), rate("job_s"), rate("job_batches_s"), f"{ratio:.2f}"]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Documents a second through the workers and through a Spark job.")
    parser.add_argument("--documents", type=int, default=400, help="mixed documents of one run")
    parser.add_argument("--notes", type=int, default=4000, help="short notes of one run")
    parser.add_argument("--rounds", type=int, default=2, help="how often each way is run")
    parser.add_argument("--out", type=Path, default=Path(".trireme/bench/batch.json"), help="where the JSON goes")
    arguments = parser.parse_args()
    result = asyncio.run(run(arguments.documents, arguments.notes, arguments.rounds))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(_table(result))
    print(json.dumps(result["machine"]))


if __name__ == "__main__":
    main()
