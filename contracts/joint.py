"""Joint-vector maths: one vector holds a text half and a picture half, `[t ; v]`.

The inner product of a weighted query with an item is the weighted sum of cosines, so weights can change
per query without touching the index (concatenation under inner product; see MUST, arXiv 2312.06397).
Centring makes 0 mean "average", so that an absent half neither helps nor hurts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.errors import InvalidInput, SpaceMismatch
from contracts.space import Space, Tower

Vector = NDArray[np.float32]

# Below this length a centred half carries no direction worth having and counts as absent.
_SHORTEST_HALF = 1e-3


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each pair of (asked with, found in) counts. Negative weights push away.

    Args:
        lexical: of the words that an item shares with the query, from 0 (they are not looked up) on. It is no part
            of the joint vector. Its default was set by docs/benchmarks/lexical.md.
    """

    text_text: float = 1.0
    text_image: float = 1.0
    image_image: float = 1.0
    lexical: float = 0.3


def unit(vector: Vector) -> Vector:
    """`vector` scaled to length 1, or zeros when it has no length. Shape [d]."""
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length > 0 else np.zeros_like(vector, dtype=np.float32)


def half(space: Space, tower: Tower, embedding: Vector | None) -> Vector:
    """One tower's output as it enters the joint space: `unit(unit(e) - mean)`, or zeros when absent.

    Args:
        embedding: float [width of the tower], or None.

    Raises:
        SpaceMismatch: the embedding has another width than the tower.
    """
    width = space.width(tower)
    if embedding is None:
        return np.zeros(width, dtype=np.float32)
    if embedding.shape != (width,):
        raise SpaceMismatch(f"A '{tower}' vector must have shape ({width},), not {embedding.shape}.")
    if not np.isfinite(embedding).all() or not embedding.any():
        return np.zeros(width, dtype=np.float32)
    centred = unit(embedding) - space.mean(tower)
    if float(np.linalg.norm(centred)) < _SHORTEST_HALF:
        return np.zeros(width, dtype=np.float32)
    return unit(centred)


def join_item(space: Space, text: Vector | None, image: Vector | None) -> Vector:
    """Joint vector of an item, float32 [dim], from raw encoder outputs."""
    return np.concatenate([half(space, "text", text), half(space, "clip_image", image)])


def join_query(
    space: Space,
    weights: Weights,
    *,
    text: Vector | None = None,
    clip_text: Vector | None = None,
    images: Sequence[Vector] = (),
    image_weights: Sequence[float] | None = None,
) -> Vector:
    """Joint query `[w_tt * q ; w_tv * c + sum_i w_vv * p_i]`, float32 [dim], not renormalised.

    Args:
        text: the words by the text encoder. clip_text: the words by the CLIP text tower.
        images: each picture by the CLIP image tower. image_weights: how much each counts beside the others; 1
            where they are absent.

    Raises:
        InvalidInput: nothing to search with, or the weights cancel everything.
    """
    left = weights.text_text * half(space, "text", text)
    right = weights.text_image * half(space, "clip_text", clip_text)
    for image, weight in zip(images, image_weights or [1.0] * len(images), strict=True):
        right = right + weights.image_image * weight * half(space, "clip_image", image)
    query = np.concatenate([left, right]).astype(np.float32)
    if not query.any():
        raise InvalidInput("The query is empty: give words or a picture, and weights that are not all zero.")
    return query
