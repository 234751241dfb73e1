"""Training the demo CLIP, and its exported graph against PyTorch. Runs in the export environment."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export.demo_clip.captions import encode_texts
from export.demo_clip.config import IMAGE_SIZE
from export.demo_clip.glyphs import FONT, read_glyphs
from export.demo_clip.graph import build_graph, read_weights
from export.demo_clip.heldout import embed_pictures, read_heldout
from export.demo_clip.model import PictureTower
from export.demo_clip.pictures import PictureStream
from export.demo_clip.record import load_tower, picture_vectors
from export.demo_clip.subjects import FIGURES, SCENES, _drawn_subject
from export.demo_clip.train import loss_of, rate_at, save_weights

pytestmark = pytest.mark.export_env


def test_exported_graph_equals_pytorch_on_pictures_and_on_noise() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (16, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    pictures = np.concatenate([read_heldout().pictures[100:148], noise])
    exported = embed_pictures(build_graph(read_weights()).SerializeToString(), pictures)
    # Float32 on both sides, batch norms folded on one: the order of additions differs.
    np.testing.assert_allclose(exported, picture_vectors(load_tower(), pictures), atol=1e-4)


def test_recorded_queries_are_the_frozen_text_encoders_vectors() -> None:
    heldout = read_heldout()
    names = ["elephant", "otter", "violin"]
    rows = [heldout.names.index(name) for name in names]
    vectors = encode_texts(["a picture of an elephant", "a picture of an otter", "a picture of a violin"])
    # The pack keeps them as float16.
    np.testing.assert_allclose(heldout.queries[rows], vectors, atol=2e-3)


def test_training_picture_depends_on_its_number_alone_so_that_training_can_resume() -> None:
    subjects = [_drawn_subject(draw, names, figure=True) for draw, names in FIGURES]
    whole = PictureStream(subjects, seed=1, n=40, small_until=20, sizes=(64, IMAGE_SIZE))
    again = PictureStream(subjects, seed=1, n=40, small_until=20, sizes=(64, IMAGE_SIZE))
    other = PictureStream(subjects, seed=2, n=40, small_until=20, sizes=(64, IMAGE_SIZE))
    first = [whole[index] for index in (3, 27)]
    assert first[0][0].shape == (64, 64, 3)
    assert first[1][0].shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    for (picture, subject, caption), index in zip(first, (3, 27), strict=True):
        repeated = again[index]
        assert torch.equal(picture, repeated[0])
        assert (subject, caption) == repeated[1:]
        differs = other[index][0]
        assert not torch.equal(picture, differs)


def test_a_few_steps_on_scenes_bring_pictures_nearer_to_their_captions() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    subjects = [_drawn_subject(draw, names, figure=False) for draw, names in SCENES]
    means = torch.nn.functional.normalize(torch.randn(len(subjects), 384), dim=-1)
    stream = PictureStream(subjects, seed=9, n=480, small_until=480, sizes=(32, IMAGE_SIZE))
    tower = PictureTower()
    optimiser = torch.optim.AdamW(tower.parameters(), lr=1e-3)
    losses = []
    for step in range(15):
        items = [stream[step * 32 + index] for index in range(32)]
        pictures = torch.stack([item[0] for item in items])
        numbers = torch.tensor([item[1] for item in items])
        loss = loss_of(tower(pictures), means[numbers], numbers, means)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])


def test_learning_rate_warms_up_peaks_and_ends_near_zero() -> None:
    rates = [rate_at(step, 1000) for step in range(1000)]
    assert rates[0] < rates[15] < rates[30]
    assert max(rates) == pytest.approx(rates[30], rel=0.01)
    assert rates[-1] < 1e-6


def test_saved_weights_build_the_same_tower(tmp_path: Path) -> None:
    torch.manual_seed(1)
    tower = PictureTower().eval()
    save_weights(tower, tmp_path / "tower.safetensors")
    pictures = read_heldout().pictures[:4]
    exported = embed_pictures(
        build_graph(read_weights(tmp_path / "tower.safetensors")).SerializeToString(), pictures
    )
    # Kept as float16: about three digits per weight.
    np.testing.assert_allclose(exported, picture_vectors(tower, pictures), atol=5e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["tower.safetensors"]


@pytest.mark.skipif(
    not FONT.exists(), reason="needs the font: apt-get install fonts-noto-color-emoji unicode-cldr-core"
)
def test_glyphs_are_those_the_tower_was_trained_on() -> None:
    heldout = read_heldout()
    trained = [name for name, group in zip(heldout.names, heldout.groups, strict=True) if group == "glyphs"]
    # Another release of the font may have gained or lost a few.
    assert len({glyph.name for glyph in read_glyphs()} ^ set(trained)) <= 0.05 * len(trained)
