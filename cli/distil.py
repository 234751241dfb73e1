"""`trireme distil`: a small picture tower learns a large one's vectors. Trains in the export environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import ConfigurationError
from stack.home import CHECKOUT

PYTHON = CHECKOUT / ".venv-export" / "bin" / "python"


def run(
    folder: Annotated[
        Path | None, typer.Argument(help="Pictures with a captions.jsonl, or with a NAME.txt beside each.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the student of FOLDER.")] = None,
    repository: Annotated[
        Path | None, typer.Option(help="Model repository with the teacher; that of the checkout when not given.")
    ] = None,
    admit: Annotated[
        bool,
        typer.Option(
            "--admit", help="Put the student into the repository's space, if its figures are good enough."
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --admit: take the place of an earlier student.")
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Distil the demo CLIP from its own rendered pictures.")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="Batches to train.")] = 2200,
    batch: Annotated[int, typer.Option(min=2, help="Pictures a batch.")] = 128,
    seed: Annotated[int, typer.Option(help="Same seed, same student.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads to train with.")] = 1,
) -> None:
    """Distil clip_image into a student several times cheaper that gives the same vectors.

    Stopped, it goes on from its last checkpoint. It prints the student's recall, its agreement with the teacher
    and its cost. `python -m export.distil --help`, in the export environment, shows every option.

    trireme distil ./captioned --out ./student --repository ./my-space --admit
    """
    arguments = [f"--steps={steps}", f"--batch={batch}", f"--seed={seed}", f"--threads={threads}"]
    if demo:
        arguments.append("--demo")
    if out is not None:
        arguments.append(f"--out={out.resolve()}")
    if repository is not None:
        arguments.append(f"--repository={repository.resolve()}")
    arguments += [name for name, given in (("--admit", admit), ("--replace", replace)) if given]
    if folder is not None:
        arguments.append(str(folder.resolve()))
    raise typer.Exit(run_in_export(PYTHON, arguments))


def run_in_export(python: Path, arguments: list[str]) -> int:
    """Run the training in the export environment until it ends; returns its exit status.

    Raises:
        ConfigurationError: the environment is not there.
    """
    if not python.is_file():
        raise ConfigurationError(
            "Distilling needs PyTorch, which has an environment of its own (about 5 GB): "
            "run `make .venv-export/.installed` once, then this command again."
        )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [str(python), "-m", "export.distil", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode
