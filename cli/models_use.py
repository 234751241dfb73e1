"""`trireme models use CHECKPOINT`: from a checkpoint to searches that use it, in one go."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, err, is_interactive, out, print_json
from cli.generations_build import WaitOption, filled
from cli.generations_compare import Compared, DepthOption, JudgedOption, QueriesOption, compared, tell
from cli.generations_life import switched
from cli.generations_target import deployment, known_generations, serving, stand_back
from cli.index_target import KafkaOption, ObjectsOption
from cli.target import HomeOption
from cli.triton_target import (
    REPOSITORY,
    KeyOption,
    RemoteOption,
    RepositoryOption,
    Target,
    TritonOption,
    control_address,
)
from contracts.errors import Conflict, DependencyFailed, InvalidInput
from contracts.generations import Generation, GenerationParameters, oldest_first
from contracts.ids import DEFAULT_TENANT
from stack.home import CHECKOUT, DEFAULT_HOME

if TYPE_CHECKING:
    from contracts.space import Space
    from stack.generations.building import Deployment
    from stack.new_space import Checkpoints, NewSpace
    from stack.servers.triton_control import ModelControl

WORKPLACE = DEFAULT_HOME / "cache" / "use"
_EXPORT_TIMEOUT_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Used:
    """How it ended.

    Args:
        generation: the index of the new space.
        refused: documents that could not be embedded, with the reason.
        compared: with the index that served before; None where the text half of that is embedded by an API.
        switched: searches go to it now.
    """

    space_id: str
    generation: Generation
    refused: dict[str, str]
    compared: Compared | None
    switched: bool


def use(
    checkpoint: Annotated[
        str | None,
        typer.Argument(metavar="[CHECKPOINT]", help="Folder or hub id; which half it is, it says itself."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Checkpoint for the text half.")] = None,
    clip: Annotated[str | None, typer.Option(help="Checkpoint for the picture half, a CLIP.")] = None,
    precision: Annotated[str, typer.Option(help="As `trireme export clip --help` explains.")] = "fp32",
    samples: Annotated[
        Path, typer.Option(help="Pictures and texts like your own: for parity, int8, and each tower's mean.")
    ] = CHECKOUT / "samples",
    pairs: Annotated[
        Path | None, typer.Option(help="Pictures with captions: recall with and without centring is measured.")
    ] = None,
    shards: Annotated[int | None, typer.Option("--shards", min=1, help="As many as now by default.")] = None,
    queries: QueriesOption = 100,
    k: DepthOption = 10,
    judged: JudgedOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Change over without asking.")] = False,
    timeout_s: WaitOption = 3600.0,
    workplace: Annotated[Path, typer.Option(help="Folder for what is made on the way.")] = WORKPLACE,
    triton: TritonOption = None,
    remote: RemoteOption = False,
    admin_key: KeyOption = None,
    repository: RepositoryOption = REPOSITORY,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search with another encoder: export, compare with PyTorch, load, build an index of its own, compare, switch.

    A half that no checkpoint is named for stays as it is. Searches and uploads go on all the time with what serves
    now; a step that fails changes nothing of that, and the same command goes on from there. The index before is
    kept: `trireme index generations rollback` returns to it.

    trireme models use intfloat/multilingual-e5-small

    trireme models use --text ./my-encoder --clip openai/clip-vit-base-patch32 --judged queries.jsonl
    """
    from stack.new_space import Checkpoints

    if sum(one is not None for one in (checkpoint, text, clip)) == 0:
        raise InvalidInput("Name a checkpoint, or one for each half with --text and --clip.")
    stand_back()
    target = deployment(home, kafka, objects, repository)
    server = Target(control_address(triton, home, remote=remote), admin_key)
    old = serving(known_generations(target))
    if checkpoint is not None:
        half = _kind_of(checkpoint)
        if (text if half == "text" else clip) is not None:
            raise InvalidInput(f"'{checkpoint}' is for the {half} half, and --{half} names another one for it.")
        text, clip = (checkpoint, clip) if half == "text" else (text, checkpoint)
    wanted = Checkpoints(_absolute(text), _absolute(clip), precision, samples.resolve(), pairs and pairs.resolve())
    space = _space(target, target.space_of(old), wanted, server, workplace)
    if space.space_id == old.space_id:
        raise Conflict(f"Searches use these encoders already: '{old.name}' is of the space {space.space_id}.")
    generation, refused, ready = _generation(target, space, shards, timeout_s, home)
    if not ready:
        out.print(
            f"{generation.name} is not filled yet; the same command, or `resume {generation.name}`, goes on."
        )
        raise typer.Exit(1)
    found = None
    if target.space_of(old).text_by_api:
        _say("Not compared: an API embeds the texts of the space in use")
    else:
        _say(f"Comparing {generation.name} with {old.name}")
        work = compared(target, old, generation, n_queries=queries, k=k, judged=judged, triton=server.address)
        found = asyncio.run(work)
        if not as_json:
            tell(found)
    agreed = yes or (is_interactive() and typer.confirm(f"Send searches to {generation.name}?"))
    if agreed:
        generation = switched(target, generation.name, home)
    if as_json:
        print_json(Used(space.space_id, generation, refused, found, agreed))
    elif agreed:
        out.print(f"[green]✓[/] searches go to {generation.name}; `trireme index generations rollback` goes back.")
    else:
        out.print(
            f"Searches stay where they are. To change over: trireme index generations switch {generation.name}"
        )


