"""`trireme up`: the whole stack in the foreground, or left running with --detach."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.console import err, out
from cli.progress import EventPrinter
from cli.target import HomeOption, home_at
from contracts.errors import Conflict, InvalidInput, NotFound
from stack.embedded import EmbeddedStack
from stack.events import StackFailed
from stack.home import StackHome
from stack.mock_broker import BANNER
from stack.options import DEFAULT_MODELS, DEFAULT_PORT, StackOptions
from stack.running import run_stack
from stack.servers.triton import CPU
from stack.state import StackState, read_state

DETACH_TIMEOUT_S = 240.0
_DETACHED_LOG = "stack.log"

BrokerOption = Annotated[
    str, typer.Option("--broker", help="kafka (our own), HOST:PORT (one that runs), or mock (in memory).")
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="The gateway's port; 8080 or a free one by default."),
]
WatchOption = Annotated[Path | None, typer.Option("--watch", help="Ingest files that appear in this folder.")]
ModelsOption = Annotated[
    Path, typer.Option("--models", help="The model repository to serve, with the encoders' manifests.")
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", help="Which of their configurations models get: cpu, cuda, tensorrt, plan, your own."
    ),
]
TextApiOption = Annotated[
    str | None,
    typer.Option("--text-api", help="URL of the embeddings API, where the joint space is made of one."),
]
TextApiKeyOption = Annotated[
    str | None,
    typer.Option(
        "--text-api-key",
        envvar="TRIREME_TEXT_API_KEY",
        help="Its key; better by the variable.",
        show_default=False,
    ),
]
GatewayOption = Annotated[
    list[str] | None,
    typer.Option(
        "--gateway",
        metavar="NAME=VALUE",
        help="A setting of the gateway, such as search_budget_ms=500; repeat it.",
    ),
]
ResetOption = Annotated[bool, typer.Option("--reset", help="Delete all documents and indexes first.")]


def run(
    port: PortOption = None,
    broker: BrokerOption = "kafka",
    watch: WatchOption = None,
    reset: ResetOption = False,
    models: ModelsOption = DEFAULT_MODELS,
    device: DeviceOption = CPU,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running; `trireme down` stops it.")] = False,
    home: HomeOption = None,
    text_api: TextApiOption = None,
    text_api_key: TextApiKeyOption = None,
    gateway: GatewayOption = None,
) -> None:
    """Start the stack on this machine; Ctrl-C stops it."""
    if watch is not None and not watch.is_dir():
        raise InvalidInput(f"The folder to watch, '{watch}', does not exist.")
    encoders = {"text_api_url": text_api, "text_api_key": text_api_key} if text_api else {}
    options = StackOptions(
        home=home_at(home),
        broker=broker,
        port=port,
        watch=watch,
        reset=reset,
        model_repository=models.resolve(),
        device=device,
        encoders={name: value for name, value in encoders.items() if value},
        gateway=settings_of(gateway or ()),
    )
    if options.broker_kind == "mock":
        out.print(f"[bold yellow]{BANNER}[/]")
    if detach:
        _print_up(_detached(options.home), port)
    else:
        out.print("Starting the stack")

        async def stay_up(stack: EmbeddedStack, stop: asyncio.Event) -> None:
            _print_up(stack.state, port)
            await stop.wait()
            out.print("\nStopping")

        asyncio.run(run_stack(options, EventPrinter(out), stay_up))
        out.print("Stopped.")


def settings_of(texts: Sequence[str]) -> dict[str, str]:
    """Settings as they were named, NAME=VALUE; whether there is such a setting, the process says that gets it.

    Raises:
        InvalidInput: one has no name or no '='.
    """
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise InvalidInput(f"'{text}' is no setting: NAME=VALUE.")
        settings[name.lower()] = value
    return settings


def _print_up(state: StackState, port: int | None) -> None:
    if port is None and not state.gateway_url.endswith(f":{DEFAULT_PORT}"):
        out.print(f"[dim]Port {DEFAULT_PORT} is taken by another program, so a free one was chosen.[/]")
    out.print(f"[bold green]Ready.[/] Playground and API: [link]{state.gateway_url}[/]")


def _detached(home: StackHome) -> StackState:
    """Run the same command in a session of its own and wait until its stack is ready."""
    if home.is_locked():
        raise Conflict("A stack is already running here. `trireme status` shows it, `trireme down` stops it.")
    home.create()
    log = home.logs / _DETACHED_LOG
    arguments = [each for each in sys.argv[1:] if each != "--detach"]
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + DETACH_TIMEOUT_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            err.print(log.read_text(errors="replace"), markup=False)
            raise StackFailed("The stack did not start; what it said stands above.")
        try:
            state = read_state(home)
            if state.phase == "ready":
                return state
        except NotFound:
            pass
        time.sleep(0.3)
    child.terminate()
    raise StackFailed(f"The stack was not ready within {DETACH_TIMEOUT_S:.0f} s; its log is {log}.")
