"""`trireme export`: checkpoints to models that Triton serves, each compared with PyTorch before it counts.

PyTorch lives in an environment of its own. Where this one has none, the command runs itself again there.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli.console import JsonOption, err, out, print_json
from cli.export_captioner import captioner
from cli.export_kind import kind
from cli.export_llama import llama
from cli.export_space import space
from cli.export_text_api import text_api
from contracts.errors import ConfigurationError, InvalidInput

CHECKOUT = Path(__file__).resolve().parents[1]
EXPORT_PYTHON = CHECKOUT / ".venv-export" / "bin" / "python"
REPOSITORY = CHECKOUT / "model_repository"
SAMPLES = CHECKOUT / "samples"

app = typer.Typer(
    rich_markup_mode=None,
    epilog="Every export is compared with PyTorch on real inputs. Only one that agrees is moved into the model "
    "repository, with configurations for CPU, CUDA and TensorRT and a manifest that says where it came from; any "
    "other leaves the repository as it was. Weights are read as safetensors or by torch.load(weights_only=True); "
    "a checkpoint's own code is never run.",
)

Checkpoint = Annotated[
    str,
    typer.Argument(metavar="PATH_OR_HUB_ID", help="Folder of the checkpoint, or its id on the hub (owner/name)."),
]
Repository = Annotated[Path, typer.Option(help="Model repository to write into.")]
Precision = Annotated[
    str,
    typer.Option(
        help="fp32; fp16 (for GPUs); on CPUs int8 (served by OpenVINO, ranges fixed by --samples, fastest), bf16 "
        "(served by OpenVINO, nearly exact, next fastest) or int8-dynamic (served by ONNX Runtime)."
    ),
]
Samples = Annotated[
    Path, typer.Option(help="Real pictures and .txt/.md texts: calibrate int8 and are compared with PyTorch.")
]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit on the hub; the manifest names the commit.")
]
Licence = Annotated[str | None, typer.Option(help="For the manifest, where the model card names none.")]
Replace = Annotated[bool, typer.Option("--replace", help="Take the place of models of the same name.")]


@app.callback()
def export() -> None:
    """Turn checkpoints into models that Triton serves, compared with PyTorch."""


@app.command()
def clip(
    checkpoint: Checkpoint,
    name: Annotated[
        str | None,
        typer.Option(help="Models are called NAME_image and NAME_text; by default after the checkpoint."),
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option(help="Project both towers to this width; refused when recall@10 falls by more than a point."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="For --dim: pictures with captions (NAME.jpg and NAME.txt); the demo's held-out ones else."
        ),
    ] = None,
    repository: Repository = REPOSITORY,
    precision: Precision = "fp32",
    samples: Samples = SAMPLES,
    revision: Revision = None,
    licence: Licence = None,
    replace: Replace = False,
    as_json: JsonOption = False,
) -> None:
    """Export a CLIP: its picture tower and its text tower, as two models.

    Takes transformers' CLIPModel (ViT-B/32, ViT-L/14, any size) and VisionTextDualEncoder, and open_clip's own
    format (open_clip_config.json) with plain ViT towers. The picture tower takes UINT8 pixels and scales and
    normalises them inside; both give vectors of length 1.

    trireme export clip openai/clip-vit-base-patch32 --precision int8

    trireme export clip ./my-clip --dim 384 --pairs ./captioned --precision fp16
    """
    need_torch()
    from export.checkpoints import open_checkpoint
    from export.clip.build import export_clip

    request = _request(checkpoint, name, repository, precision, samples, replace)
    found = open_checkpoint(checkpoint, revision=revision, licence=licence, progress=_say)
    report = export_clip(found, request, dim=dim, pairs=pairs, progress=_say)
    if as_json:
        print_json(report)
        return
    if report.projection is not None:
        figures = report.projection
        out.print(
            f"  Projected to {report.dim}: cross-modal recall@10 {figures.recall_before:.3f} before, "
            f"{figures.recall_after:.3f} after (loss {figures.loss:+.3f}) over {figures.pairs} held-out pairs."
        )
    _tell(report.image_model, report.image_parity)
    _tell(report.text_model, report.text_parity)
    _tell_next(request, [report.image_model, report.text_model])


@app.command()
def text(
    checkpoint: Checkpoint,
    name: Annotated[str | None, typer.Option(help="Name of the model; by default after the checkpoint.")] = None,
    pooling: Annotated[
        str | None, typer.Option(help="mean or cls, for a checkpoint whose files do not say (see its model card).")
    ] = None,
    query_prefix: Annotated[
        str | None, typer.Option(help="Words before every question; by default the checkpoint's own.")
    ] = None,
    passage_prefix: Annotated[
        str | None, typer.Option(help="Words before every passage; by default the checkpoint's own.")
    ] = None,
    repository: Repository = REPOSITORY,
    precision: Precision = "fp32",
    samples: Samples = SAMPLES,
    revision: Revision = None,
    licence: Licence = None,
    replace: Replace = False,
    as_json: JsonOption = False,
) -> None:
    """Export a sentence encoder: BERT, MiniLM, E5, BGE and their multilingual kin.

    Pooling comes from the checkpoint's 1_Pooling/config.json, prefixes from its prompts or its family; both
    go into the manifest.

    trireme export text intfloat/multilingual-e5-small

    trireme export text ./my-encoder --pooling cls --precision int8
    """
    if pooling not in (None, "mean", "cls"):
        raise InvalidInput(f"--pooling {pooling} is neither mean nor cls.")
    need_torch()
    from export.checkpoints import open_checkpoint
    from export.text.build import export_text

    request = _request(checkpoint, name, repository, precision, samples, replace)
    found = open_checkpoint(checkpoint, revision=revision, licence=licence, progress=_say)
    report = export_text(
        found,
        request,
        pooling=pooling,  # type: ignore[arg-type]
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
        progress=_say,
    )
    if as_json:
        print_json(report)
        return
    prefixes = f"query {report.prefixes.query!r}, passage {report.prefixes.passage!r}"
    out.print(f"  {report.pooling} pooling, up to {report.max_length} tokens, prefixes: {escape(prefixes)}")
    _tell(report.model, report.parity)
    _tell_next(request, [report.model])


app.command()(llama)
app.command("text-api")(text_api)
app.command()(captioner)
app.command()(space)
app.command()(kind)


def default_name(source: str) -> str:
    """A model's name after its checkpoint: the last part of the id, in letters, digits and underscores."""
    return "".join(each if each.isalnum() else "_" for each in source.rpartition("/")[2].lower()).strip("_")


