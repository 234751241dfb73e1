"""Which of the requests that came together run together: those of like length. No engine, no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Arrays = Mapping[str, Any]

MASK = "attention_mask"
"""An input of this name says which tokens count, so that a row may be filled up with ones that do not."""


def may_be_padded(part: Arrays) -> bool:
    """Whether a request's rows may be made longer: it has a mask, and all its inputs are tokens as the mask is."""
    return MASK in part and part[MASK].ndim == 2 and all(each.shape == part[MASK].shape for each in part.values())


def plan_runs(parts: Sequence[Arrays], run_cost: int) -> list[list[int]]:
    """The places of requests that run together, dearest run first; every place is in one run.

    Requests of one shape run together. Those that may be padded also run with longer ones, where the padding costs
    less than a run more would: of all ways to cut the requests, sorted by length, into runs, the one is taken that
    costs least, a run counting `run_cost` and its tokens with padding.

    Args:
        run_cost: what a run costs beside its tokens, in tokens.
    """
    if all(may_be_padded(part) for part in parts):
        sizes = [part[MASK].shape for part in parts]
        return _fewest_tokens([(int(rows), int(length)) for rows, length in sizes], run_cost)
    by_shape: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for place, part in enumerate(parts):
        by_shape.setdefault(tuple(each.shape[1:] for each in part.values()), []).append(place)
    return list(by_shape.values())


def _fewest_tokens(sizes: Sequence[tuple[int, int]], run_cost: int) -> list[list[int]]:
    """See `plan_runs`; `sizes` are rows and length of each request."""
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
    return sorted(runs, key=lambda run: -sum(sizes[place][0] for place in run) * sizes[run[-1]][1])
