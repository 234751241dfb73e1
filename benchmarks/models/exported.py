"""The bench repository: ViT-B/32 with seeded weights and MiniLM, in fp32 and int8, exported where missing.

Exports by `trireme export`, as people do. One that refuses (a precision that fails its parity gate) is named with
its reason, and the rest goes on without it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.models.running import run_program
from benchmarks.models.subjects import LeftOut, Subject, describe
from contracts.errors import ConfigurationError, TriremeError
from stack.servers.triton import exported_models
from stack.setup_paths import SetupPaths

EXPORT_TIMEOUT_S = 1200.0
VIT, MINILM = "vit_b_32", "minilm"
PRECISIONS = ("fp32", "int8")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model that the bench repository should hold.

    Args:
        name: what `trireme export` is told; a CLIP's picture tower gets `_image` appended.
    """

    family: str
    precision: str

    @property
    def name(self) -> str:
        return f"{self.family}_{self.precision}"

    @property
    def model(self) -> str:
        return f"{self.name}_image" if self.family == VIT else self.name


WANTED = tuple(Wanted(family, precision) for family in (VIT, MINILM) for precision in PRECISIONS)


@dataclass(frozen=True, slots=True)
class BenchRepository:
    """Where the exports go, and what they are made from.

    Args:
        root: folder of the repository, the seeded checkpoint and what the measurements leave.
    """

    paths: SetupPaths
    root: Path

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def export_python(self) -> Path:
        return self.paths.checkout / ".venv-export" / "bin" / "python"

    async def subject(self, wanted: Wanted, say: Say) -> Subject | LeftOut:
        """The model, exported now if it is not there yet."""
        if wanted.model not in exported_models(self.repository):
            say(f"exporting {wanted.name} (once, some minutes)")
            try:
                await self._export(wanted)
            except TriremeError as exc:
                return LeftOut(wanted.model, f"not exported: {exc.message}", is_failure=True)
        found = describe(self.repository, wanted.model, wanted.family)
        return found or LeftOut(wanted.model, "it takes neither pictures nor texts")

    async def _export(self, wanted: Wanted) -> None:
        if not self.export_python.is_file():
            raise ConfigurationError("There is no export environment: run `make export-environment`.")
        kind, checkpoint = ("clip", await self._vit()) if wanted.family == VIT else ("text", self._minilm())
        options = ("--name", wanted.name, "--precision", wanted.precision, "--repository", str(self.repository))
        # By the export environment at once: the command would only hand over to it.
        await self._run((str(self.export_python), "-m", "cli.main", "export", kind, str(checkpoint), *options))

    async def _vit(self) -> Path:
        """The seeded checkpoint, made whole or not at all."""
        folder = self.root / "checkpoints" / VIT
        if not folder.is_dir():
            staged = folder.with_name(f"{VIT}.new")
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(parents=True)
            await self._run((str(self.export_python), "-m", "export.seeded", "clip-vit-b-32", str(staged)))
            staged.rename(folder)
        return folder

    def _minilm(self) -> Path:
        folder = self.paths.text_checkpoint
        if not folder.is_dir():
            raise ConfigurationError("The text encoder's checkpoint is missing: run `trireme setup`.")
        return folder

    async def _run(self, command: Sequence[str]) -> None:
        path = os.pathsep.join(
            part for part in (str(self.paths.checkout), os.environ.get("PYTHONPATH", "")) if part
        )
        environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "1000"}
        finished = await run_program(command, environment, EXPORT_TIMEOUT_S)
        if finished.status != 0:
            lines = finished.errors.strip().splitlines() or ["it gave no reason"]
            raise ConfigurationError(lines[-1].removeprefix("trireme: "))
