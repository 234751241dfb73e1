"""Measures the models of one family: a sweep each, rounds in which all take turns, then the open loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.models.cpu_use import CpuMeter, CpuUse
from benchmarks.models.embedded_triton import Running
from benchmarks.models.figures import Agreement, ModelFigures, Round
from benchmarks.models.in_process import InProcess, in_process
from benchmarks.models.loads import Callers, Poisson
from benchmarks.models.perf_analyzer import PerfAnalyzer
from benchmarks.models.perf_report import Served
from benchmarks.models.plan import POISSON_SHARE, Plan, open_loop_requests, requests
from benchmarks.models.real_inputs import RealInputs, read_inputs, write_perf_analyzer_json
from benchmarks.models.subjects import Subject
from contracts.errors import Overloaded
from contracts.tensors import EMBEDDING, PRIORITY_BULK
from runtime.triton import TritonClient
from stack.servers.triton import ServingEnvironment

_INFER_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how to measure."""

    perf: PerfAnalyzer
    triton: Running
    serving: ServingEnvironment
    plan: Plan
    samples: Path
    scratch: Path
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model with its inputs, and the engine in process, warm."""

    subject: Subject
    inputs: RealInputs
    json: Path
    alone: InProcess


async def measure_family(subjects: Sequence[Subject], setting: Setting) -> list[ModelFigures]:
    """The figures of models that are one network in different precisions.

    Raises:
        DependencyFailed, DeadlineExceeded: a model or an engine failed.
    """
    async with AsyncExitStack() as engines:
        prepared = [await _prepare(subject, setting, engines) for subject in subjects]
        sweeps = [await _sweep(each, setting) for each in prepared]
        best = [_best_load(each, sweep, setting.plan) for each, sweep in zip(prepared, sweeps, strict=True)]
        rounds: list[list[Round]] = [[] for _ in prepared]
        used: list[CpuUse] = [CpuUse(0, 0, 0)] * len(prepared)
        for number in range(setting.plan.rounds):
            setting.say(
                f"round {number + 1} of {setting.plan.rounds}: {', '.join(each.model for each in subjects)}"
            )
            for place, (each, load) in enumerate(zip(prepared, best, strict=True)):
                turn, used[place] = await _round(each, load, setting)
                rounds[place].append(turn)
        reference = next((each for each in prepared if each.subject.precision == "fp32"), None)
        return [
            await _finish(each, reference or each, sweep, load, tuple(turns), use, setting)
            for each, sweep, load, turns, use in zip(prepared, sweeps, best, rounds, used, strict=True)
        ]


async def _prepare(subject: Subject, setting: Setting, engines: AsyncExitStack) -> Prepared:
    setting.say(f"{subject.model}: {subject.precision}, {subject.engine}, {subject.threads} threads")
    inputs = read_inputs(subject, setting.samples)
    file = setting.scratch / f"{subject.model}.json"
    write_perf_analyzer_json(inputs.rows, file)
    alone = await engines.enter_async_context(in_process(subject, inputs, setting.serving, setting.scratch))
    return Prepared(subject, inputs, file, alone)


async def _sweep(each: Prepared, setting: Setting) -> tuple[tuple[Callers, Served], ...]:
    points = []
    loads = setting.plan.sweep(each.subject)
    for load in loads if len(loads) > 1 else ():
        how = setting.perf.measure if setting.plan.stable else setting.perf.measure_any
        wanted = requests(each.inputs, load, setting.plan.sweep_runs)
        served = await how(each.subject.model, each.json, load, wanted)
        setting.say(
            f"  {load}: {served.items_per_s:.1f}/s, p50 {served.p50_ms:.1f} ms, p99 {served.p99_ms:.1f} ms "
            f"({served.stability})"
        )
        points.append((load, served))
    return tuple(points)


def _best_load(each: Prepared, sweep: Sequence[tuple[Callers, Served]], plan: Plan) -> Callers:
    if not sweep:
        return plan.sweep(each.subject)[0]
    return max(sweep, key=lambda point: point[1].items_per_s)[0]


async def _round(each: Prepared, load: Callers, setting: Setting) -> tuple[Round, CpuUse]:
    """In process, then served to one caller and at the best load; and who used the processor in the latter."""
    alone = {way: await each.alone.measure(way, setting.plan.in_process_s) for way in each.inputs.ways()}
    single = await _turn(each, Callers(1), setting)
    meter = CpuMeter(setting.triton.pid)
    best = await _turn(each, load, setting)
    return Round(alone, single, best), meter.read()


async def _turn(each: Prepared, load: Callers, setting: Setting) -> Served:
    wanted = requests(each.inputs, load, setting.plan.turn_runs)
    return await setting.perf.measure_any(each.subject.model, each.json, load, wanted)


async def _finish(
    each: Prepared,
    reference: Prepared,
    sweep: tuple[tuple[Callers, Served], ...],
    load: Callers,
    rounds: tuple[Round, ...],
    cpu: CpuUse,
    setting: Setting,
) -> ModelFigures:
    through = replace(load, shared_memory=True)
    shared = await _turn(each, through, setting) if setting.plan.shared_memory else None
    wanted, served = await reference.alone.vectors(), await _served_vectors(each, setting)
    cosines = np.sum(wanted * served, axis=1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(served, axis=1)
    return ModelFigures(
        subject=each.subject,
        engine=each.alone.engine,
        inputs=len(each.inputs.rows),
        padding=each.inputs.padding,
        sweep=sweep,
        best_load=load,
        rounds=rounds,
        cpu=cpu,
        poisson=await _open_loop(each, rounds, setting),
        shared_memory=shared,
        agreement=Agreement(reference.subject.model, tuple(cosines.tolist())),
    )


async def _open_loop(each: Prepared, rounds: Sequence[Round], setting: Setting) -> tuple[Poisson, Served | None]:
    """Any three windows: arrivals at random differ from window to window by far more than 5 %.

    None when the server's queue filled up: something else took the machine for long enough.
    """
    load = Poisson(POISSON_SHARE * median(turn.best.items_per_s for turn in rounds))
    wanted = open_loop_requests(each.inputs, load.rate_per_s, setting.plan)
    try:
        served = await setting.perf.measure_any(each.subject.model, each.json, load, wanted)
    except Overloaded as exc:
        setting.say(f"  {each.subject.model}, {load}: {exc.message}")
        return load, None
    setting.say(f"  {each.subject.model}, {load}: p99 {served.p99_ms:.1f} ms")
    return load, served


async def _served_vectors(each: Prepared, setting: Setting) -> NDArray[np.float32]:
    client = TritonClient(setting.triton.address)
    try:
        rows = [
            await client.infer(
                each.subject.model, row, [EMBEDDING], priority=PRIORITY_BULK, timeout_s=_INFER_TIMEOUT_S
            )
            for row in each.inputs.rows
        ]
    finally:
        await client.close()
    return np.concatenate([row[EMBEDDING] for row in rows])
