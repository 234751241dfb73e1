"""Ways of ranking that are compared: the joint search, each half of it alone, and fusions of separate searches."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.client import TriremeClient
from client.evaluation.figures import FIGURES, Estimate, estimate, fused, gains
from client.evaluation.judged import JudgedQuery
from contracts.api import SearchResponse
from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, Overloaded
from contracts.joint import Weights

DEFAULT = "joint"
TEXT = Weights(text_text=1.0, text_image=0.0, image_image=0.0, lexical=0.0)
PICTURE = Weights(text_text=0.0, text_image=1.0, image_image=1.0, lexical=0.0)
# Words decide, and among items that share as many the text half: a search needs a vector.
WORDS = Weights(text_text=0.01, text_image=0.0, image_image=0.0, lexical=10.0)
NO_WORDS = Weights(text_text=1.0, text_image=1.0, image_image=1.0, lexical=0.0)

WAYS: Mapping[str, tuple[Weights | None, ...]] = {
    DEFAULT: (None,),
    "joint without words": (NO_WORDS,),
    "text half": (TEXT,),
    "picture half": (PICTURE,),
    "words": (WORDS,),
    "RRF of two halves": (TEXT, PICTURE),
    "RRF of halves and words": (TEXT, PICTURE, WORDS),
}
"""By name: a way's searches, whose lists are fused where there are several. None: the gateway's own weights."""

# Documents of each search: as deep as lists are fused, and as MRR looks.
DEPTH = 50
_TRIES = 10
_BETWEEN_S = 0.3
TOTAL = "all kinds"

Found = Callable[[JudgedQuery, Weights | None], list[str]]


@dataclass(frozen=True, slots=True)
class WayFigures:
    """What one way came to over queries of one kind.

    Args:
        figures: of `FIGURES`, in their order.
        behind: of the joint search's nDCG@10 minus this way's, query by query; None for the joint search itself.
    """

    kind: str
    way: str
    queries: int
    figures: tuple[Estimate, ...]
    behind: Estimate | None


def evaluate(
    client: TriremeClient,
    queries: Sequence[JudgedQuery],
    ways: Mapping[str, tuple[Weights | None, ...]] = WAYS,
    *,
    done: Callable[[], None] = lambda: None,
) -> list[WayFigures]:
    """Ask every query in every way; figures by kind, and of all where there are several kinds.

    Args:
        ways: the first is what the others are compared with.
        done: called after each query.

    Raises:
        DependencyFailed: the gateway gives partial answers only. Whatever `TriremeClient.search` raises.
    """
    measured: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
    for query in queries:
        kept: dict[Weights | None, list[str]] = {}
        for way, searches in ways.items():
            for weights in searches:
                if weights not in kept:
                    kept[weights] = found(client, query, weights)
            measured[way].append(gains(fused([kept[weights] for weights in searches]), query.relevant))
        done()
    kinds = list(dict.fromkeys(query.kind for query in queries))
    return [
        figures
        for kind in (kinds if len(kinds) == 1 else [*kinds, TOTAL])
        for figures in _of_kind(kind, np.array([kind in (query.kind, TOTAL) for query in queries]), measured)
    ]


def found(client: TriremeClient, query: JudgedQuery, weights: Weights | None) -> list[str]:
    """Documents that a search finds, best first, by the names that the query judges; none where none is asked."""
    asks_words = weights is None or bool(weights.text_text or weights.text_image)
    asks_picture = weights is None or bool(weights.image_image)
    words = query.words if asks_words else None
    picture = query.picture if asks_picture else None
    if words is None and picture is None:
        return []
    hits = _complete(lambda: client.search(words, image=picture, k=DEPTH, weights=weights, by_document=True)).hits
    return [hit.doc_id if hit.doc_id in query.relevant else hit.source for hit in hits]


def _complete(search: Callable[[], SearchResponse]) -> SearchResponse:
    """An answer of all shards and both halves: a machine that is busy must not lower a figure."""
    for _ in range(_TRIES - 1):
        try:
            response = search()
        except (DeadlineExceeded, DependencyDown, Overloaded):
            time.sleep(_BETWEEN_S)
            continue
        if response.coverage.answered == response.coverage.of and not response.degraded:
            return response
        time.sleep(_BETWEEN_S)
    response = search()
    if response.coverage.answered < response.coverage.of or response.degraded:
        raise DependencyFailed("index", f"After {_TRIES} tries parts of the index still do not answer in time.")
    return response


def _of_kind(
    kind: str, chosen: NDArray[np.bool_], measured: Mapping[str, list[tuple[float, ...]]]
) -> list[WayFigures]:
    table = {way: np.array(rows, dtype=np.float64)[chosen] for way, rows in measured.items()}
    first = next(iter(table))
    gained = FIGURES.index("nDCG@10")
    return [
        WayFigures(
            kind,
            way,
            len(values),
            tuple(estimate(values[:, column]) for column in range(len(FIGURES))),
            None if way == first else estimate(table[first][:, gained] - values[:, gained]),
        )
        for way, values in table.items()
    ]
