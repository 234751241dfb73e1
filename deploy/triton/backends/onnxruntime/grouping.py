"""Which of the requests that came together run together, and which side by side. No engine, no server."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Arrays = Mapping[str, Any]

MASK = "attention_mask"
"""An input of this name says which tokens count, so that a row may be filled up with ones that do not."""

OTHER_ROW = 1024
"""What a row costs that is no text, in tokens: far more than the run itself."""


def may_be_padded(part: Arrays) -> bool:
    """Whether a request's rows may be made longer: it has a mask, and all its inputs are tokens as the mask is."""
    return MASK in part and part[MASK].ndim == 2 and all(each.shape == part[MASK].shape for each in part.values())


@dataclass(frozen=True)
class Plan:
    """Places of requests that run together, dearest run first; every place is in one run.

    Args:
        side_by_side: whether the runs are to be done at once, with one thread each, instead of one after the other
            with all threads.
    """

    runs: list[list[int]]
    side_by_side: bool


def plan_runs(parts: Sequence[Arrays], lanes: int, run_cost: int, gain: float) -> Plan:
    """The runs that take least time.

    Requests of one shape run together. Those that may be padded also run with longer ones, where the padding costs
    less than a run more would: of all ways to cut the requests, sorted by length, into runs, the one is taken that
    costs least, a run counting `run_cost` and its tokens with padding. Then the lanes: a run that is more than one
    lane's share is cut, and the runs are done side by side where the busiest lane is done before all threads
    together would have done them in turn.

    Args:
        lanes: how many runs may be done at once.
        run_cost: what a run costs beside its tokens, in tokens.
        gain: how many times a token is faster with all threads than with one.
    """
    sizes = [_size(part) for part in parts]
    if all(may_be_padded(part) for part in parts):
        together = _fewest_tokens(sizes, run_cost)
    else:
        by_shape: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for place, part in enumerate(parts):
            by_shape.setdefault(tuple(each.shape[1:] for each in part.values()), []).append(place)
        together = list(by_shape.values())
    together.sort(key=lambda run: -_tokens(sizes, run))
    if lanes == 1 or len(parts) == 1:
        return Plan(together, side_by_side=False)
    shared = _cut(sizes, together, lanes)
    in_turn = sum(run_cost + _tokens(sizes, run) for run in together)
    if _busiest(sizes, shared, lanes, run_cost, gain) < in_turn:
        return Plan(shared, side_by_side=True)
    return Plan(together, side_by_side=False)


def _size(part: Arrays) -> tuple[int, int]:
    """Rows, and what one of them costs: its length if it is a text."""
    value = part[MASK] if MASK in part else next(iter(part.values()))
    return int(value.shape[0]), int(value.shape[1]) if value.ndim == 2 else OTHER_ROW


def _tokens(sizes: Sequence[tuple[int, int]], run: Sequence[int]) -> int:
    return sum(sizes[place][0] for place in run) * max(sizes[place][1] for place in run)


def _cut(sizes: Sequence[tuple[int, int]], runs: Sequence[list[int]], lanes: int) -> list[list[int]]:
    """The runs, those of more than a lane's share in as many pieces as there are lanes; dearest first."""
    share = sum(_tokens(sizes, run) for run in runs) / lanes
    found = []
    for run in runs:
        pieces = min(lanes, len(run)) if _tokens(sizes, run) > share else 1
        edges = [len(run) * piece // pieces for piece in range(pieces + 1)]
        found += [run[start:end] for start, end in itertools.pairwise(edges)]
    return sorted(found, key=lambda run: -_tokens(sizes, run))


def _busiest(
    sizes: Sequence[tuple[int, int]], runs: Sequence[Sequence[int]], lanes: int, run_cost: int, gain: float
) -> float:
    """When the last lane is done, each run being begun by the first lane that is free."""
    done = [0.0] * lanes
    for run in runs:
        free = done.index(min(done))
        done[free] += run_cost + gain * _tokens(sizes, run)
    return max(done)


def _fewest_tokens(sizes: Sequence[tuple[int, int]], run_cost: int) -> list[list[int]]:
    """The cheapest cut, see `plan_runs`; each run is sorted by length."""
    order = sorted(range(len(sizes)), key=lambda place: sizes[place][1])
    # Of the first `end` requests by length: the least cost, and where their last run begins.
    least, begins = [0], [0]
    for end in range(1, len(order) + 1):
        length, rows, best = sizes[order[end - 1]][1], 0, (-1, 0)
        for begin in range(end - 1, -1, -1):
            rows += sizes[order[begin]][0]
            cost = least[begin] + run_cost + rows * length
            if best[0] < 0 or cost < best[0]:
                best = (cost, begin)
        least.append(best[0])
        begins.append(best[1])
    runs, end = [], len(order)
    while end > 0:
        runs.append(order[begins[end] : end])
        end = begins[end]
    return runs
