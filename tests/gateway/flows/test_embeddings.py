"""Embedding what a caller sends, wherever the text encoder is."""

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from contracts.errors import InvalidInput
from contracts.space import Space
from gateway.flows.embeddings import EmbeddingsFlow
from gateway.flows.pictures import PictureReader
from tests.gateway.fakes import SPACE, TRACE, WordEncoder, word_tokens, word_vector

BY_API = msgspec.structs.replace(SPACE, encoders=SPACE.encoders | {"text": "openai:words@1"})


@dataclass
class ApiEncoder(WordEncoder):
    """One whose texts an API embeds."""

    @property
    def space(self) -> Space:
        return BY_API


def flow(encoder: WordEncoder) -> EmbeddingsFlow:
    return EmbeddingsFlow(encoder, PictureReader(lambda: encoder, max_bytes=1000))


@pytest.mark.parametrize("encoder", [WordEncoder(), ApiEncoder()])
async def test_texts_are_embedded_in_their_order_and_counted(encoder: WordEncoder) -> None:
    embedded = await flow(encoder).texts("text_encoder", ["bees dance", "oil"], "query", TRACE)
    np.testing.assert_array_equal(embedded.vectors, [word_vector("bees dance"), word_vector("oil")])
    assert embedded.tokens == 3


async def test_an_api_takes_no_token_ids_but_the_tower_beside_it_does() -> None:
    tokens = tuple(word_tokens("bees dance"))
    with pytest.raises(InvalidInput, match="API"):
        await flow(ApiEncoder()).texts("text_encoder", [tokens], "passage", TRACE)
    embedded = await flow(ApiEncoder()).texts("clip_text", [tokens], "passage", TRACE)
    np.testing.assert_array_equal(embedded.vectors, [word_vector("bees dance")])
