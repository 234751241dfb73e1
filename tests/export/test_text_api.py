"""`trireme export text-api` against a server that computes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from pydantic import SecretStr
from tokenizers import Tokenizer, models, pre_tokenizers

from contracts.errors import Conflict, DependencyFailed, InvalidInput
from contracts.space import Space
from encoding.manifests import TextApiManifest, load_space, read_manifest
from encoding.opening import open_encoder
from export.sample_inputs import sample_texts
from export.text_api import PROBE, TextApiRequest, describe_text_api
from runtime.settings import ProcessSettings
from stack.home import CHECKOUT
from tests.encoding.embeddings_server import KEY, EmbeddingsServer, bag_of_words
from tests.encoding.test_encoder import CountingModel

DIM = 10
WORDS = bag_of_words(DIM)
CLIP_DIM = 3


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose space is all Triton's."""
    folder = tmp_path / "models"
    folder.mkdir()
    towers = ("text", "clip_text", "clip_image")
    space = Space(
        encoders={tower: f"{tower}@1" for tower in towers},
        text_dim=CLIP_DIM,
        image_dim=CLIP_DIM,
        centred=True,
        means={tower: [0.1] * CLIP_DIM for tower in towers},
    )
    (folder / "space.json").write_bytes(msgspec.json.encode(space))
    return folder


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "pumps.txt").write_text("Valves are opened, cleaned and closed again. " * 40)
    return folder


def asking(server: EmbeddingsServer, repository: Path, samples: Path, **more: Any) -> TextApiRequest:
    return TextApiRequest(
        url=server.url, key=SecretStr(KEY), model="words", repository=repository, samples=samples, **more
    )


async def test_a_space_is_made_of_the_api_and_of_the_clip_that_was_there(repository: Path, samples: Path) -> None:
    before = load_space(repository)
    async with EmbeddingsServer(WORDS).running() as server:
        report = await describe_text_api(
            asking(server, repository, samples, passage_prefix="passage: ", make_space=True)
        )
    space = load_space(repository)
    assert report.space_id == space.space_id != before.space_id
    assert space.encoders == before.encoders | {"text": report.encoder}
    assert report.encoder.startswith("openai:words@")
    assert (space.text_dim, space.image_dim, space.passage_prefix) == (DIM, CLIP_DIM, "passage: ")
    rows = WORDS([f"passage: {text}" for text in sample_texts(samples, 256)])
    mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(space.mean("text"), mean, atol=1e-5)
    assert space.means["clip_image"] == before.means["clip_image"]


async def test_what_was_described_opens_as_an_encoder(repository: Path, samples: Path) -> None:
    for model in ("clip_text", "clip_image"):
        (repository / model).mkdir()
        tower = {"sha256": "1", "dim": CLIP_DIM, "max_length": 9, "pad_token_id": 0, "image_size": 8}
        (repository / model / "manifest.json").write_text(
            json.dumps({"model": model, "resize": "stretch", "tokenizer": "tokenizer.json", **tower})
        )
    tokenizer = repository / "clip_text" / "tokenizer.json"
    tokenizer.write_text(_word_level())
    async with EmbeddingsServer(WORDS).running() as server:
        await describe_text_api(asking(server, repository, samples, tokenizer=tokenizer, make_space=True))
        settings = ProcessSettings(
            process="t", model_repository=repository, text_api_url=server.url, text_api_key=KEY
        )
        async with open_encoder(CountingModel(), settings) as encoder:
            [vector] = await encoder.embed_texts(["oil pumps"], role="query", priority=1, timeout_s=10)
            assert encoder.token_count("oil pumps") == 2
    [wanted] = WORDS(["oil pumps"])
    np.testing.assert_allclose(vector, wanted / np.linalg.norm(wanted), atol=1e-6)


async def test_a_server_without_base64_is_asked_for_numbers(repository: Path, samples: Path) -> None:
    async with EmbeddingsServer(WORDS, speaks=("float",)).running() as server:
        report = await describe_text_api(asking(server, repository, samples))
    assert report.encoding == "float"
    manifest = read_manifest(repository, "text_api", TextApiManifest)
    assert manifest.probe_text == PROBE


async def test_neither_url_nor_key_is_written_down(repository: Path, samples: Path) -> None:
    async with EmbeddingsServer(WORDS).running() as server:
        await describe_text_api(asking(server, repository, samples, make_space=True))
    written = b"".join(_files(repository).values())
    assert KEY.encode() not in written
    assert b"127.0.0.1" not in written


@pytest.mark.parametrize(
    ("server_is", "asked", "error"),
    [
        ({"name": "another"}, {}, DependencyFailed),
        ({"body": b"{}"}, {}, DependencyFailed),
        ({}, {"tokenizer": Path("/nowhere")}, InvalidInput),
    ],
    ids=["unknown model", "no vectors", "no tokenizer"],
)
async def test_a_description_that_fails_leaves_the_repository_untouched(
    repository: Path, samples: Path, server_is: dict[str, Any], asked: dict[str, Any], error: type[Exception]
) -> None:
    before = _files(repository)
    async with EmbeddingsServer(WORDS, **server_is).running() as server:
        with pytest.raises(error):
            await describe_text_api(asking(server, repository, samples, make_space=True, **asked))
    assert _files(repository) == before


async def test_an_earlier_description_is_replaced_only_when_asked(repository: Path, samples: Path) -> None:
    async with EmbeddingsServer(WORDS).running() as server:
        await describe_text_api(asking(server, repository, samples))
        with pytest.raises(Conflict):
            await describe_text_api(asking(server, repository, samples))
        await describe_text_api(asking(server, repository, samples, replace=True, dimensions=4))
    assert read_manifest(repository, "text_api", TextApiManifest).dim == 4


async def test_the_command_says_what_it_did_and_how_to_start(repository: Path, samples: Path) -> None:
    async with EmbeddingsServer(WORDS).running() as server:
        command = ["export", "text-api", server.url, "--model", "words", "--make-space"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", *command),
            *("--repository", str(repository), "--samples", str(samples)),
            cwd=CHECKOUT,
            env=os.environ | {"TRIREME_TEXT_API_KEY": KEY, "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
    assert load_space(repository).space_id in output.decode()
    assert f"trireme setup && trireme up --reset --text-api {server.url}" in output.decode()
    assert KEY not in output.decode()


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _word_level() -> str:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return str(tokenizer.to_str())
