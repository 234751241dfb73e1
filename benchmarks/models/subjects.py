"""What is measured: models of a repository, with what their manifests and configurations say of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contracts.tensors import TEXT_ENCODER
from stack.servers.triton import exported_models
from stack.servers.triton_probe import read_model_config

Kind = Literal["picture", "text"]
Engine = Literal["onnxruntime", "openvino"]

# What the server's ONNX Runtime backend gives a model that asks for no number of threads.
_DEFAULT_THREADS = 1


@dataclass(frozen=True, slots=True)
class Subject:
    """One served model.

    Args:
        family: models of one family are the same network in different precisions; they take turns in the rounds.
        engine: what runs it in the server, by the accelerator that its configuration asks for.
        threads: of the engine, by its configuration.
    """

    model: str
    repository: Path
    family: str
    kind: Kind
    precision: str
    engine: Engine
    threads: int
    max_batch: int
    sha256: str

    @property
    def graph(self) -> Path:
        """The file of the newest version, which is the one that is served."""
        versions = [int(each.name) for each in (self.repository / self.model).iterdir() if each.name.isdigit()]
        return self.repository / self.model / str(max(versions)) / "model.onnx"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A model that is not measured, and why, in words.

    Args:
        is_failure: it should have been measured.
    """

    model: str
    reason: str
    is_failure: bool = False


def describe(repository: Path, model: str, family: str | None = None) -> Subject | None:
    """A model of the repository; None for one that takes neither pictures nor tokens (a language model)."""
    config = read_model_config(repository / model / "config.pbtxt")
    names = {each.name for each in config.input}
    if config.model_transaction_policy.decoupled or not names & {"image", "attention_mask"}:
        return None
    manifest: dict[str, Any] = json.loads((repository / model / "manifest.json").read_text())
    accelerators = config.optimization.execution_accelerators.cpu_execution_accelerator
    threads = config.parameters["intra_op_thread_count"].string_value
    return Subject(
        model=model,
        repository=repository,
        family=family or model,
        kind="picture" if "image" in names else "text",
        precision=str(manifest["precision"]).partition(" ")[0],
        engine="openvino" if any(each.name == "openvino" for each in accelerators) else "onnxruntime",
        threads=int(threads or _DEFAULT_THREADS),
        max_batch=config.max_batch_size,
        sha256=str(manifest["sha256"]),
    )


def subjects_of(repository: Path) -> tuple[list[Subject], list[LeftOut]]:
    """Every exported model of a repository, one for each graph: two names of one graph are as fast as one."""
    found: list[Subject] = []
    left_out: list[LeftOut] = []
    for model in sorted(exported_models(repository), key=lambda name: (name != TEXT_ENCODER, name)):
        subject = describe(repository, model)
        if subject is None:
            left_out.append(LeftOut(model, "it streams tokens, which this does not measure"))
            continue
        twin = next((each for each in found if each.sha256 == subject.sha256), None)
        if twin is not None:
            left_out.append(LeftOut(model, f"the same graph as {twin.model}"))
            continue
        found.append(subject)
    return found, left_out
