"""`trireme export captioner`: a BLIP whose words fill the text half of pictures that stand alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, err, out, print_json

CHECKOUT = Path(__file__).resolve().parents[1]
REPOSITORY = CHECKOUT / "model_repository"
SAMPLES = CHECKOUT / "samples"


def captioner(
    checkpoint: Annotated[
        str, typer.Argument(metavar="PATH_OR_HUB_ID", help="Folder of a BLIP, or its id on the hub.")
    ],
    repository: Annotated[Path, typer.Option(help="Model repository to write into.")] = REPOSITORY,
    samples: Annotated[Path, typer.Option(help="Real pictures whose captions are compared.")] = SAMPLES,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")] = None,
    licence: Annotated[str | None, typer.Option(help="For the manifest, where the model card names none.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of the captioner that is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export a BLIP (BlipForConditionalGeneration) as the model `captioner`.

    Its picture encoder is compared with PyTorch, and its greedy captions of real pictures with transformers' own,
    token by token. The next `trireme up` serves it. Pictures that are ingested from then on, and that no text
    stands beside, are found by its words, which are shown as a machine's.

    trireme export captioner Salesforce/blip-image-captioning-base
    """
    from cli.export import need_torch

    need_torch()
    from contracts.tensors import CAPTIONER
    from export.captioner.build import export_captioner
    from export.checkpoints import open_checkpoint
    from export.request import ExportRequest

    found = open_checkpoint(checkpoint, revision=revision, licence=licence)
    request = ExportRequest(repository, CAPTIONER, samples=samples, replace=replace)
    report = export_captioner(found, request, progress=lambda step: err.print(f"  [dim]… {escape(step)}[/]"))
    if as_json:
        print_json(report)
        return
    figures = report.parity
    out.print(
        f"  [green]✓[/] {report.model}: {figures.captions} captions ({figures.tokens} tokens) are transformers', "
        f"smallest cosine of the picture encoder {figures.states.min_cosine:.6f} "
        f"(at least {figures.states.threshold})",
        soft_wrap=True,
    )
    out.print(f"Exported into {escape(str(repository))}. The next `trireme up` serves it.")
