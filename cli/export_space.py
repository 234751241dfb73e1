"""`trireme export space`: a joint space of exported models, in a repository that `trireme up --models` serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, err, out, print_json

if TYPE_CHECKING:
    from export.joint_space.build import SpaceReport

CHECKOUT = Path(__file__).resolve().parents[1]
REPOSITORY = CHECKOUT / "model_repository"
SAMPLES = CHECKOUT / "samples"


def space(
    text: Annotated[str, typer.Option(help="Model for the text half, as `export text` called it.")],
    clip: Annotated[str, typer.Option(help="CLIP for the picture half: NAME of NAME_image and NAME_text.")],
    into: Annotated[
        Path, typer.Option(help="Folder of the new model repository; must not be there, or be empty.")
    ],
    samples: Annotated[
        Path, typer.Option(help="Pictures and .txt/.md texts like your own: each tower's mean is taken over them.")
    ] = SAMPLES,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Pictures with captions (NAME.jpg and NAME.txt, or captions.jsonl): recall with and without "
            "centring is measured on them."
        ),
    ] = None,
    centred: Annotated[
        bool | None,
        typer.Option(
            "--centred/--no-centred",
            help="Take each tower's mean off; decided by what is measured when not given.",
        ),
    ] = None,
    repository: Annotated[Path, typer.Option(help="Model repository with the exported models.")] = REPOSITORY,
    as_json: JsonOption = False,
) -> None:
    """Make a joint space of an exported text encoder and an exported CLIP.

    Vectors of one space are compared with each other and with no others, so the space gets a model repository of
    its own, with the three models under the names that the stack knows. The one that is in use stays as it is.
    Widths may differ: an item is as wide as both together.

    trireme export space --text multilingual_e5_small --clip clip_vit_base_patch32 --into ./my-space

    trireme up --models ./my-space --home ./my-home
    """
    from export.joint_space.build import SpaceRequest, make_space

    request = SpaceRequest(repository, text, clip, into, samples, pairs, centred)
    report = make_space(request, lambda step: err.print(f"  [dim]… {escape(step)}[/]"))
    if as_json:
        print_json(report)
        return
    _tell(report)
    place = escape(str(into))
    out.print(f"Serve it from a home of its own: trireme up --models {place} --home HOME", soft_wrap=True)


def _tell(report: SpaceReport) -> None:
    out.print(f"  [green]✓[/] space {report.space_id}: text {report.text_dim} + pictures {report.image_dim}")
    for tower, name in report.encoders.items():
        figures = report.centring.unrelated[tower]
        out.print(
            f"    {tower}: {escape(name)}, mean over {report.inputs[tower]} inputs; cosine of unrelated ones "
            f"{figures.plain:.3f}, centred {figures.centred:.3f}",
            soft_wrap=True,
        )
    if (recall := report.centring.recall) is not None:
        out.print(f"    cross-modal recall@10: {recall.plain:.3f}, centred {recall.centred:.3f}")
    answer = "Centred" if report.centring.centred else "Not centred"
    out.print(f"  {answer}: {report.centring.reason}.", soft_wrap=True)
