"""Writes version 1 of `llama` into the model repository out of a Llama checkpoint.

The export is staged beside the version it replaces, compared with transformers, and moved into place only then:
one that fails leaves the repository as it was (`export/version_folder.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Literal

import onnxruntime_genai as genai
from onnxruntime_genai.models.builder import create_model, parse_extra_options
from safetensors import SafetensorError

from contracts.errors import ConfigurationError, Conflict, DependencyFailed
from contracts.tensors import LLAMA
from export.llama.checkpoint import LlamaCheckpoint, Source, read_checkpoint, sha256_of
from export.llama.manifest import LlamaManifest, LlamaParity
from export.llama.parity import check_parity
from export.version_folder import VERSION, put_in_place, staged_version

Precision = Literal["int4", "fp16", "bf16", "fp32"]
Device = Literal["cpu", "cuda"]

PRECISIONS: dict[Device, tuple[Precision, ...]] = {"cpu": ("int4", "fp32"), "cuda": ("int4", "fp16", "bf16")}
"""What the builder writes and ONNX Runtime runs on each device."""

Progress = Callable[[str], None]


def export_llama(
    repository: Path,
    source: Source,
    *,
    precision: Precision,
    device: Device,
    on_progress: Progress,
    replace: bool = False,
) -> LlamaManifest:
    """Export the checkpoint as `llama`; returns its manifest.

    Writes `llama/1/` (graph, weights, tokenizer, chat template) and `llama/manifest.json`.

    Raises:
        Conflict: there is a language model already and `replace` is off.
        ConfigurationError: the checkpoint cannot be exported, or not on this machine.
        ParityError: it was exported, and computes something else.
        DependencyFailed: the disk is full or cannot be written to.
    """
    check_choice(precision, device)
    checkpoint = read_checkpoint(source.folder)
    folder = repository / LLAMA
    if (folder / VERSION).exists() and not replace:
        raise Conflict("A language model is in the repository already: give --replace to put this in its place.")
    try:
        with staged_version(folder) as staged:
            on_progress(f"Writing {checkpoint.layers} layers as {precision} for {device}")
            write_version(staged, checkpoint, precision, device)
            on_progress("Comparing with transformers")
            figures = check_parity(staged, checkpoint.folder, precision)
            on_progress("Hashing the files")
            manifest = _manifest(source, checkpoint, staged, precision, device, figures)
            put_in_place(folder, staged, manifest.text())
    except OSError as exc:
        raise DependencyFailed("disk", f"The model could not be written: {exc.strerror or 'no space'}.") from exc
    return manifest


def check_choice(precision: Precision, device: Device) -> None:
    """Raise `ConfigurationError` for a precision that the device has not, or a device that is not here."""
    if precision not in PRECISIONS[device]:
        raise ConfigurationError(f"On {device} choose one of {', '.join(PRECISIONS[device])}, not {precision}.")
    if device == "cuda" and not genai.is_cuda_available():
        raise ConfigurationError(
            "An export for CUDA is checked on CUDA: run this where there is a GPU, with onnxruntime-genai-cuda "
            "in the export environment."
        )


def write_version(staged: Path, checkpoint: LlamaCheckpoint, precision: Precision, device: Device) -> None:
    """Write graph, weights, tokenizer and chat template into the folder; needs no GPU, whatever the device.

    Raises:
        ConfigurationError: the builder cannot.
    """
    # Remote code stays off: it is the builder's default, said again here.
    options = ["hf_remote=false", "hf_token=false"]
    if device == "cuda":
        # Keys and values in blocks, which continuous batching needs; the operator for it is CUDA's only.
        options.append("use_paged_attention=true")
    place = ("", str(checkpoint.folder), str(staged), precision, device, str(staged / "cache"))
    try:
        create_model(*place, **parse_extra_options(*place, options))
    except SafetensorError as exc:
        raise ConfigurationError(f"The checkpoint's weights are damaged: {exc}.") from exc
    except (ValueError, KeyError, NotImplementedError, RuntimeError) as exc:
        raise ConfigurationError(f"onnxruntime-genai's builder cannot export this checkpoint: {exc}") from exc
    shutil.rmtree(staged / "cache", ignore_errors=True)


def _manifest(
    source: Source,
    checkpoint: LlamaCheckpoint,
    staged: Path,
    precision: Precision,
    device: Device,
    figures: LlamaParity,
) -> LlamaManifest:
    return LlamaManifest(
        model=LLAMA,
        source=source.name,
        revision=source.revision,
        licence=checkpoint.licence,
        precision=precision,
        device=device,
        builder=f"onnxruntime-genai {version_of('onnxruntime-genai')}",
        context_length=checkpoint.context_length,
        layers=checkpoint.layers,
        tokenizer=f"{VERSION}/tokenizer.json",
        chat_template=True,
        checkpoint_sha256=sha256_of(checkpoint.weights),
        sha256=sha256_of(tuple(sorted(each for each in staged.iterdir() if each.is_file()))),
        parity=figures,
    )
