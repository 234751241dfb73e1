"""One MiniLM, twice: on a real Triton, and behind the embeddings protocol. Nobody can tell the vectors apart."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from pydantic import SecretStr

from encoding.encoder import Encoder
from encoding.opening import open_encoder
from encoding.text import TextTokens
from export.text_api import TextApiRequest, describe_text_api
from runtime.settings import ProcessSettings
from runtime.triton import TritonClient
from stack.process import ProcessSpec
from tests.encoding.embeddings_server import KEY, EmbeddingsServer, Model, Vectors
from tests.stack.servers.conftest import PATHS

pytestmark = pytest.mark.integration

TEXTS = [
    "How often does the pump need oil?",
    "Naïve Übung: λ → 0",
    "The bridge of Osterkai was raised in 1803. " * 12,
    "a",
    "Chapter 7. Valves, and how they are opened, cleaned and closed again.",
]


def minilm() -> Model:
    """The exported text encoder, run in this process."""
    folder = PATHS.repository / "text_encoder" / "1"
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    tokens = TextTokens(folder / "tokenizer.json", max_length=512, pad_token_id=0)

    def embed(texts: Sequence[str]) -> Vectors:
        # Each by itself, with no padding at all.
        rows = [session.run(["embedding"], tokens.pad([ids]))[0][0] for ids in tokens.ids(texts)]
        return np.stack(rows)

    return embed


@pytest.fixture
async def client(triton: ProcessSpec) -> AsyncIterator[TritonClient]:
    made = TritonClient(f"127.0.0.1:{triton.ports['grpc']}")
    yield made
    await made.close()


@pytest.mark.parametrize("speaks", [("float",), ("float", "base64")], ids=["float", "base64"])
async def test_texts_through_the_api_have_tritons_vectors(
    client: TritonClient, tmp_path: Path, speaks: tuple[str, ...]
) -> None:
    repository = tmp_path / "models"
    repository.mkdir()
    for model in ("clip_text", "clip_image"):
        shutil.copytree(PATHS.repository / model, repository / model)
    shutil.copyfile(PATHS.repository / "space.json", repository / "space.json")
    async with EmbeddingsServer(minilm(), name="minilm", speaks=speaks).running() as server:
        report = await describe_text_api(
            TextApiRequest(
                url=server.url,
                key=SecretStr(KEY),
                model="minilm",
                repository=repository,
                tokenizer=PATHS.repository / "text_encoder" / "1" / "tokenizer.json",
                make_space=True,
            )
        )
        assert report.encoding == speaks[-1]
        settings = ProcessSettings(
            process="t", model_repository=repository, text_api_url=server.url, text_api_key=KEY, text_api_batch=2
        )
        served = Encoder(client, PATHS.repository)
        async with open_encoder(client, settings) as composite:
            assert composite.space.space_id != served.space.space_id
            assert composite.max_tokens == served.max_tokens
            assert [composite.token_count(text) for text in TEXTS] == [served.token_count(text) for text in TEXTS]
            for role in ("query", "passage"):
                through_api, through_triton = [
                    await each.embed_texts(TEXTS, role=role, priority=2, timeout_s=60)
                    for each in (composite, served)
                ]
                # The same graph and weights; padding to buckets changes the order of additions.
                np.testing.assert_allclose(through_api, through_triton, atol=1e-5)
            words = await composite.embed_query_words(TEXTS[0], timeout_s=60)
            np.testing.assert_allclose(words, through_triton[0], atol=1e-5)
