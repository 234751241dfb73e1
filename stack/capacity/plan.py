"""A whole plan, and several of them side by side as a table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from stack.capacity.around import gateway_needs, log_needs, model_needs, store_needs, worker_needs
from stack.capacity.index import index_needs
from stack.capacity.load import Load, Need
from stack.capacity.prices import Prices, cost_needs

_GIB = 2**30
_UNITS = ((2**40, "TiB"), (_GIB, "GiB"), (2**20, "MiB"))


def plan(load: Load, prices: Prices) -> list[Need]:
    """Everything that a load needs, and what it costs a month."""
    needs = [
        *index_needs(load),
        *log_needs(load),
        *store_needs(load),
        *worker_needs(load),
        *model_needs(load),
        *gateway_needs(load),
    ]
    return [*needs, *cost_needs(needs, load.shards, prices)]


def shown(need: Need) -> str:
    """An amount as people read it."""
    amount = need.amount
    if need.unit == "bytes":
        size, unit = next(((s, u) for s, u in _UNITS if amount >= s), (2**20, "MiB"))
        return f"{amount / size:,.1f} {unit}"
    if need.unit == "seconds":
        return f"{amount / 3600:,.1f} h" if amount >= 3600 else f"{amount:,.0f} s"
    if need.unit in {"cores", "a second"}:
        return f"{amount:,.2f}" if amount < 10 else f"{amount:,.0f}"
    return f"{amount:,.0f}"


def markdown(loads: Sequence[Load], prices: Prices) -> str:
    """Plans of the same parts beside each other: a column a load, a row a need, and how it was computed."""
    plans = [plan(load, prices) for load in loads]
    heads = [f"{load.items:,} items" for load in loads]
    lines = [f"| part | what | {' | '.join(heads)} | how |", f"|---|---|{'---:|' * len(loads)}---|"]
    for row in zip(*plans, strict=True):
        first = row[0]
        unit = "" if first.unit in {"bytes", "seconds", ""} else f" ({first.unit})"
        amounts = " | ".join(shown(need) for need in row)
        lines.append(f"| {first.part} | {first.name}{unit} | {amounts} | {first.formula} |")
    return "\n".join(lines)