def need_torch() -> None:
    """Run this same command in the export environment when PyTorch is not here; does not return then.

    Raises:
        ConfigurationError: that environment is not set up.
    """
    # Ctrl-C and a plain kill end alike: what is staged goes away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if importlib.util.find_spec("torch") is not None:
        return
    if not EXPORT_PYTHON.is_file() or os.environ.get("TRIREME_EXPORT_REEXEC"):
        raise ConfigurationError(
            "Exporting needs PyTorch, which has an environment of its own: run `make export-environment` once "
            "(5 GB), then this command again."
        )
    path = os.pathsep.join(part for part in (str(CHECKOUT), os.environ.get("PYTHONPATH", "")) if part)
    environment = os.environ | {"PYTHONPATH": path, "TRIREME_EXPORT_REEXEC": "1"}
    sys.stdout.flush()
    os.execve(EXPORT_PYTHON, [str(EXPORT_PYTHON), "-m", "cli.main", *sys.argv[1:]], environment)


def _request(
    checkpoint: str, name: str | None, repository: Path, precision: str, samples: Path, replace: bool
) -> Any:
    from export.precision import PRECISIONS
    from export.request import ExportRequest

    folder = Path(checkpoint).expanduser()
    model = name or default_name(folder.resolve().name if folder.is_dir() else checkpoint)
    if not model or model != default_name(model):
        raise InvalidInput(f"'{model}' is no model name: letters, digits and underscores, in lower case.")
    if precision not in PRECISIONS:
        raise InvalidInput(f"--precision {precision} is none of {', '.join(PRECISIONS)}.")
    return ExportRequest(repository, model, precision, samples, replace)


def _say(step: str) -> None:
    err.print(f"  [dim]… {escape(step)}[/]")


def _tell(model: str, figures: Any) -> None:
    out.print(
        f"  [green]✓[/] {model}: smallest cosine to PyTorch {figures.min_cosine:.6f} "
        f"(at least {figures.threshold}), largest error {figures.max_abs_error:.2e}, over {figures.inputs} inputs",
        soft_wrap=True,
    )


def _tell_next(request: Any, models: list[str]) -> None:
    out.print(f"Exported into {escape(str(request.repository))} in {request.precision}.")
    out.print(
        "  config.pbtxt serves it on the CPU; a server started with --model-config-name=cuda, tensorrt or plan"
    )
    out.print("  takes the file of that name in configs/ instead. What builds a plan stands in:")
    for model in models:
        out.print(f"    {escape(str(request.repository / model / 'manifest.json'))}", soft_wrap=True)
