"""The stack's events as lines: plain ones, because a start has a dozen and a log must be readable as well."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from stack.events import StackEvent


class EventPrinter:
    """Prints what people want to know of a stack's life.

    Args:
        quiet: only what goes wrong.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet

    def __call__(self, event: StackEvent) -> None:
        """Print one event, or nothing for those in between."""
        line = self._trouble(event) or ("" if self._quiet else self._progress(event))
        if line:
            self._console.print(line)

    def _progress(self, event: StackEvent) -> str:
        took = f"[dim]{event.seconds:6.1f} s[/]" if event.seconds is not None else ""
        match event.kind:
            case "ready" | "step_done":
                return f"  [green]✓[/] {event.name:<22}{took}"
            case "well":
                return f"  [green]✓[/] {event.name} is well again"
        return ""

    def _trouble(self, event: StackEvent) -> str:
        why = escape(event.detail or "")
        match event.kind:
            case "died":
                return f"  [red]✗[/] {event.name} died: {why}"
            case "restarting":
                return f"  [yellow]↻[/] {event.name} is started again in {event.seconds or 0:.1f} s ({why})"
            case "given_up":
                return f"  [red]✗[/] {event.name} is given up: {why}. `trireme status` shows its log."
            case "unwell":
                return f"  [yellow]![/] {event.name} says that it is not ready"
        return ""
