"""From checkpoints to a stack that searches: tiny seeded ones, by the commands that people use."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from client.client import TriremeClient
from contracts.api import SearchResponse
from contracts.joint import Weights
from contracts.search import Filter
from encoding.encoder import Encoder
from export.distil.towers import CaptionTower, PictureTeacher
from runtime.triton import TritonClient
from stack.home import CHECKOUT
from tests.constant_searches import PATIENT, ConstantSearches
from tests.integration.test_documents import add
from tests.running_stack import RunningStack, running, until

pytestmark = pytest.mark.integration

EXPORT_PYTHON = CHECKOUT / ".venv-export" / "bin" / "python"
COLLECTION = "exported"
TEXT_DIM, IMAGE_DIM = 32, 16
SENTENCES = ("the cat sits", "rain in the old town", "a letter")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints, exported and made a space of."""
    if not EXPORT_PYTHON.is_file():
        pytest.skip("the export environment is not set up: run `make export-environment`")
    folder = tmp_path_factory.mktemp("space")
    made, into = folder / "exported", folder / "space"
    run(str(EXPORT_PYTHON), "-m", "tests.export.tiny_checkpoints", str(folder))
    trireme = (sys.executable, "-m", "cli.main", "export")
    run(*trireme, "clip", str(folder / "clip"), "--name", "tiny", "--repository", str(made))
    run(*trireme, "text", str(folder / "bert"), "--name", "words", "--repository", str(made))
    run(*trireme, "space", "--text", "words", "--clip", "tiny", "--repository", str(made), "--into", str(into))
    return into


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def other(repository: Path) -> Iterator[RunningStack]:
    """A whole stack on that space."""
    with running("space", "--models", str(repository), *PATIENT) as started:
        yield started


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((80, 64), Image.Resampling.NEAREST)


def png(seed: int) -> bytes:
    out = io.BytesIO()
    picture(seed).save(out, "PNG")
    return out.getvalue()


async def test_tritons_vectors_are_those_of_the_exported_graphs(other: RunningStack, repository: Path) -> None:
    client = TritonClient(f"127.0.0.1:{other.process('triton').ports['grpc']}")
    encoder = Encoder(client, repository)
    try:
        texts = await encoder.embed_texts(SENTENCES, role="passage", priority=2, timeout_s=30)
        words = await encoder.embed_query_words("a cat", timeout_s=30)
        pixels = [encoder.prepare_picture(picture(seed)) for seed in range(11)]
        pictures = await encoder.embed_pictures(pixels, priority=2, timeout_s=30)
    finally:
        await client.close()
    assert (texts.shape, words.shape, pictures.shape) == ((3, TEXT_DIM), (IMAGE_DIM,), (11, IMAGE_DIM))
    # Another batch size adds in another order.
    text, clip_text = CaptionTower(repository, "text_encoder"), CaptionTower(repository, "clip_text")
    np.testing.assert_allclose(texts, text.embed(SENTENCES), atol=2e-6)
    np.testing.assert_allclose(words, clip_text.embed(["a cat"])[0], atol=2e-6)
    image = PictureTeacher(repository, "clip_image")
    np.testing.assert_allclose(pictures, image.embed(np.stack(pixels)), atol=2e-6)


def test_documents_are_found_by_their_words_and_by_their_pictures(other: RunningStack) -> None:
    for number, sentence in enumerate(SENTENCES):
        add(other, COLLECTION, f"{number}.txt", sentence.encode())
        add(other, COLLECTION, f"{number}.png", png(number))
    only = Filter(collections=(COLLECTION,))
    for number, sentence in enumerate(SENTENCES):
        words = other.client.search(sentence, filter=only).hits[0]
        assert words.source == f"{number}.txt"
        # The same words are the same vector; float16 is what the index keeps.
        assert words.text_score == pytest.approx(1.0, abs=2e-3)
        shown = other.client.search(image=png(number), filter=only).hits[0]
        assert shown.source == f"{number}.png"
        assert shown.image_score == pytest.approx(1.0, abs=2e-3)


