"""`make bench-models`: every model as Triton serves it, beside the engine in process.

    python -m benchmarks.models [--quick] [--models NAME ...] [--json FILE] [--markdown FILE]

Starts an embedded Triton for the demo's models, then one for the bench repository under .trireme/bench-models,
whose models it exports where they are missing. Nothing else should run on the machine; the load at the start is
reported.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.machine import describe_machine
from benchmarks.models.claims import judge
from benchmarks.models.embedded_triton import embedded_triton
from benchmarks.models.end_to_end import EndToEnd, measure_end_to_end
from benchmarks.models.exported import WANTED, BenchRepository
from benchmarks.models.figures import ModelFigures
from benchmarks.models.measuring import Setting, measure_family
from benchmarks.models.perf_analyzer import PerfAnalyzer, find_perf_analyzer
from benchmarks.models.plan import DEFAULT, QUICK, Plan
from benchmarks.models.subjects import LeftOut, Subject, subjects_of
from benchmarks.models.tables import as_markdown, print_sheets, sheets
from contracts.errors import InvalidInput, TriremeError
from stack.home import DEFAULT_HOME
from stack.setup_paths import SetupPaths

_ROOT = DEFAULT_HOME / "bench-models"
BUSY_SHARE = 0.2
BUSY = "The machine was busy when this began: the ratios say little."


@dataclass(slots=True)
class Result:
    """What has been measured so far."""

    versions: dict[str, str] = field(default_factory=dict)
    figures: list[ModelFigures] = field(default_factory=list)
    end_to_end: list[EndToEnd] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def fail(self, subjects: Sequence[Subject], reason: str) -> None:
        """Leave out those that are not done yet."""
        known = {each.subject.model for each in self.figures} | {each.model for each in self.left_out}
        self.left_out += [
            LeftOut(each.model, reason, is_failure=True) for each in subjects if each.model not in known
        ]


async def run(plan: Plan, wanted: Sequence[str] | None, paths: SetupPaths) -> Result:
    """Everything, one repository after the other.

    Raises:
        ConfigurationError: perf_analyzer or the set-up is missing. InvalidInput: an unknown model.
    """
    (_ROOT / "run").mkdir(parents=True, exist_ok=True)
    perf = find_perf_analyzer(paths.checkout / ".venv-perf", paths.serving, _ROOT / "lib")
    result = Result({"perf_analyzer": await perf.version()})
    demo, result.left_out = subjects_of(paths.repository)
    _refuse_unknown(wanted, [each.model for each in demo] + [each.model for each in WANTED])
    demo = [each for each in demo if wanted is None or each.model in wanted]
    bench = BenchRepository(paths, _ROOT)
    made = [await bench.subject(each, _say) for each in WANTED if wanted is None or each.model in wanted]
    result.left_out += [each for each in made if isinstance(each, LeftOut)]
    for subjects in (demo, [each for each in made if isinstance(each, Subject)]):
        if not subjects:
            continue
        try:
            await _measure(subjects, plan, perf, paths, result)
        except TriremeError as exc:
            # What the other repository gave still counts.
            result.fail(subjects, f"not measured: {exc.message}")
    return result


async def _measure(
    subjects: Sequence[Subject], plan: Plan, perf: PerfAnalyzer, paths: SetupPaths, result: Result
) -> None:
    """The models of one repository, in a server of their own."""
    repository = subjects[0].repository
    _say(f"starting Triton with {', '.join(each.model for each in subjects)}")
    async with embedded_triton(paths, repository, [each.model for each in subjects], _ROOT / "run") as triton:
        result.versions["tritonserver"] = triton.version
        for each in subjects:
            if each.model in triton.refused:
                result.fail([each], f"not served: {triton.refused[each.model]}")
        served = [each for each in subjects if each.model not in triton.refused]
        asking = dataclasses.replace(perf, address=triton.address)
        samples = paths.checkout / "samples"
        setting = Setting(asking, triton, paths.serving, plan, samples, _ROOT / "run", _say)
        for family in dict.fromkeys(each.family for each in served):
            members = [each for each in served if each.family == family]
            try:
                result.figures += await measure_family(members, setting)
            except TriremeError as exc:
                result.fail(members, f"not measured: {exc.message}")
        towers = [each for each in served if each.kind == "picture"]
        if repository == paths.repository and towers:
            try:
                result.end_to_end = await measure_end_to_end(towers, triton, samples, plan.end_to_end)
            except TriremeError as exc:
                result.left_out.append(
                    LeftOut("from JPEG to vector", f"not measured: {exc.message}", is_failure=True)
                )


def _refuse_unknown(wanted: Sequence[str] | None, known: Sequence[str]) -> None:
    unknown = sorted(set(wanted or ()) - set(known))
    if unknown:
        raise InvalidInput(f"There is no model {', '.join(unknown)}. Known: {', '.join(known)}.")


def as_json(result: Result, machine: dict[str, Any]) -> dict[str, Any]:
    """The whole result: the figures, and what the tables say of them."""
    claims = judge(result.figures, result.end_to_end)
    return {
        "machine": machine,
        "versions": result.versions,
        "models": [
            {
                **dataclasses.asdict(each),
                "summary": {
                    name: getattr(each, name)
                    for name in ("in_process_per_s", "in_process_ms", "served_per_s", "served_ms", "ratio")
                },
            }
            for each in result.figures
        ],
        "end_to_end": result.end_to_end,
        "left_out": result.left_out,
        "claims": [{**dataclasses.asdict(each), "met": each.met} for each in claims],
    }


def is_busy(machine: Mapping[str, Any]) -> bool:
    """Whether others had work for a fifth of the cores when it began."""
    return float(machine["load_1min"]) > BUSY_SHARE * int(machine["cores"])


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    _say(f"written: {path}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Models as Triton serves them, beside the engine in process.")
    parser.add_argument("--quick", action="store_true", help="two minutes instead of ten; says less about p99")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--rounds", type=int, help="how often in process and served take turns")
    parser.add_argument("--json", type=Path, default=_ROOT / "result.json", help="where the JSON goes")
    parser.add_argument("--markdown", type=Path, help="where the tables go as Markdown")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else DEFAULT
    if arguments.rounds is not None:
        plan = dataclasses.replace(plan, rounds=max(1, arguments.rounds))
    machine, began = describe_machine(), time.monotonic()
    try:
        result = asyncio.run(run(plan, arguments.models, SetupPaths()))
    except TriremeError as exc:
        _say(f"bench-models: {exc.message}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    machine["took_s"] = round(time.monotonic() - began)
    shown = sheets(result.figures, result.left_out, judge(result.figures, result.end_to_end))
    print_sheets(shown)
    about = ", ".join(f"{name} {value}" for name, value in {**machine, **result.versions}.items())
    if is_busy(machine):
        about = f"{BUSY} {about}"
    print(about)
    _write(arguments.json, msgspec.json.format(msgspec.json.encode(as_json(result, machine), enc_hook=str)))
    if arguments.markdown:
        _write(arguments.markdown, as_markdown(shown, about).encode())


if __name__ == "__main__":
    main()
