"""`trireme export llama`: a Llama checkpoint to the streaming model that `trireme ask` is answered by.

PyTorch and the builder live in the export environment; this runs them there and shows what they say.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import out
from contracts.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parents[1]
EXPORT_PYTHON = CHECKOUT / ".venv-export" / "bin" / "python"
REPOSITORY = CHECKOUT / "model_repository"


def llama(
    checkpoint: Annotated[
        str, typer.Argument(metavar="PATH_OR_HUB_ID", help="Folder of a Llama checkpoint, or its id on the hub.")
    ],
    repository: Annotated[Path, typer.Option(help="Model repository to write into.")] = REPOSITORY,
    precision: Annotated[str, typer.Option(help="cpu: int4 or fp32. cuda: int4, fp16 or bf16.")] = "int4",
    device: Annotated[str, typer.Option(help="What it will run on: cpu, or cuda (export it there too).")] = "cpu",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of the model that is there.")] = False,
) -> None:
    """Export a Llama chat model (LlamaForCausalLM with safetensors and a chat template) as the model `llama`.

    Its greedy answers are compared with transformers' first: token by token for fp32, by the cosine of the logits
    for the others. The next `trireme up` loads it, and answers are then written by it.

    trireme export llama meta-llama/Meta-Llama-3-8B-Instruct --precision int4
    """
    if not EXPORT_PYTHON.is_file():
        raise ConfigurationError(
            "Exporting needs PyTorch, which has an environment of its own: run `make export-environment` once."
        )
    source = str(Path(checkpoint).resolve()) if Path(checkpoint).is_dir() else checkpoint
    command = [str(EXPORT_PYTHON), "-m", "export.llama", source]
    command += ["--repository", str(repository.resolve()), "--precision", precision, "--device", device]
    command += ["--revision", revision] if revision else []
    command += ["--replace"] if replace else []
    # What it says on stderr is for the person at the terminal; the last line on stdout is for us.
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise typer.Exit(done.returncode)
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    out.print(
        f"  [green]✓[/] llama: {figures['greedy_equal']}/{figures['prompts']} greedy answers are transformers', "
        f"likeliest token equal at {figures['top1_agreement']:.1%} of {figures['positions']} places; "
        f"mean cosine of the logits {figures['mean_cosine']:.6f}"
    )
    out.print(f"Exported into {escape(str(repository))} in {precision} for {device}. `trireme up` loads it.")
