"""Experiments as tables for people."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from contracts.experiments_view import ArmView, EffectView, ExperimentList, ExperimentView

_STATE = {"running": "green", "rolled_back": "red", "stopped": "dim", "draft": "yellow"}
_VERDICT = {"better": "green", "worse": "red", "undecided": "dim"}
_BAR = 41


def headline(view: ExperimentView) -> str:
    """Name, state and the one sentence that matters."""
    unread = "" if view.complete else "\n[yellow]This gateway is still reading the log: numbers are too low.[/]"
    return (
        f"[bold]{escape(view.name)}[/]  [{_STATE[view.state]}]{view.state}[/]  {view.kind} by {view.unit}, "
        f"run {view.run}, metric {view.metric}\n{escape(view.summary)}{unread}"
    )


def list_table(listed: ExperimentList) -> Table:
    """One row an experiment."""
    table = _table("experiment", "state", "kind", "variants", "units", "summary")
    for view in listed.experiments:
        table.add_row(
            escape(view.name),
            f"[{_STATE[view.state]}]{view.state}[/]",
            view.kind,
            escape(", ".join(arm.name for arm in view.variants)),
            str(sum(arm.units for arm in view.variants)),
            escape(view.summary),
        )
    return table


def arms_table(view: ExperimentView) -> Table:
    """One row a variant."""
    table = _table(
        "variant", "share", "changes", "searches", "units", "failed", "clicks", "yes", "no", "p50 ms", "p95 ms"
    )
    for arm in view.variants:
        counts = (arm.impressions, arm.units, arm.failed, arm.clicks, arm.yes, arm.no)
        table.add_row(
            escape(arm.name),
            f"{arm.share:.0%}",
            escape(_changes(arm)),
            *map(str, counts),
            _bound(arm.p50_ms),
            _bound(arm.p95_ms),
        )
    return table


def effects_table(view: ExperimentView) -> Table:
    """One row a treatment and measure: the interval in numbers, and on a line from -1 to 1."""
    table = _table("variant", "measure", "difference", "interval", "-1 · 0 · 1", "", "guardrail")
    for effect in view.effects:
        name = f"[bold]{effect.measure}[/]" if effect.is_metric else effect.measure
        table.add_row(
            escape(effect.variant),
            name,
            f"{effect.estimate:+.3f}",
            f"{effect.low:+.3f} to {effect.high:+.3f}",
            bar(effect),
            f"[{_VERDICT[effect.verdict]}]{effect.verdict}[/]",
            "" if effect.margin is None else f"{effect.margin:g}",
        )
    return table


def history_lines(view: ExperimentView) -> Iterator[str]:
    """The audit log, newest first."""
    for change in reversed(view.history):
        when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(change.at_ms / 1000))
        why = f": {change.why}" if change.why else ""
        yield f"[dim]{when}  {change.action} by {escape(change.by + why)}[/]"


def bar(effect: EffectView) -> str:
    """The interval as a line of characters."""

    def place(value: float) -> int:
        return round((max(-1.0, min(1.0, value)) + 1) / 2 * (_BAR - 1))

    line = ["·"] * _BAR
    line[place(effect.low) : place(effect.high) + 1] = "─" * (place(effect.high) - place(effect.low) + 1)
    line[place(0.0)] = "┼" if effect.low <= 0 <= effect.high else "|"
    line[place(effect.estimate)] = "●"
    return "".join(line)


def _changes(arm: ArmView) -> str:
    def shown(value: object) -> str:
        return "/".join(f"{part:g}" for part in value.values()) if isinstance(value, dict) else str(value)

    return ", ".join(f"{name}={shown(value)}" for name, value in arm.changes.items()) or "nothing"


def _bound(value_ms: float | None) -> str:
    return "" if value_ms is None else f"≤{value_ms:g}"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "summary")
    return table
