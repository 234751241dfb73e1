"""The same questions in two spaces: words and pictures encoded by each space's own models.

A vector means nothing in another space, so what people asked is asked anew in words, where the log kept them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.codec import decode
from contracts.errors import NotFound
from contracts.generations import Generation
from contracts.ids import DEFAULT_TENANT
from contracts.items import ItemSet
from contracts.joint import Weights, join_query
from contracts.keys import item_prefix
from contracts.search import SearchRequest
from contracts.tensors import PRIORITY_UPLOAD
from encoding.encoder import Encoder
from encoding.pictures import decode_picture
from runtime.object_store import ObjectStore

_TIMEOUT_S = 20.0
# About as long as a question.
_WORDS = 9

Pair = tuple[SearchRequest, SearchRequest]
"""One question as the old generation and as the new one is asked it."""


async def in_words(
    encoder: Encoder, generation: Generation, words: str | None, picture: bytes | None = None, *, k: int
) -> SearchRequest:
    """A question as a generation of the encoder's space is asked it, with the default weights.

    Raises:
        InvalidInput, PayloadTooLarge, UnsupportedMedia: words or picture that the models do not take.
        DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: the models do not answer.
    """
    weights = Weights()
    text = clip_text = None
    images: list[NDArray[np.float32]] = []
    if words is not None:
        rows = await encoder.embed_texts([words], role="query", priority=PRIORITY_UPLOAD, timeout_s=_TIMEOUT_S)
        text, clip_text = rows[0], await encoder.embed_query_words(words, timeout_s=_TIMEOUT_S)
    if picture is not None:
        pixels = encoder.prepare_picture(decode_picture(picture, target_edge=encoder.image_size))
        images = list(await encoder.embed_pictures([pixels], priority=PRIORITY_UPLOAD, timeout_s=_TIMEOUT_S))
    vector = join_query(encoder.space, weights, text=text, clip_text=clip_text, images=images)
    return SearchRequest(
        tenant=DEFAULT_TENANT,
        correlation_id="",
        reply_partition=0,
        deadline_ms=0,
        space_id=encoder.space.space_id,
        generation=generation.name,
        vector=vector.astype("<f4").tobytes(),
        text_dim=encoder.space.text_dim,
        k=k,
        words=words,
        lexical_weight=weights.lexical if words else 0.0,
    )


async def asked_again(
    asked: Sequence[SearchRequest], encoder: Encoder, generation: Generation, *, k: int
) -> list[Pair]:
    """Recorded searches beside the same words in the new space; those without words are left out."""
    pairs: list[Pair] = []
    for request in asked:
        if request.words:
            new = await in_words(encoder, generation, request.words, k=k)
            same = msgspec.structs.replace(new, filter=request.filter, lexical_weight=request.lexical_weight)
            pairs.append((request, same))
    return pairs


async def from_stored_words(
    store: ObjectStore, old: tuple[Encoder, Generation], new: tuple[Encoder, Generation], *, limit: int, k: int
) -> list[Pair]:
    """Some words out of the texts of stored items as questions, drawn with a fixed seed.

    Raises:
        DependencyDown: the store or the models do not answer. BadMessage: stored items cannot be read.
    """
    keys = sorted([meta.key async for meta in store.list(item_prefix(old[1].name))])
    draw = np.random.default_rng(0)
    pairs: list[Pair] = []
    for key in draw.permutation(np.asarray(keys, dtype=object)):
        if len(pairs) >= limit:
            break
        try:
            items = decode(ItemSet, await store.get(str(key))).items
        except NotFound:
            continue  # Replaced since the listing.
        words = [text for item in items if (text := item.text.split())]
        if words:
            text = words[int(draw.integers(len(words)))]
            start = int(draw.integers(max(1, len(text) - _WORDS)))
            question = " ".join(text[start : start + _WORDS])
            pairs.append((await in_words(*old, question, k=k), await in_words(*new, question, k=k)))
    return pairs
