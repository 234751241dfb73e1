"""`trireme status`: every process of the stack that runs here. Exit status 1 when one is not well."""

from __future__ import annotations

import time
from dataclasses import dataclass

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import JsonOption, out, print_json
from cli.target import HomeOption, running_stack
from stack.memory import resident_bytes
from stack.state import ProcessView, StackState

STYLE = {"ready": "green", "starting": "yellow", "restarting": "yellow", "waiting": "dim"}


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """A process and what it holds now."""

    process: ProcessView
    resident_mib: float | None


@dataclass(frozen=True, slots=True)
class StackReport:
    """What `trireme status --json` prints."""

    healthy: bool
    gateway_url: str
    phase: str
    broker: str
    generation: str
    resident_mib: float
    processes: list[ProcessReport]


def run(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show every process: port, memory, health, restarts."""
    report = report_on(running_stack(home))
    if as_json:
        print_json(report)
    else:
        out.print(_table(report))
        out.print(
            f"{report.resident_mib:.0f} MiB in all · broker {report.broker} · generation {report.generation}"
        )
        out.print(f"Playground and API: [bold]{report.gateway_url}[/]")
    if not report.healthy:
        raise typer.Exit(1)


def report_on(state: StackState) -> StackReport:
    """Measure the processes of a stack."""
    processes = [ProcessReport(view, _mib(view.pid)) for view in state.processes]
    return StackReport(
        healthy=state.phase == "ready" and all(each.process.state == "ready" for each in processes),
        gateway_url=state.gateway_url,
        phase=state.phase,
        broker=state.broker,
        generation=state.generation,
        resident_mib=sum(each.resident_mib or 0.0 for each in processes),
        processes=processes,
    )


def _table(report: StackReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("process", "health", "pid", "ports", "MiB", "up", "restarts", ""):
        table.add_column(heading, justify="right" if heading in {"pid", "MiB", "up", "restarts"} else "left")
    now_ms = time.time_ns() // 1_000_000
    for each in report.processes:
        view = each.process
        table.add_row(
            view.name,
            f"[{STYLE.get(view.state, 'red')}]{view.state}[/]",
            str(view.pid or ""),
            " ".join(f"{name}:{port}" for name, port in view.ports.items()),
            "" if each.resident_mib is None else f"{each.resident_mib:.0f}",
            _duration(now_ms - view.started_ms) if view.started_ms and view.pid else "",
            str(view.restarts),
            escape(view.detail or ""),
        )
    return table


def _mib(pid: int | None) -> float | None:
    held = resident_bytes(pid) if pid is not None else None
    return None if held is None else held / 2**20


def _duration(ms: int) -> str:
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