def test_a_question_that_is_too_long_for_clip_is_answered_by_the_text_half(
    other: RunningStack, repository: Path
) -> None:
    question = " ".join(["rain in the old town"] * 2)
    assert CaptionTower(repository, "text_encoder").fits(question)
    assert not CaptionTower(repository, "clip_text").fits(question)
    hits = other.client.search(question, filter=Filter(collections=(COLLECTION,))).hits
    assert hits[0].source == "1.txt"


def test_a_sample_of_many_pages_is_cut_to_what_the_encoder_reads(other: RunningStack) -> None:
    data = (CHECKOUT / "samples" / "bicycle-gears.pdf").read_bytes()
    doc_id = add(other, COLLECTION, "bicycle-gears.pdf", data)
    assert other.client.document(doc_id).state == "indexed"


def trireme(stack: RunningStack, *arguments: str) -> Any:
    """JSON of a command of this stack that must succeed."""
    command = (sys.executable, "-m", "cli.main", *arguments, "--home", str(stack.home.root), "--json")
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(client: TriremeClient, number: int) -> tuple[SearchResponse, str]:
    """A sentence that a document consists of: the same words are the same vector in any space."""
    which = number % len(SENTENCES)
    # Weights that hardly change: an answer from the cache would prove nothing.
    weights = Weights(text_text=1.0 + number * 1e-6)
    only = Filter(collections=(COLLECTION,), kinds=("text",))
    return client.search(SENTENCES[which], weights=weights, filter=only), f"{which}.txt"


def serving(stack: RunningStack) -> str:
    return ask(stack.client, time.monotonic_ns() % 1_000_000)[0].generation


def test_another_text_encoder_takes_over_and_gives_back_without_one_search_failing(
    other: RunningStack, repository: Path
) -> None:
    old = serving(other)
    use = ("models", "use", "--text", str(repository.parent / "other_bert"), "--queries", "20", "--yes")
    named = ("--repository", str(repository), "--workplace", str(repository.parent / "work"))
    with ConstantSearches(other.url, ask).going_on() as searching:
        used = trireme(other, *use, *named)
        new = used["generation"]["name"]
        assert (used["switched"], used["refused"], new[:12]) == (True, {}, used["space_id"][:12])
        assert used["compared"]["recorded_queries"] > 0
        comparison = used["compared"]["comparison"]
        assert (comparison["by"], comparison["unanswered"]) == ("document", 0)
        # So few vectors are scanned exactly.
        assert (comparison["old"]["recall"], comparison["new"]["recall"]) == (1.0, 1.0)
        until(lambda: serving(other) == new, "searches go to the new space", 30)
        # Embedded for both spaces: by the words of the one and the picture half that both share.
        add(other, COLLECTION, "after.png", png(77))
        found = other.client.search(image=png(77), filter=Filter(collections=(COLLECTION,)))
        assert (found.hits[0].source, found.generation) == ("after.png", new)
        trireme(other, "index", "generations", "rollback", "--models", str(repository))
        until(lambda: serving(other) == old, "searches go back", 30)
        until(lambda: first(other, png(77)) == "after.png", "what came after is here, too", 30)
    print(searching.report)  # noqa: T201 - how many were slow or partial is for people to see
    assert searching.failures == []
    assert searching.served_by == [old, new, old]
    # Both spaces' models come back with a Triton that was started without the second one's.
    other.kill("triton")
    until(other.is_well, "Triton serves the models of both spaces")
    trireme(other, "index", "generations", "switch", new, "--models", str(repository))
    until(lambda: serving(other) == new, "searches go to the new space", 60)
    assert other.client.search(SENTENCES[0], filter=Filter(collections=(COLLECTION,))).hits[0].source == "0.txt"


def first(stack: RunningStack, image: bytes) -> str:
    hits = stack.client.search(image=image, filter=Filter(collections=(COLLECTION,))).hits
    return hits[0].source if hits else ""
