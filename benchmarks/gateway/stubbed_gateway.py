"""A second gateway of a running stack whose encoders answer at once: all else is the real thing.

    python -m benchmarks.gateway.stubbed_gateway

Its settings are the environment, which is that of the stack's own gateway but for port, ordinal and files. Only
what runs a model is replaced, by vectors out of a table: tokens are still counted and batches still made.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import uvloop
from numpy.typing import NDArray

from contracts.tensors import EMBEDDING, TEXT_ENCODER
from contracts.trace import TraceContext
from encoding.manifests import load_space
from gateway import __main__ as process
from gateway.settings import GatewaySettings
from runtime.process import stop_event_on_signals
from runtime.settings import load_settings
from runtime.telemetry import configure_logging
from runtime.tracing import configure_tracing
from runtime.triton import TritonClient

_TABLE_ROWS = 1024


def _instant(repository: Path) -> type[TritonClient]:
    """Triton's client, but for `infer`."""
    space = load_space(repository)
    rng = np.random.default_rng(20261127)
    tables = {dim: _unit(rng.standard_normal((_TABLE_ROWS, dim))) for dim in {space.text_dim, space.image_dim}}
    turn = count()

    class InstantEncoders(TritonClient):
        async def infer(
            self,
            model: str,
            inputs: Mapping[str, NDArray[Any]],
            outputs: Sequence[str],
            *,
            priority: int,  # noqa: ARG002 - as the class above has it
            timeout_s: float,  # noqa: ARG002
            trace: TraceContext | None = None,  # noqa: ARG002
        ) -> dict[str, NDArray[Any]]:
            assert list(outputs) == [EMBEDDING], outputs
            n = len(next(iter(inputs.values())))
            table = tables[space.text_dim if model == TEXT_ENCODER else space.image_dim]
            first = next(turn) * n % (_TABLE_ROWS - n)
            return {EMBEDDING: table[first : first + n]}

    return InstantEncoders


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


async def _serve(settings: GatewaySettings, stop: threading.Event) -> None:
    serving = asyncio.create_task(process.serve(settings, stop))
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        sys.stdout.write(f"{settings.port}\n")
        sys.stdout.flush()
        break
    await serving


def main() -> None:
    """Serve until a signal comes."""
    settings = load_settings(GatewaySettings, os.environ)
    configure_logging(settings.process, settings.log_level, json=settings.log_json)
    configure_tracing(settings.process, settings.trace_dir, settings.trace_share, settings.otlp_endpoint)
    stop = stop_event_on_signals()
    with (
        patch("gateway.app.TritonClient", _instant(settings.model_repository)),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(settings, stop))


if __name__ == "__main__":
    main()
