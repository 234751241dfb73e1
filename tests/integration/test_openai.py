"""The OpenAI protocol through the whole stack without a language model, with the `openai` client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from tokenizers import Tokenizer

from stack.home import CHECKOUT
from stack.options import DEFAULT_MODELS
from tests.integration.test_documents import add
from tests.running_stack import RunningStack

pytestmark = pytest.mark.integration

SAMPLES = CHECKOUT / "samples"
COLLECTION = "asked-with-openai"
QUESTION: list[Any] = [{"role": "user", "content": "At what fall of mites a day should treatment begin?"}]
TEXTS = ["mites in a beehive", "varroa in a bee colony", "the orbit of a space telescope"]


@pytest.fixture
def client(stack: RunningStack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="none-needed", max_retries=0) as made:
        yield made


def vectors(client: openai.OpenAI, model: str, asked: Any, **options: Any) -> np.ndarray:
    response = client.embeddings.create(model=model, input=asked, **options)
    return np.array([each.embedding for each in response.data], dtype=np.float32)


def test_a_question_is_answered_from_the_documents_with_a_link_to_the_cited_one(
    stack: RunningStack, client: openai.OpenAI
) -> None:
    doc_id = add(stack, COLLECTION, "varroa.pdf", (SAMPLES / "varroa-treatment.pdf").read_bytes())
    only = {"trireme": {"filter": {"collections": [COLLECTION]}}}
    done = client.chat.completions.create(model="trireme", messages=QUESTION, extra_body=only)
    message = done.choices[0].message
    assert "[1]" in (message.content or "")
    assert (done.model_extra or {})["trireme"]["citations"][0]["doc_id"] == doc_id
    cited = (message.annotations or [])[0].url_citation
    assert cited.title == "varroa.pdf"
    assert httpx.get(cited.url, trust_env=False).content == (SAMPLES / "varroa-treatment.pdf").read_bytes()


@pytest.mark.parametrize("model", ["text_encoder", "clip_text"])
def test_texts_of_one_meaning_are_closest_and_every_way_to_ask_gives_the_same_vectors(
    client: openai.OpenAI, model: str
) -> None:
    packed = vectors(client, model, TEXTS)
    np.testing.assert_allclose(np.linalg.norm(packed, axis=1), 1.0, atol=1e-5)
    assert packed[0] @ packed[1] > packed[0] @ packed[2]
    # Alone or in a batch, padded or not: the rest is the order of additions.
    for i, text in enumerate(TEXTS):
        np.testing.assert_allclose(vectors(client, model, text)[0], packed[i], atol=1e-5)
    np.testing.assert_allclose(vectors(client, model, TEXTS, encoding_format="float"), packed, atol=1e-6)
    tokenizer = Tokenizer.from_file(str(DEFAULT_MODELS / model / "1" / "tokenizer.json"))
    tokenizer.no_padding()
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    np.testing.assert_allclose(vectors(client, model, ids), packed, atol=1e-6)
    usage = client.embeddings.create(model=model, input=TEXTS).usage
    assert usage.prompt_tokens == sum(len(each) for each in ids)


def test_a_picture_is_closest_to_its_own_words(client: openai.OpenAI) -> None:
    pictures = [
        {"image": base64.b64encode((SAMPLES / name).read_bytes()).decode()}
        for name in ("rocket.png", "octopus.png")
    ]
    seen = vectors(client, "clip_image", pictures)
    said = vectors(client, "clip_text", ["a rocket", "an octopus"])
    assert np.argmax(seen @ said.T, axis=1).tolist() == [0, 1]
    small = vectors(client, "clip_image_distilled", pictures)
    assert np.all(np.sum(small * seen, axis=1) > 0.8)


def test_a_text_longer_than_the_encoder_reads_is_refused_with_the_limit(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"has \d+ tokens; .* at most \d+"):
        client.embeddings.create(model="text_encoder", input="mites " * 1000)


def test_without_a_language_model_there_is_none_to_chat_with(client: openai.OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert names >= {"trireme", "text_encoder", "clip_text", "clip_image", "clip_image_distilled"}
    assert "llama" not in names
    with pytest.raises(openai.InternalServerError, match="No language model is loaded") as refused:
        client.chat.completions.create(model="llama", messages=QUESTION)
    assert refused.value.status_code == 503