def _space(target: Deployment, in_use: Space, wanted: Checkpoints, server: Target, workplace: Path) -> Space:
    from stack.new_space import NewSpace

    work = NewSpace(wanted, target.spaces, in_use, workplace.resolve(), _say)
    if (space := work.finished) is None:
        space = work.make(lambda kind, source, into: _export(kind, source, into, wanted))
        # The first space's models are there under their plain names.
        if space.space_id != target.spaces.first.space_id:
            space = server.run(lambda control: _serve(work, control, server.address))
    _say(f"Space {space.space_id}: text {space.text_dim} + pictures {space.image_dim}")
    return space


async def _serve(work: NewSpace, control: ModelControl, address: str) -> Space:
    return await work.serve(control, address)


def _generation(
    target: Deployment, space: Space, shards: int | None, timeout_s: float, home: Path | None
) -> tuple[Generation, dict[str, str], bool]:
    """The index of the space: the one that an earlier run has begun or filled, else a new one."""
    from ingest.backfill.checkpoint import set_paused
    from stack.generations.building import announce

    live = [one for one in known_generations(target).values() if one.is_live and one.space_id == space.space_id]
    begun = [one for one in oldest_first(live) if shards in (None, one.n_shards)]
    if begun and begun[-1].state != "building":
        return begun[-1], {}, True
    if begun:
        generation = begun[-1]
        asyncio.run(set_paused(target.store, generation.name, paused=False))
        _say(f"Going on with {generation.name}")
    else:
        generation = announce(
            target,
            tenant=DEFAULT_TENANT,
            n_shards=shards,
            parameters=GenerationParameters(),
            space_id=space.space_id,
        )
        _say(f"Building {generation.name}: documents are embedded again while searches go on")
    built = asyncio.run(filled(target, generation, timeout_s, home))
    for doc_id, reason in built.refused.items():
        err.print(f"  [red]✗[/] {doc_id}: {escape(reason)}")
    return built.generation, built.refused, built.ready


def _kind_of(checkpoint: str) -> str:
    done = subprocess.run(
        _trireme("export", "kind", _absolute(checkpoint) or "", "--json"),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=CHECKOUT,
        timeout=_EXPORT_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise DependencyFailed("export", f"'{checkpoint}' cannot be used; nothing was changed.")
    return str(json.loads(done.stdout)["kind"])


def _export(kind: str, source: str, into: Path, wanted: Checkpoints) -> None:
    """`trireme export` as a command of its own: it finds PyTorch's environment, and says what is wrong."""
    options = ["--name", kind, "--repository", str(into), "--precision", wanted.precision]
    done = subprocess.run(
        _trireme("export", kind, source, *options, "--samples", str(wanted.samples), "--replace"),
        stdout=sys.stderr,
        stdin=subprocess.DEVNULL,
        cwd=CHECKOUT,
        timeout=_EXPORT_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise DependencyFailed("export", f"'{source}' was not exported; nothing was changed.")


def _trireme(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]


def _absolute(checkpoint: str | None) -> str | None:
    """A folder by its whole path, because the export runs elsewhere; a hub id as it is."""
    if checkpoint is None:
        return None
    with suppress(OSError):
        folder = Path(checkpoint).expanduser()
        if folder.is_dir():
            return str(folder.resolve())
    return checkpoint


def _say(step: str) -> None:
    err.print(f"  [dim]… {escape(step)}[/]")
