"""`trireme demo`: from nothing to a cited answer, then the stack stays up for the playground until Ctrl-C."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import err, is_interactive, out
from cli.demo_clock import DemoClock
from cli.doors import GatewayDoor
from cli.files import NamedFile, named_files
from cli.ingesting import ingest_files
from cli.progress import EventPrinter
from cli.setup import SetupPrinter
from cli.showcase import SAMPLES, Shown, first_question, perform, shows
from cli.target import HomeOption, home_at
from cli.up import BrokerOption, PortOption, ResetOption
from client.client import TriremeClient
from contracts.errors import NotFound
from contracts.ids import DEFAULT_COLLECTION
from stack.embedded import EmbeddedStack
from stack.memory import total_bytes
from stack.mock_broker import BANNER
from stack.options import StackOptions
from stack.running import run_stack, unless_stopped
from stack.setup import StepReport, run_setup, setup_steps
from stack.setup_paths import SetupPaths

INGEST_TIMEOUT_S = 120.0
HTTP_TIMEOUT_S = 90.0
NOT_SAMPLES = ("samples/README.md", "samples/damaged/")


def run(
    port: PortOption = None,
    broker: BrokerOption = "kafka",
    reset: ResetOption = False,
    began: Annotated[float | None, typer.Option("--began", hidden=True, help="Unix time of the start.")] = None,
    home: HomeOption = None,
) -> None:
    """Set up, start the stack, ingest the samples and ask questions; stays up until Ctrl-C."""
    demo = Demo(DemoClock.since(began))
    out.rule("Set-up")
    demo.set_up()
    options = StackOptions(home=home_at(home), broker=broker, port=port, reset=reset)
    out.rule("Start")
    if options.broker_kind == "mock":
        out.print(f"[bold yellow]{BANNER}[/]")
    demo.clock.begin("start")
    asyncio.run(run_stack(options, EventPrinter(out), demo.while_up))
    out.print("All processes are stopped.")
    if not demo.succeeded:
        raise typer.Exit(1)


@dataclass(slots=True)
class Demo:
    """One run of the demo."""

    clock: DemoClock
    shown: list[Shown] = field(default_factory=list)
    finished: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it came to its end and everything was as it should be; a person who stops it is no failure."""
        return not self.finished or all(row.as_expected for row in self.shown)

    def set_up(self) -> None:
        """Fetch what is missing and export the models."""
        printer = SetupPrinter(out)

        def on_progress(report: StepReport) -> None:
            self.clock.note_setup(report, time.time())
            printer(report)

        run_setup(setup_steps(SetupPaths()), on_progress)

    async def while_up(self, stack: EmbeddedStack, stop: asyncio.Event) -> None:
        """Ingest, ask, print; then wait for Ctrl-C where there is a person."""
        self.clock.end("start")
        if not await unless_stopped(asyncio.to_thread(self._show, stack.state.gateway_url), stop):
            return
        pids = [view.pid for view in stack.state.processes if view.pid is not None]
        held_mib = await asyncio.to_thread(total_bytes, pids) / 2**20
        out.print(f"{len(pids)} processes hold {held_mib:.0f} MiB of resident memory.")
        self.finished = True
        if is_interactive():
            out.print(f"\n[bold green]Try it:[/] [link]{stack.state.gateway_url}[/]   Ctrl-C stops everything.")
            await stop.wait()
            out.print("\nStopping")

    def _show(self, url: str) -> None:
        """Runs in a thread of its own; ends by itself when the gateway goes away."""
        with TriremeClient(url, timeout_s=HTTP_TIMEOUT_S) as client:
            self._ingest(client)
            out.rule("Questions")
            self.shown.append(perform(client, first_question()))
            self.clock.answered()
            self.shown += [perform(client, show) for show in shows()]
        out.print(_table(self.shown))
        out.print(self.clock.summary())

    def _ingest(self, client: TriremeClient) -> None:
        out.rule("Ingestion")
        self.clock.begin("ingest")
        files = sample_files()
        ends = ingest_files(
            files, GatewayDoor(client, DEFAULT_COLLECTION), client, err, timeout_s=INGEST_TIMEOUT_S
        )
        self.clock.end("ingest")
        indexed = sum(end.state == "indexed" for end in ends)
        for end in ends:
            if end.state != "indexed":
                out.print(f"[red]{end.state}[/] {escape(end.name)} {escape(end.reason or '')}")
        took_s = self.clock.seconds("ingest")
        out.print(f"{indexed} of {len(files)} documents are indexed after {took_s:.1f} s.")
        row = Shown(
            "ingestion", f"{len(files)} documents", f"{indexed} indexed", took_s * 1000, indexed == len(files)
        )
        self.shown.append(row)


def sample_files() -> list[NamedFile]:
    """The documents of samples/, without the page about them and the damaged ones.

    Raises:
        NotFound: the checkout has no samples.
    """
    if not SAMPLES.is_dir():
        raise NotFound("This checkout has no samples/ folder.")
    return [file for file in named_files([SAMPLES]) if not file.name.startswith(NOT_SAMPLES)]


def _table(shown: list[Shown]) -> Table:
    table = Table(header_style="bold", expand=False)
    for heading in ("what", "asked", "what came back"):
        table.add_column(heading)
    table.add_column("ms", justify="right")
    table.add_column("")
    for row in shown:
        mark = "[green]✓[/]" if row.as_expected else "[red]✗[/]"
        table.add_row(escape(row.what), escape(row.asked), escape(row.found), f"{row.ms:,.0f}", mark)
    return table
