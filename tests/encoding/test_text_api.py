"""The text half by an API: prefixes, lengths, and that another model is never taken for the space's."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from contracts.errors import ConfigurationError, DependencyDown, DependencyFailed, InvalidInput, PayloadTooLarge
from contracts.space import Space
from encoding.encoder import Encoder
from encoding.manifests import TextApiManifest
from encoding.opening import open_encoder
from runtime.settings import ProcessSettings
from tests.encoding.embeddings_server import KEY, EmbeddingsServer, Model, Vectors, bag_of_words
from tests.encoding.test_encoder import CountingModel

DIM, IMAGE_DIM = 12, 4
WORDS = bag_of_words(DIM)
PROBE = "the probe of this test"


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def repository_of(
    folder: Path, *, model: Model = WORDS, space: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """A repository whose text half is made by `model` behind an API, and whose pictures are Triton's."""
    manifest = TextApiManifest(
        **{
            "api_model": "words",
            "fingerprint": "abc",
            "dim": DIM,
            "dimensions": None,
            "encoding": "base64",
            "max_length": 40,
            "tokenizer": None,
            "query_prefix": "query: ",
            "passage_prefix": "passage: ",
            "probe_text": PROBE,
            "probe_vector": unit(model([PROBE]))[0].tolist(),
        }
        | changes
    )
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    for name in ("text_api", "clip_text", "clip_image"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(folder / name / "tokenizer.json"))
    (folder / "text_api" / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    tower = {"sha256": "1", "dim": IMAGE_DIM, "max_length": 32, "pad_token_id": 0, "tokenizer": "tokenizer.json"}
    for name in ("clip_text", "clip_image"):
        served = {"model": name, "image_size": 8, "resize": "stretch", **tower}
        (folder / name / "manifest.json").write_text(json.dumps(served))
    described = Space(
        **{
            "encoders": {"text": manifest.identity, "clip_text": "clip_text@1", "clip_image": "clip_image@1"},
            "text_dim": DIM,
            "image_dim": IMAGE_DIM,
            "centred": False,
            "means": {"text": [0.0] * DIM, "clip_text": [0.0] * IMAGE_DIM, "clip_image": [0.0] * IMAGE_DIM},
            "query_prefix": manifest.query_prefix,
            "passage_prefix": manifest.passage_prefix,
        }
        | (space or {})
    )
    (folder / "space.json").write_bytes(msgspec.json.encode(described))
    return folder


def settings_of(repository: Path, url: str, **more: Any) -> ProcessSettings:
    return ProcessSettings(process="test", model_repository=repository, text_api_url=url, text_api_key=KEY, **more)


@asynccontextmanager
async def encoder_of(server: EmbeddingsServer, repository: Path, **more: Any) -> AsyncIterator[Encoder]:
    async with (
        server.running(),
        open_encoder(CountingModel(), settings_of(repository, server.url, **more)) as encoder,
    ):
        yield encoder


async def test_texts_go_out_with_their_prefixes_and_come_back_as_unit_vectors(tmp_path: Path) -> None:
    async with encoder_of(EmbeddingsServer(WORDS), repository_of(tmp_path)) as encoder:
        for role in ("query", "passage"):
            vectors = await encoder.embed_texts(["pumps", "valves"], role=role, priority=1, timeout_s=10)
            wanted = unit(WORDS([f"{role}: pumps", f"{role}: valves"]))
            np.testing.assert_allclose(vectors, wanted, atol=1e-6)
        assert not encoder.shares_text_tower
        assert encoder.models == ("clip_text", "clip_image")


async def test_pictures_and_clips_words_still_come_from_triton(tmp_path: Path) -> None:
    server = EmbeddingsServer(WORDS)
    async with encoder_of(server, repository_of(tmp_path)) as encoder:
        asked = len(server.requests)
        picture = np.full((8, 8, 3), 7, np.uint8)
        assert (await encoder.embed_pictures([picture], priority=1, timeout_s=5))[0, 0] == 7
        assert (await encoder.embed_query_words("three word question", timeout_s=5)).shape == (IMAGE_DIM,)
        with pytest.raises(InvalidInput, match="An API embeds the texts"):
            encoder.tokenise("text_encoder", ["three word question"], "query")
    assert len(server.requests) == asked


async def test_the_probe_is_asked_for_once_while_all_goes_well(tmp_path: Path) -> None:
    server = EmbeddingsServer(WORDS)
    async with encoder_of(server, repository_of(tmp_path)) as encoder:
        for _ in range(3):
            await encoder.embed_texts(["pumps"], role="query", priority=1, timeout_s=10)
    assert [PROBE in request["input"] for request in server.requests] == [True, False, False, False]


async def test_requests_hold_no_more_texts_than_was_set(tmp_path: Path) -> None:
    server = EmbeddingsServer(WORDS)
    async with encoder_of(server, repository_of(tmp_path), text_api_batch=3) as encoder:
        await encoder.embed_texts(["pumps"] * 8, role="passage", priority=2, timeout_s=10)
    assert max(len(request["input"]) for request in server.requests) == 3


async def test_another_width_than_the_spaces_stops_the_process_with_both_numbers(tmp_path: Path) -> None:
    server = EmbeddingsServer(bag_of_words(DIM + 4))
    with pytest.raises(ConfigurationError, match=f"{DIM + 4} numbers.* has {DIM}"):
        async with encoder_of(server, repository_of(tmp_path)):
            pass


async def test_another_model_of_the_same_name_and_width_is_found_out(tmp_path: Path) -> None:
    server = EmbeddingsServer(bag_of_words(DIM, seed=1))
    with pytest.raises(ConfigurationError, match="another model"):
        async with encoder_of(server, repository_of(tmp_path)):
            pass


async def test_a_model_that_is_swapped_behind_a_failure_is_found_out(tmp_path: Path) -> None:
    server = EmbeddingsServer(WORDS)
    async with encoder_of(server, repository_of(tmp_path)) as encoder:
        server.model = bag_of_words(DIM, seed=1)
        server.refusals = [(500, {"Retry-After": "99"})]
        for error in ("failed", "another model", "another model"):
            with pytest.raises(DependencyFailed, match=error):
                await encoder.embed_texts(["pumps"], role="query", priority=1, timeout_s=1)


async def test_another_width_in_the_midst_of_work_is_a_failure_that_passes(tmp_path: Path) -> None:
    server = EmbeddingsServer(WORDS)
    async with encoder_of(server, repository_of(tmp_path)) as encoder:
        server.model = bag_of_words(DIM + 1)
        with pytest.raises(DependencyFailed, match=f"{DIM + 1} numbers"):
            await encoder.embed_texts(["pumps"], role="query", priority=1, timeout_s=5)
        server.model = WORDS
        assert (await encoder.embed_texts(["pumps"], role="query", priority=1, timeout_s=5)).shape == (1, DIM)


async def test_a_server_that_is_not_up_yet_holds_nobody_up(tmp_path: Path) -> None:
    repository = repository_of(tmp_path)
    server = EmbeddingsServer(WORDS)
    async with server.running():
        pass
    async with open_encoder(CountingModel(), settings_of(repository, server.url)) as encoder:
        with pytest.raises(DependencyDown):
            await encoder.embed_texts(["pumps"], role="query", priority=1, timeout_s=5)


async def test_lengths_are_the_tokenizers_where_there_is_one(tmp_path: Path) -> None:
    repository = repository_of(tmp_path, tokenizer="tokenizer.json", max_length=5)
    async with encoder_of(EmbeddingsServer(WORDS), repository) as encoder:
        assert (encoder.token_count("one two three four"), encoder.max_tokens) == (5, 5)
        await encoder.embed_texts(["one two three four"], role="passage", priority=1, timeout_s=10)
        with pytest.raises(PayloadTooLarge):
            await encoder.embed_texts(["one two three four five"], role="passage", priority=1, timeout_s=10)


async def test_without_a_tokenizer_lengths_are_guessed_too_long_rather_than_too_short(tmp_path: Path) -> None:
    async with encoder_of(EmbeddingsServer(WORDS), repository_of(tmp_path)) as encoder:
        prefix = encoder.token_count("")
        # No tokenizer in use has more: words in pieces of two letters, a token for each Chinese character.
        assert encoder.token_count("the oil pumps of the plant") - prefix >= len("theoilpumpsoftheplant") / 2
        assert encoder.token_count("工厂的油泵") - prefix >= 5


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"encoders": {"text": "openai:other@1", "clip_text": "c@1", "clip_image": "c@1"}}, "openai:other@1"),
        ({"query_prefix": ""}, "or other prefixes"),
    ],
)
async def test_a_space_of_another_model_or_other_prefixes_is_refused(
    tmp_path: Path, space: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        async with open_encoder(CountingModel(), settings_of(repository_of(tmp_path, space=space), "http://h/v1")):
            pass


async def test_a_space_by_an_api_needs_a_url(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"openai:words@abc.*TRIREME_TEXT_API_URL"):
        async with open_encoder(CountingModel(), settings_of(repository_of(tmp_path), "")):
            pass


async def test_a_url_without_such_a_space_is_a_mistake_and_said_so(tmp_path: Path) -> None:
    encoders = {"text": "text_encoder@1", "clip_text": "c@1", "clip_image": "c@1"}
    repository = repository_of(tmp_path, space={"encoders": encoders})
    with pytest.raises(ConfigurationError, match="Triton serves the text half"):
        async with open_encoder(CountingModel(), settings_of(repository, "http://h/v1")):
            pass


def test_the_key_is_not_in_the_settings_words() -> None:
    assert KEY not in repr(settings_of(Path("x"), "http://h/v1"))
