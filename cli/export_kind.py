"""`trireme export kind CHECKPOINT`: whether a checkpoint is a CLIP or a sentence encoder."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, err, out, print_json

CLIPS = frozenset({"clip", "open_clip", "vision-text-dual-encoder"})


def kind(
    checkpoint: Annotated[str, typer.Argument(metavar="PATH_OR_HUB_ID", help="Folder, or id on the hub.")],
    as_json: JsonOption = False,
) -> None:
    """Say which half of a joint space a checkpoint can be: `text`, or `clip` for pictures and words about them."""
    from cli.export import need_torch

    need_torch()
    from export.checkpoints import open_checkpoint

    found = open_checkpoint(checkpoint, progress=lambda step: err.print(f"  [dim]… {escape(step)}[/]"))
    half = "clip" if found.model_type in CLIPS else "text"
    if as_json:
        print_json({"kind": half, "model_type": found.model_type})
        return
    out.print(half)
