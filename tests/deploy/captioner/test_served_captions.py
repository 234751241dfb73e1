"""The captioner served by a real Triton, asked through the client that ingestion uses."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from contracts.codec import decode
from contracts.errors import DependencyFailed, Overloaded
from contracts.halves import Half
from contracts.joint import half as joint_half
from contracts.keys import half_key
from contracts.tensors import CAPTIONER
from encoding.captioner import Captioner, has_captioner
from encoding.encoder import Encoder
from ingest.extraction.run import Extractor
from ingest.image_handler import ImageHandler
from ingest.joining import join
from ingest.patience import Patience
from ingest.picture_captions import PictureCaptions
from runtime.object_store import ObjectStore
from runtime.triton import TritonClient
from tests.deploy.captioner.conftest import WAITING, CaptionServer
from tests.ingest.samples import VERSION
from tests.ingest.test_handlers import Wanted, embedding, uploaded, work

pytestmark = pytest.mark.integration

TIMEOUT_S = 60.0


@pytest.fixture
async def client(caption_server: CaptionServer) -> AsyncIterator[TritonClient]:
    made = TritonClient(caption_server.address)
    yield made
    await made.close()


@pytest.fixture
def captioner(client: TritonClient, caption_server: CaptionServer) -> Captioner:
    assert has_captioner(caption_server.repository)
    return Captioner(client, caption_server.repository)


async def test_captions_are_transformers_whatever_goes_through_with_them(
    captioner: Captioner, caption_server: CaptionServer
) -> None:
    references = caption_server.references
    pictures = [captioner.prepare_picture(each.picture) for each in references]
    wanted = [" ".join(each.words.split()) for each in references]
    assert len(set(wanted)) > 4
    assert len({len(each.tokens) for each in references}) > 2
    assert await captioner.caption(pictures, timeout_s=TIMEOUT_S) == wanted
    for picture, words in zip(pictures, wanted, strict=True):
        assert await captioner.caption([picture], timeout_s=TIMEOUT_S) == [words]


async def test_the_tokens_are_counted_and_a_shorter_caption_is_a_beginning(
    client: TritonClient, captioner: Captioner, caption_server: CaptionServer
) -> None:
    reference = max(caption_server.references, key=lambda each: len(each.tokens))
    image = captioner.prepare_picture(reference.picture)
    for most in (3, 1000):
        inputs = {"image": image, "max_tokens": np.array([most], dtype=np.int32)}
        async with aclosing(client.stream(CAPTIONER, inputs, first_timeout_s=TIMEOUT_S)) as responses:
            [response] = [each async for each in responses]
        assert int(response["token_count"][0]) == min(most, len(reference.tokens))
        assert reference.words.startswith(bytes(response["caption"][0]).decode())


@pytest.mark.parametrize("shape", [(8, 8, 3), (32, 32, 4)], ids=["another size", "four channels"])
async def test_a_picture_that_cannot_be_taken_fails_alone(
    client: TritonClient, captioner: Captioner, caption_server: CaptionServer, shape: tuple[int, ...]
) -> None:
    good = captioner.prepare_picture(caption_server.references[0].picture)
    answers = await asyncio.gather(
        captioner.caption([np.zeros(shape, np.uint8)], timeout_s=TIMEOUT_S),
        captioner.caption([good], timeout_s=TIMEOUT_S),
        return_exceptions=True,
    )
    assert isinstance(answers[0], DependencyFailed)
    assert answers[1] == [" ".join(caption_server.references[0].words.split())]


async def test_more_pictures_than_may_wait_are_refused_and_the_others_described(
    captioner: Captioner, caption_server: CaptionServer
) -> None:
    picture = captioner.prepare_picture(caption_server.references[0].picture)
    answers = await asyncio.gather(
        *(captioner.caption([picture], timeout_s=TIMEOUT_S) for _ in range(20 * WAITING)), return_exceptions=True
    )
    refused = [each for each in answers if isinstance(each, BaseException)]
    assert all(isinstance(each, Overloaded) for each in refused)
    described = [each for each in answers if not isinstance(each, BaseException)]
    assert described == [[" ".join(caption_server.references[0].words.split())]] * len(described)
    assert len(described) >= WAITING


async def test_the_health_check_asks_without_a_picture(caption_server: CaptionServer) -> None:
    assert caption_server.spec.ready is not None
    assert await caption_server.spec.ready()


async def test_a_picture_that_stands_alone_is_indexed_with_the_vector_of_its_caption(
    captioner: Captioner, client: TritonClient, caption_server: CaptionServer, tmp_path: Path
) -> None:
    reference = max(caption_server.references, key=lambda each: len(each.tokens))
    file = io.BytesIO()
    reference.picture.save(file, "PNG")
    store = ObjectStore.from_url(f"file://{tmp_path}/objects")
    encoder = Encoder(client, caption_server.repository)
    patience = Patience(budget_s=5.0)
    captions = PictureCaptions(captioner, patience=patience, timeout_s=TIMEOUT_S)
    async with Extractor() as extractor:
        handler = ImageHandler(
            store,
            extractor,
            Wanted(encoder),
            *embedding(store, "image"),
            patience=patience,
            embed_timeout_s=TIMEOUT_S,
            captions=captions,
        )
        document = await uploaded(store, "photo.png", file.getvalue())
        await handler.handle(work(document, "image"))
    key = half_key(encoder.space.space_id, document.doc_id, VERSION, "image")
    half = decode(Half, await store.get(key))
    [item] = join(encoder.space, None, half, "g").items
    words = " ".join(reference.words.split())
    assert (item.machine_caption, item.captioned_by) == (words, captioner.name)
    [vector] = await encoder.embed_texts([words], role="passage", priority=2, timeout_s=TIMEOUT_S)
    text_half = np.frombuffer(item.vector, "<f2")[: encoder.space.text_dim]
    np.testing.assert_allclose(text_half, joint_half(encoder.space, "text", vector), atol=1e-3)
