"""`make bench-ingest`: documents a second by stage, alone and together, by workers; and what people notice.

    python -m benchmarks.ingest [--documents 400] [--bulk 1000] [--parts alone,whole,people,workers] [--out FILE]

Starts an embedded stack of its own. Every document differs from every other, so that no vector is remembered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.filled_stack import ingest_folder
from benchmarks.index.markdown import table
from benchmarks.ingest.alone import stages_alone
from benchmarks.ingest.corpus import Source, corpus, scans
from benchmarks.ingest.flow import Passage, bring_through
from benchmarks.ingest.more_workers import more_workers
from benchmarks.ingest.people import Searches, Uploads, search_steadily, upload_pictures
from benchmarks.ingest.processors import cpu_seconds, spent
from benchmarks.machine import describe_machine
from benchmarks.questions import questions, read_prose
from stack.embedded import EmbeddedStack
from stack.events import StackEvent
from stack.home import DEFAULT_HOME, StackHome
from stack.layout import TRITON
from stack.options import StackOptions
from stack.running import run_stack

_SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples"
_SEED = 20261126
_PARTS = ("alone", "whole", "people", "workers")
_TIMEOUT_S = 1500.0
_IDLE_UPLOADS = 40
_SEARCHES_PER_S = 4.0


class Bench:
    """The parts of the benchmark over one running stack."""

    def __init__(self, stack: EmbeddedStack, home: Path, *, documents: int, bulk: int) -> None:
        self._stack = stack
        self._home = home
        self._documents = documents
        self._bulk = bulk
        self._prose = read_prose(_SAMPLES)
        self._seed = _SEED

    def _new_documents(self, n: int) -> list[Source]:
        self._seed += 1
        return corpus(self._prose, n, self._seed)

    async def alone(self) -> dict[str, Any]:
        """Each stage by itself."""
        port = self._stack.state.process(TRITON).ports["grpc"]
        sources = self._new_documents(self._documents)
        return {"seconds": await stages_alone(f"127.0.0.1:{port}", str(self._home), sources)}

    async def whole(self) -> dict[str, Any]:
        """All stages together, as a backfill."""
        before = cpu_seconds(self._stack.state)
        passage = await bring_through(
            self._stack.state, self._new_documents(self._documents), timeout_s=_TIMEOUT_S
        )
        cpu = spent(before, cpu_seconds(self._stack.state))
        return {**_figures(passage), "in_stage_s": passage.in_stage_s, "cpu_s": cpu}

    async def workers(self) -> dict[str, Any]:
        """Mixed documents and scans with one and with two of each embedder."""
        runs = {"1 of each: scans": await self._run(self._scans())}
        async with more_workers(self._stack.state, 1, self._home):
            runs["2 of each: mixed"] = await self._run(self._new_documents(self._documents))
            runs["2 of each: scans"] = await self._run(self._scans())
        return runs

    def _scans(self) -> list[Source]:
        self._seed += 1
        return scans(self._prose, max(1, self._documents // 10), self._seed)

    async def _run(self, sources: Sequence[Source]) -> dict[str, Any]:
        return _figures(await bring_through(self._stack.state, sources, timeout_s=_TIMEOUT_S))

    async def people(self) -> dict[str, Any]:
        """Uploads and searches, first with nothing else going on, then during a backfill."""
        url = self._stack.state.gateway_url
        return {
            "idle": await self._meanwhile(url, "idle", None),
            "bulk": await self._meanwhile(url, "bulk", self._bulk),
        }

    async def _meanwhile(self, url: str, name: str, bulk: int | None) -> dict[str, Any]:
        uploads, searches, stop = Uploads(), Searches(), asyncio.Event()
        asked = questions(self._prose, self._seed + (bulk or 0))
        most = _IDLE_UPLOADS if bulk is None else 10**6
        uploading = asyncio.create_task(upload_pictures(url, name, uploads, stop, most=most, pause_s=0.5))
        searching = asyncio.create_task(search_steadily(url, asked, searches, stop, per_s=_SEARCHES_PER_S))
        figures: dict[str, Any] = {}
        try:
            if bulk is None:
                await uploading
            else:
                sources = self._new_documents(bulk)
                figures = _figures(await bring_through(self._stack.state, sources, timeout_s=_TIMEOUT_S))
        finally:
            stop.set()
            await uploading
            await searching
        return {**figures, "uploads": uploads.figures(), "searches": searches.figures()}


def _figures(passage: Passage) -> dict[str, Any]:
    return {
        "documents": passage.documents,
        "pages": passage.pages,
        "wall_s": passage.wall_s,
        "documents_per_s": passage.documents / passage.wall_s,
        "pages_per_s": passage.pages / passage.wall_s,
        "failed": passage.failed,
    }


async def run(parts: Sequence[str], *, documents: int, bulk: int) -> dict[str, Any]:
    """Run parts over a stack of their own."""
    result: dict[str, Any] = {"machine": describe_machine()}
    scratch = StackHome(DEFAULT_HOME).run
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=scratch) as home:

        async def while_up(stack: EmbeddedStack, _stop: asyncio.Event) -> None:
            await asyncio.to_thread(ingest_folder, stack.state.gateway_url, _SAMPLES)
            bench = Bench(stack, Path(home), documents=documents, bulk=bulk)
            for part in parts:
                result[part] = await getattr(bench, part)()
                print(json.dumps({part: result[part]}), flush=True)

        await run_stack(StackOptions(home=StackHome(Path(home)), port=0), _tell, while_up)
    return result


def _tell(event: StackEvent) -> None:
    if event.kind in {"died", "given_up"}:
        print(f"{event.name}: {event.kind} {event.detail or ''}")


def _tables(result: dict[str, Any]) -> str:
    lines: list[str] = []
    if "alone" in result:
        seconds: dict[str, float] = result["alone"]["seconds"]
        total = sum(seconds.values())
        rows = [(name, f"{value:.1f}", f"{value / total:.0%}") for name, value in seconds.items()]
        lines += [table(("stage alone", "s", "share"), [*rows, ("sum", f"{total:.1f}", "")]), ""]
        if "whole" in result:
            wall_s = result["whole"]["wall_s"]
            lines += [f"Together: {wall_s:.1f} s, so {total / wall_s:.2f} of the sum's speed.", ""]
    if "whole" in result:
        cpu: dict[str, float] = result["whole"]["cpu_s"]
        lines += [table(("process", "processor s"), [(name, f"{s:.1f}") for name, s in cpu.items()]), ""]
    rates = [("1 of each: mixed", result["whole"])] if "whole" in result else []
    rates += result.get("workers", {}).items()
    if rates:
        figures_of = [
            (name, f"{r['documents_per_s']:.2f}", f"{r['pages_per_s']:.2f}", f"{r['failed']}") for name, r in rates
        ]
        lines += [table(("run", "documents/s", "pages/s", "failed"), figures_of), ""]
    for name, figures in result.get("people", {}).items():
        for what in ("uploads", "searches"):
            row = [f"{value:.3g}" for value in figures[what].values()]
            lines += [table((f"{name}: {what}", *figures[what]), [("", *row)]), ""]
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="How fast documents become searchable, by stage.")
    parser.add_argument("--documents", type=int, default=400, help="documents of one run")
    parser.add_argument("--bulk", type=int, default=1000, help="documents of the backfill that people work beside")
    parser.add_argument("--parts", default=",".join(_PARTS), help="which parts to run, comma-separated")
    parser.add_argument("--out", type=Path, default=Path(".trireme/bench/ingest.json"), help="where the JSON goes")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if unknown := set(parts) - set(_PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    result = asyncio.run(run(parts, documents=arguments.documents, bulk=arguments.bulk))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(_tables(result))
    print(json.dumps(result["machine"]))


if __name__ == "__main__":
    main()
