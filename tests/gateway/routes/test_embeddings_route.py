"""POST /v1/embeddings and GET /v1/models as the `openai` client sees them, over a socket."""

import base64
import struct
from typing import Any

import numpy as np
import openai
import pytest

from contracts.errors import DependencyDown, Overloaded
from gateway.settings import GatewaySettings
from tests.gateway.door import Door
from tests.gateway.fakes import HALF, pixel_vector, word_tokens, word_vector
from tests.gateway.listening import asked_with_openai
from tests.gateway.routes.test_search_route import png

TEXTS = ["a kite needs wind", "bees", "clay pots dry before the kiln"]


@pytest.mark.parametrize("model", ["text_encoder", "clip_text"])
async def test_texts_are_embedded_in_their_order_whatever_the_format(model: str) -> None:
    async with asked_with_openai(Door()) as client:
        # The client asks for Base64 unless it is told otherwise.
        packed = await client.embeddings.create(model=model, input=TEXTS)
        plain = await client.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    assert (packed.model, [each.index for each in packed.data]) == (model, [0, 1, 2])
    for text, one, other in zip(TEXTS, packed.data, plain.data, strict=True):
        np.testing.assert_array_equal(np.float32(one.embedding), word_vector(text))
        np.testing.assert_array_equal(np.float32(other.embedding), word_vector(text))
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == sum(len(text.split()) for text in TEXTS)


async def test_base64_is_little_endian_float32() -> None:
    async with Door().client() as client:
        body = {"model": "text_encoder", "input": "bees", "encoding_format": "base64"}
        response = await client.post("/v1/embeddings", json=body)
    data = base64.b64decode(response.json()["data"][0]["embedding"])
    assert struct.unpack(f"<{HALF}f", data) == tuple(word_vector("bees").tolist())


async def test_token_ids_are_embedded_as_the_text_that_they_came_from() -> None:
    async with asked_with_openai(Door()) as client:
        (one,) = (await client.embeddings.create(model="text_encoder", input=word_tokens(TEXTS[0]))).data
        many = await client.embeddings.create(model="text_encoder", input=[word_tokens(text) for text in TEXTS])
    np.testing.assert_array_equal(np.float32(one.embedding), word_vector(TEXTS[0]))
    assert len(many.data) == 3
    assert many.usage.prompt_tokens == sum(len(text.split()) for text in TEXTS)


@pytest.mark.parametrize("model", ["clip_image", "clip_image_distilled"])
async def test_pictures_come_as_data_urls_or_as_objects_with_base64(model: str) -> None:
    door = Door()
    door.encoder.has_distilled = True
    encoded = base64.b64encode(png(colour="green")).decode()
    pictures: Any = [f"data:image/png;base64,{encoded}", {"image": encoded}]
    async with asked_with_openai(door) as client:
        many = await client.embeddings.create(model=model, input=pictures)
        (one,) = (await client.embeddings.create(model=model, input=pictures[0])).data
    expected = pixel_vector((await door.services.pictures.read(png(colour="green"))).pixels)
    for each in (*many.data, one):
        np.testing.assert_array_equal(np.float32(each.embedding), expected)
    assert many.usage.prompt_tokens == 0
    assert set(door.encoder.calls) == {model}


async def test_the_models_own_width_may_be_asked_for_and_no_other() -> None:
    async with asked_with_openai(Door()) as client:
        assert (await client.embeddings.create(model="clip_text", input="bees", dimensions=HALF)).data
        with pytest.raises(openai.BadRequestError) as refused:
            await client.embeddings.create(model="clip_text", input="bees", dimensions=HALF // 2)
    assert refused.value.param == "dimensions"
    assert f"{HALF} dimensions" in refused.value.message


@pytest.mark.parametrize(
    ("model", "asked", "says"),
    [
        ("text_encoder", [], "empty"),
        ("text_encoder", " ", "empty"),
        ("text_encoder", ["bees", ""], "empty"),
        ("text_encoder", ["bees"] * 9, "at most 8"),
        ("text_encoder", "bees " * 101, "at most 100"),
        ("text_encoder", "x" * 60_000, "50,000"),
        ("text_encoder", {"image": "aaaa"}, "clip_image"),
        ("text_encoder", [["bees"]], "token ids"),
        ("text_encoder", [True], "token ids"),
        ("clip_image", "bees", "data URL"),
        ("clip_image", [3, 4], "data URL"),
        ("clip_image", "https://example.com/a.png", "data URL"),
        ("clip_image", {"image": "!"}, "Base64"),
        ("clip_image", {"image": ""}, "empty"),
        ("clip_image", {"image": base64.b64encode(b"%PDF-1.7").decode()}, "PNG"),
    ],
)
async def test_an_input_that_cannot_be_embedded_is_refused_with_the_reason(
    model: str, asked: Any, says: str
) -> None:
    async with asked_with_openai(Door(GatewaySettings(max_embeddings=8))) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.embeddings.create(model=model, input=asked)
    assert says in refused.value.message


async def test_an_encoder_that_is_not_there_is_not_found() -> None:
    async with asked_with_openai(Door()) as client:
        for name in ("text-embedding-3-small", "clip_image_distilled", "llama"):
            with pytest.raises(openai.NotFoundError):
                await client.embeddings.create(model=name, input="bees")


async def test_a_busy_encoder_and_one_that_is_away_are_errors_of_their_own() -> None:
    door = Door()
    async with asked_with_openai(door) as client:
        door.encoder.failing["text"] = Overloaded("The model 'text_encoder' has too many requests waiting.")
        with pytest.raises(openai.RateLimitError):
            await client.embeddings.create(model="text_encoder", input="bees")
        door.encoder.failing["text"] = DependencyDown("triton")
        with pytest.raises(openai.InternalServerError) as away:
            await client.embeddings.create(model="text_encoder", input="bees")
    assert away.value.status_code == 503


async def test_the_models_that_answer_are_listed_and_another_is_not_found() -> None:
    async with asked_with_openai(Door()) as client:
        names = {model.id async for model in client.models.list()}
        one = await client.models.retrieve("trireme")
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nothing")
    assert names == {"text_encoder", "trireme"}
    assert (one.id, one.object, one.owned_by) == ("trireme", "model", "trireme")
