"""`trireme models list|load|unload|update|use`: what Triton serves, and which version of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, err, out, print_json
from cli.model_table import ModelReport, models_table, report_on
from cli.models_use import use
from cli.target import HomeOption
from cli.triton_target import (
    REPOSITORY,
    KeyOption,
    RemoteOption,
    RepositoryOption,
    Target,
    TritonOption,
    address_of,
    control_address,
)
from contracts.errors import Conflict
from export.publish import models_of_the_space
from stack.home import CHECKOUT
from stack.servers.triton_control import ModelControl
from stack.servers.triton_probe import probe_models

app = typer.Typer(
    rich_markup_mode=None,
    epilog="Nothing here restarts a server. What was loaded or unloaded by hand holds until Triton itself starts "
    "again: then every model that has an exported version is loaded.",
)

ModelArgument = Annotated[str, typer.Argument(help="Name of the model, as `trireme models list` shows it.")]


@app.command("list")
def list_models(
    triton: TritonOption = None,
    admin_key: KeyOption = None,
    repository: RepositoryOption = REPOSITORY,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every model: whether it really answers, which version serves, its precision and where it came from."""
    target = Target(address_of(triton, home), admin_key)

    async def work(control: ModelControl) -> list[ModelReport]:
        index = await control.index()
        serving = [model.name for model in index.values() if model.serving is not None]
        health = await probe_models(target.address, serving)
        return [report_on(model, repository, answers=model.name not in health.failed) for model in index.values()]

    reports = target.run(work)
    if as_json:
        print_json(reports)
        return
    out.print(models_table(reports))


@app.command()
def load(
    model: ModelArgument,
    triton: TritonOption = None,
    remote: RemoteOption = False,
    admin_key: KeyOption = None,
    repository: RepositoryOption = REPOSITORY,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load a model, or change over to its newest version on disk; no request is lost while it does."""
    target = Target(control_address(triton, home, remote=remote), admin_key)

    async def work(control: ModelControl) -> ModelReport:
        found = await control.load(model)
        health = await probe_models(target.address, [model])
        return report_on(found, repository, answers=not health.failed)

    _tell(target.run(work), as_json=as_json)


@app.command()
def unload(
    model: ModelArgument,
    force: Annotated[bool, typer.Option("--force", help="Also a model that searches need.")] = False,
    triton: TritonOption = None,
    remote: RemoteOption = False,
    admin_key: KeyOption = None,
    repository: RepositoryOption = REPOSITORY,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a model out of memory; requests under way are answered first."""
    target = Target(control_address(triton, home, remote=remote), admin_key)
    if model in models_of_the_space(repository) and not force:
        raise Conflict(
            f"The joint space is made of '{model}': without it searches are degraded and documents wait. "
            "Give --force to unload it all the same."
        )

    async def work(control: ModelControl) -> ModelReport:
        return report_on(await control.unload(model), repository, answers=False)

    _tell(target.run(work), as_json=as_json)


@app.command()
def update(
    model: ModelArgument,
    export: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="An exported model of the same checkpoint, as `trireme export` wrote it."
        ),
    ],
    with_config: Annotated[
        bool,
        typer.Option("--with-config", help="Take the export's configurations too, such as int8's accelerator."),
    ] = False,
    samples: Annotated[
        Path, typer.Option(help="Real pictures and .txt/.md texts on which the vectors are compared.")
    ] = CHECKOUT / "samples",
    triton: TritonOption = None,
    remote: RemoteOption = False,
    admin_key: KeyOption = None,
    repository: RepositoryOption = REPOSITORY,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put another form of a model, such as another precision, in the place of the version that serves.

    The export must take the same tensors and give the model's vectors; both are measured here on real inputs, and
    again on the server. It becomes the next version; Triton changes over without losing a request. When anything
    fails, the former version serves on and the new one is removed.

    trireme export text sentence-transformers/all-MiniLM-L6-v2 --precision int8 --repository /tmp/new

    trireme models update text_encoder /tmp/new/all_minilm_l6_v2
    """
    from stack.model_candidate import open_candidate
    from stack.model_update import ModelUpdate, Update

    target = Target(control_address(triton, home, remote=remote), admin_key)
    candidate = open_candidate(export.resolve())

    async def work(control: ModelControl) -> Update:
        job = ModelUpdate(control, target.address, repository, samples, with_config, _say)
        return await job.run(model, candidate)

    done = target.run(work)
    if as_json:
        print_json(done)
        return
    cosine = f", smallest cosine to the reference {done.served_min_cosine:.4f}" if done.served_min_cosine else ""
    out.print(
        f"[green]✓[/] {escape(model)}: version {done.version} serves in {escape(done.precision)} "
        f"in the place of version {done.replaced}{cosine}."
    )


app.command()(use)


def _tell(report: ModelReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        out.print(models_table([report]))


def _say(step: str) -> None:
    err.print(f"  [dim]… {escape(step)}[/]")
