"""`trireme setup`: fetches what the stack needs and exports the models; quick when it is done already."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from cli.console import out
from stack.setup import StepReport, phase_seconds, run_setup, setup_steps
from stack.setup_paths import SetupPaths


def run() -> None:
    """Fetch what the stack needs and export the models."""
    reports = run_setup(setup_steps(SetupPaths()), SetupPrinter(out))
    done = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in phase_seconds(reports).items())
    out.print(f"Set-up is complete ({done}).")


class SetupPrinter:
    """Prints a line when a step has been done, and what a person should know of it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, report: StepReport) -> None:
        """Print one report; called from several threads, which rich allows."""
        if report.seconds is None:
            self._console.print(f"  [dim]… {report.phase}: {report.name}[/]")
        elif not report.was_done:
            self._console.print(f"  [green]✓[/] {report.phase}: {report.name} [dim]{report.seconds:.1f} s[/]")
        if report.note:
            self._console.print(f"    {escape(report.note)}")
