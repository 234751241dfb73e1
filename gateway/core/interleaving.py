"""Two rankings drawn into one list, so that a click says which one was preferred. Pure."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def team_draft(
    rankings: Sequence[Sequence[T]], k: int, identity: Callable[[T], Hashable], rng: Random
) -> list[tuple[T, int]]:
    """The first k of two rankings as one list, each entry with the index of the ranking that brought it.

    Team-draft interleaving (Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval
    quality?", CIKM 2008): as captains choose their teams, the rankings take turns to bring their best entry that
    is not there yet, and a coin decides who begins each round. Neither ranking can gain by its place in the list.

    Args:
        rng: tosses the coin.
    """
    taken: set[Hashable] = set()
    drafted: list[tuple[T, int]] = []
    left = [_not_taken(ranking, taken, identity) for ranking in rankings]
    exhausted: set[int] = set()
    while len(drafted) < k and len(exhausted) < 2:
        first = rng.randrange(2)
        for team in (first, 1 - first):
            if len(drafted) == k:
                break
            entry = next(left[team], None)
            if entry is None:
                exhausted.add(team)
                continue
            taken.add(identity(entry))
            drafted.append((entry, team))
    return drafted


def _not_taken(ranking: Sequence[T], taken: set[Hashable], identity: Callable[[T], Hashable]) -> Iterator[T]:
    return (entry for entry in ranking if identity(entry) not in taken)
