"""Search requests as a shard reads them: checked against the shard's space before anything is searched."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadMessage, SpaceMismatch
from contracts.search import MAX_K, Filter, SearchRequest
from index_service.lexical.wanted import Wanted, wanted
from index_service.spec import ShardSpec


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One checked query; the tenant sees only its own items.

    Args:
        vector: float32 [dim].
        terms: of its words, None when they are not looked up.
        lexical_weight: of the lexical score; 0 without terms.
        exact: compare with every vector that matches, whatever it costs.
    """

    tenant: str
    vector: NDArray[np.float32]
    k: int
    filter: Filter
    terms: Wanted | None = None
    lexical_weight: float = 0.0
    exact: bool = False


def read_query(request: SearchRequest, spec: ShardSpec) -> Query:
    """The query of a request.

    Raises:
        SpaceMismatch: the request's vector belongs to another space, or has another width.
        BadMessage: it asks for another generation, its k is out of range, its vector or its lexical weight is
            not finite, or that weight is negative.
    """
    if request.space_id != spec.space_id:
        raise SpaceMismatch(f"A query of space {request.space_id} cannot search an index of {spec.space_id}.")
    if request.generation != spec.generation:
        raise BadMessage(f"The query asks for generation {request.generation}, this is {spec.generation}.")
    if len(request.vector) != 4 * spec.dim or request.text_dim != spec.text_dim:
        raise SpaceMismatch(
            f"The query has {len(request.vector)} bytes with a text half of {request.text_dim}; "
            f"this space has {4 * spec.dim} bytes with a text half of {spec.text_dim}."
        )
    if not 1 <= request.k <= MAX_K:
        raise BadMessage(f"A search returns 1 to {MAX_K} items, not {request.k}.")
    vector = np.frombuffer(request.vector, dtype="<f4")
    if not np.isfinite(vector).all():
        raise BadMessage("The query's vector holds values that are not finite numbers.")
    if not 0 <= request.lexical_weight < np.inf:
        raise BadMessage(f"A lexical weight is a finite number from 0 on, not {request.lexical_weight}.")
    terms = wanted(request.words) if request.words and request.lexical_weight else None
    return Query(
        tenant=request.tenant,
        vector=vector,
        k=request.k,
        filter=request.filter,
        terms=terms or None,
        lexical_weight=request.lexical_weight if terms else 0.0,
        exact=request.exact,
    )
