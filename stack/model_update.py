"""Puts a new version of a model beside the one that serves, has Triton change over, and goes back if need be.

A version is another form of the same model, such as another precision: it takes the same tensors and gives the
same vectors. Another model is another name. docs/decisions/0006 says why.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from contracts.errors import Conflict, DependencyFailed
from export.parity import run_graph
from export.same_vectors import Reference, reference_of, smallest_cosine, threshold_of
from stack.model_candidate import (
    Candidate,
    check_same_interface,
    gives_vectors,
    put_configs,
    read_configs,
    restore_configs,
)
from stack.model_versions import MANIFEST, REFERENCE, StandsFor, read_facts, versions_on_disk
from stack.served_vectors import served_cosine
from stack.servers.triton_control import ModelControl
from stack.servers.triton_probe import probe_models

# A name that Triton reads no version from.
STAGED_PREFIX = "0."

Say = Callable[[str], None]
"""Takes a sentence when a step begins."""


@dataclass(frozen=True, slots=True)
class Update:
    """What was put in place of what; cosines are None for a model that gives no vectors."""

    model: str
    version: int
    replaced: int
    precision: str
    min_cosine: float | None
    served_min_cosine: float | None


@dataclass(frozen=True, slots=True)
class ModelUpdate:
    """Updates models of one server and of the repository that it reads.

    Args:
        samples: folder with real pictures and texts to compare vectors on.
        with_config: take the candidate's configurations too, instead of keeping the model's own.
    """

    control: ModelControl
    address: str
    repository: Path
    samples: Path
    with_config: bool
    say: Say

    async def run(self, model: str, candidate: Candidate) -> Update:
        """Check, install, load, verify; on any failure after the check the former version serves again.

        Raises:
            NotFound, Conflict, InvalidInput: the candidate may not become a version of this model.
            DependencyFailed: it could not be loaded, or does not answer as it should.
        """
        folder = self.repository / model
        serving = (await self.control.find(model)).serving
        if serving is None:
            raise Conflict(f"The model '{model}' is not loaded: `trireme models load {model}` first.")
        check_same_interface(folder, candidate, with_config=self.with_config)
        proof, reference = self._proof(model, candidate)
        version = await self._next_version(model)
        before = read_configs(folder)
        self.say(f"Installing version {version}")
        _install(candidate, folder, version, proof)
        try:
            if self.with_config:
                put_configs(folder, read_configs(candidate.folder))
            self.say("Loading it beside the one that serves")
            await self.control.load(model)
            self.say("Asking it")
            served = await self._verify(model, version, candidate, reference)
        except BaseException:
            self.say(f"Going back to version {serving}")
            shutil.rmtree(folder / str(version), ignore_errors=True)
            restore_configs(folder, before)
            await self.control.load(model)
            raise
        return Update(model, version, serving, candidate.precision, proof.min_cosine if proof else None, served)

    def _proof(self, model: str, candidate: Candidate) -> tuple[StandsFor | None, Reference | None]:
        """Run both graphs here, on the CPU. None and None for a model that gives no vectors."""
        if not gives_vectors(self.repository / model):
            return None, None
        self.say("Comparing its vectors with the model's")
        facts = read_facts(self.repository / model, REFERENCE)
        reference = reference_of(self.repository, model, self.samples)
        threshold = threshold_of(candidate.precision)
        found = run_graph(candidate.version / "model.onnx", reference.feeds)
        smallest = smallest_cosine(found, reference, threshold, "This export")
        sha256 = facts.sha256 if facts and isinstance(facts.sha256, str) else ""
        return StandsFor(sha256=sha256, min_cosine=smallest, threshold=threshold, inputs=len(found)), reference

    async def _next_version(self, model: str) -> int:
        """A number above all that are on disk or that the server remembers, failed ones included."""
        remembered = [each.version for each in (await self.control.find(model)).versions]
        return max(*versions_on_disk(self.repository / model), *remembered, REFERENCE) + 1

    async def _verify(
        self, model: str, version: int, candidate: Candidate, reference: Reference | None
    ) -> float | None:
        """Ask the server itself: what it runs the graph with may compute otherwise than the check did."""
        if (found := (await self.control.find(model)).serving) != version:
            raise DependencyFailed("triton", f"Triton serves version {found} of '{model}', not {version}.")
        if (await probe_models(self.address, [model])).failed:
            raise DependencyFailed("triton", f"Version {version} of '{model}' does not answer.")
        if reference is None:
            return None
        who = f"Version {version}, as Triton serves it,"
        return await served_cosine(self.address, model, reference, threshold_of(candidate.precision), who)


def _install(candidate: Candidate, folder: Path, version: int, proof: StandsFor | None) -> None:
    """Copy the candidate's version under a hidden name, then rename it: Triton never sees half of one."""
    staged = Path(tempfile.mkdtemp(prefix=STAGED_PREFIX, dir=folder))
    try:
        shutil.copytree(candidate.version, staged, dirs_exist_ok=True)
        manifest = {**candidate.manifest, **({"stands_for": msgspec.to_builtins(proof)} if proof else {})}
        (staged / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        # mkdtemp makes folders that only their owner can enter; a server under another user reads this one.
        staged.chmod(0o755)
        staged.rename(folder / str(version))
    except OSError as exc:
        raise DependencyFailed("disk", f"The version could not be written: {exc.strerror or exc}.") from exc
    finally:
        shutil.rmtree(staged, ignore_errors=True)
