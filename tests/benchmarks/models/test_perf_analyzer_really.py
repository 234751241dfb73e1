"""The real perf_analyzer against the real embedded Triton, briefly."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.models.embedded_triton import embedded_triton
from benchmarks.models.in_process import in_process
from benchmarks.models.loads import Callers, Poisson
from benchmarks.models.perf_analyzer import PACKAGE, PerfAnalyzer, Requests, find_perf_analyzer
from benchmarks.models.real_inputs import read_inputs, write_perf_analyzer_json
from benchmarks.models.subjects import describe
from contracts.errors import ConfigurationError, DependencyFailed, Overloaded
from contracts.tensors import CLIP_IMAGE_DISTILLED, EMBEDDING, PRIORITY_QUERY
from runtime.triton import TritonClient
from stack.setup_paths import SetupPaths

pytestmark = pytest.mark.integration

PATHS = SetupPaths()
SAMPLES = PATHS.checkout / "samples"
WANTED = Requests(warm_up=8, window=24)


async def runnable(folder: Path) -> PerfAnalyzer:
    """The program; skips where the system lacks a library of it and nobody may install one."""
    perf = find_perf_analyzer(PATHS.checkout / ".venv-perf", PATHS.serving, folder / "lib")
    try:
        assert await perf.version()
    except ConfigurationError as exc:
        if PACKAGE in exc.message:
            pytest.skip(exc.message)
        raise
    return perf


async def test_the_figures_of_a_short_run_agree_with_each_other(tmp_path: Path) -> None:
    perf = await runnable(tmp_path)
    subject = describe(PATHS.repository, CLIP_IMAGE_DISTILLED)
    assert subject is not None
    inputs = read_inputs(subject, SAMPLES)
    file = tmp_path / "pictures.json"
    write_perf_analyzer_json(inputs.rows, file)
    async with embedded_triton(PATHS, PATHS.repository, [subject.model, "unknown"], tmp_path) as triton:
        assert set(triton.refused) == {"unknown"}
        perf = dataclasses.replace(perf, address=triton.address)
        # Little's law: callers = throughput x mean time, and the mean is made of its parts.
        for load in (Callers(1), Callers(4), Callers(2, 8)):
            served = await perf.measure_any(subject.model, file, load, WANTED)
            assert len(served.windows) == 3
            assert served.requests >= 3 * WANTED.window
            assert load.batch <= served.rows_per_run <= subject.max_batch
            mean_ms = served.queue_ms + served.infer_ms + served.overhead_ms
            assert served.items_per_s / load.batch * mean_ms / 1000 == pytest.approx(load.concurrency, rel=0.15)
            assert served.p50_ms <= served.p90_ms <= served.p99_ms
        arriving = await perf.measure_any(subject.model, file, Poisson(60.0), WANTED)
        assert arriving.items_per_s < 120
        with pytest.raises(Overloaded, match="queue was full"):
            await perf.measure_any(subject.model, file, Poisson(20_000.0), WANTED)
        with pytest.raises(DependencyFailed, match="unknown"):
            await perf.measure_any("unknown", file, Callers(1), WANTED)


async def test_the_engine_in_process_gives_the_servers_vectors(tmp_path: Path) -> None:
    subject = describe(PATHS.repository, CLIP_IMAGE_DISTILLED)
    assert subject is not None
    inputs = read_inputs(subject, SAMPLES)
    async with (
        embedded_triton(PATHS, PATHS.repository, [subject.model], tmp_path) as triton,
        in_process(subject, inputs, PATHS.serving, tmp_path) as engine,
    ):
        client = TritonClient(triton.address)
        rows = [
            await client.infer(subject.model, row, [EMBEDDING], priority=PRIORITY_QUERY, timeout_s=20)
            for row in inputs.rows
        ]
        await client.close()
        # The same engine with the same threads on the same pixels.
        np.testing.assert_allclose(
            await engine.vectors(), np.concatenate([row[EMBEDDING] for row in rows]), atol=2e-6
        )
        with pytest.raises(DependencyFailed, match="ended"):
            await engine.measure(3, 0.1)
