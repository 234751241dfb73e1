"""From checkpoints to a stack that searches: tiny seeded ones, by the commands that people use."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.search import Filter
from encoding.encoder import Encoder
from export.distil.towers import CaptionTower, PictureTeacher
from runtime.triton import TritonClient
from stack.home import CHECKOUT
from tests.integration.test_documents import add
from tests.running_stack import RunningStack, running

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
    with running("space", "--models", str(repository)) as started:
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
