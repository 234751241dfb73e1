"""Tokens a second of an exported `llama`, streamed from the embedded Triton, with its memory.

    python -m benchmarks.language_model FOLDER/llama/1 [--streams 1 2 4] [--tokens 64] [--config cuda]

Starts a server of its own with that version and the checked-in configuration. The load is fixed: so many streams
at once, each of one answer of `--tokens` tokens to its own prompt of `--prompt` tokens, drawn by seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine
from contracts.errors import ConfigurationError
from contracts.tensors import LLAMA
from runtime.triton import TritonClient
from stack.child import start_child
from stack.memory import resident_bytes
from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.triton import TritonPorts, assemble_backends, triton_spec
from stack.setup_paths import SetupPaths

PATHS = SetupPaths()
SEED = 20261125
RESPONSE_TIMEOUT_S = 300.0
POLL_S = 0.2


@contextmanager
def server_of(version: Path, config: str) -> Iterator[ProcessSpec]:
    """A server with that version alone, in a folder that is deleted again."""
    named = Path("config.pbtxt") if config == "cpu" else Path("configs") / f"{config}.pbtxt"
    with tempfile.TemporaryDirectory(prefix="trireme-llama-") as folder:
        model = Path(folder) / "repository" / LLAMA
        model.mkdir(parents=True)
        (model / "1").symlink_to(version.resolve())
        (model / "config.pbtxt").write_text((PATHS.repository / LLAMA / named).read_text())
        yield triton_spec(
            environment=PATHS.serving,
            repository=model.parent,
            backends=assemble_backends(PATHS.serving, PATHS.own_backends, Path(folder) / "backends"),
            run_dir=Path(folder),
            ports=TritonPorts(*free_ports(3)),
        )


async def measure(spec: ProcessSpec, arguments: argparse.Namespace, vocabulary: int) -> dict[str, Any]:
    """Start the server, run every load, stop it.

    Raises:
        ConfigurationError: the server does not come up; its log is told.
    """
    assert spec.ready is not None
    log = spec.cwd / "log"
    began_s = time.perf_counter()
    child = await start_child(spec, log)
    try:
        while not await spec.ready():
            if child.process.returncode is not None or time.perf_counter() - began_s > RESPONSE_TIMEOUT_S:
                raise ConfigurationError(f"The server did not load the model:\n{log.read_text()[-2000:]}")
            await asyncio.sleep(POLL_S)
        loaded_s = time.perf_counter() - began_s
        client = TritonClient(f"127.0.0.1:{spec.ports['grpc']}")
        loaded_bytes = resident_bytes(child.pid) or 0
        rows = [await run(client, streams, arguments, vocabulary) for streams in arguments.streams]
        used_bytes = resident_bytes(child.pid) or 0
        await client.close()
    finally:
        await child.stop()
    return {
        "machine": describe_machine(),
        "loaded_s": round(loaded_s, 1),
        "loaded_gb": round(loaded_bytes / 1e9, 2),
        "after_load_gb": round(used_bytes / 1e9, 2),
        "prompt_tokens": arguments.prompt,
        "answer_tokens": arguments.tokens,
        "rows": rows,
    }


async def run(
    client: TritonClient, streams: int, arguments: argparse.Namespace, vocabulary: int
) -> dict[str, float]:
    """One load: all streams at once. Times are seconds; a stream's rate counts from its first token."""
    drawn = random.Random(SEED)
    # The lower half of a vocabulary holds no special tokens.
    prompts = [[drawn.randrange(vocabulary // 2) for _ in range(arguments.prompt)] for _ in range(streams)]
    began_s = time.perf_counter()
    answers = await asyncio.gather(*(read(client, prompt, arguments.tokens) for prompt in prompts))
    took_s = time.perf_counter() - began_s
    tokens = sum(count for _, _, count in answers)
    rates = [(count - 1) / (last - first) for first, last, count in answers if count > 1]
    return {
        "streams": streams,
        "first_token_s": round(statistics.median(first - began_s for first, _, _ in answers), 3),
        "tokens_per_s_each": round(statistics.median(rates), 2),
        "tokens_per_s_all": round(tokens / took_s, 2),
    }


async def read(client: TritonClient, prompt: list[int], tokens: int) -> tuple[float, float, int]:
    """When the first and the last token of an answer came, and how many there were."""
    asked: dict[str, NDArray[Any]] = {
        "input_ids": np.array(prompt, dtype=np.int64),
        "max_tokens": np.array([tokens], dtype=np.int32),
        "min_tokens": np.array([tokens], dtype=np.int32),
    }
    came_s: list[float] = []
    async for response in client.stream(LLAMA, asked, first_timeout_s=RESPONSE_TIMEOUT_S):
        came_s += [time.perf_counter()] * len(response["token_ids"])
    return came_s[0], came_s[-1], len(came_s)


def print_table(result: dict[str, Any]) -> None:
    """The result as a table."""
    table = Table(title=f"llama, {result['prompt_tokens']} tokens in, {result['answer_tokens']} out")
    names = {
        "streams": "streams",
        "first_token_s": "first token, s",
        "tokens_per_s_each": "tokens/s each",
        "tokens_per_s_all": "tokens/s all, prompts included",
    }
    for title in names.values():
        table.add_column(title, justify="right")
    for row in result["rows"]:
        table.add_row(*(str(row[name]) for name in names))
    console = Console(width=max(100, Console().width))
    console.print(table)
    console.print(
        f"Loaded in {result['loaded_s']} s; {result['loaded_gb']} GB resident, "
        f"{result['after_load_gb']} GB after the last load."
    )
    console.print(f"[dim]{json.dumps(result['machine'])}[/]", soft_wrap=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Tokens a second of an exported language model.")
    parser.add_argument("version", type=Path, help="exported version: a folder with genai_config.json")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--prompt", type=int, default=64, help="tokens of each prompt")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of each answer")
    parser.add_argument("--config", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=None, help="where the JSON goes")
    arguments = parser.parse_args()
    vocabulary = int(json.loads((arguments.version / "genai_config.json").read_text())["model"]["vocab_size"])
    with server_of(arguments.version, arguments.config) as spec:
        result = asyncio.run(measure(spec, arguments, vocabulary))
    print_table(result)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
