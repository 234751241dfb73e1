"""Training a student at toy size. Runs in the export environment."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d, normalize

from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED, CLIP_TEXT
from export.demo_clip.graph import read_weights
from export.demo_clip.heldout import read_heldout
from export.demo_clip.model import PictureTower
from export.demo_clip.record import load_tower
from export.demo_clip.subjects import SCENES, _drawn_subject
from export.distil import demo
from export.distil.admission import MIN_COSINE_MEAN
from export.distil.cache import Prepared
from export.distil.card import read_card
from export.distil.train import Plan, Progress, batch_rows, loss_of, train
from export.joint_space.new_repository import copy_model

pytestmark = pytest.mark.export_env

CHECKOUT = Path(__file__).parents[3]
MODELS = CHECKOUT / "model_repository"
DIM = 16


@pytest.fixture(scope="module")
def data() -> Prepared:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((96 + 6, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    subjects = np.array([0, 0, 1, 1, 2, 2])
    # The teacher's vector follows the picture's colour, so that there is something to learn.
    colours = rng.integers(0, 3, 96)
    pictures = np.zeros((96, 24, 24, 3), np.uint8)
    pictures[np.arange(96), :, :, colours] = 200
    pictures += rng.integers(0, 40, pictures.shape, dtype=np.uint8)
    return Prepared(
        pictures=pictures,
        teacher=vectors[colours],
        caption_of=2 * colours + rng.integers(0, 2, 96),
        captions=vectors[[0, 0, 1, 1, 2, 2]],
        subjects=subjects,
        key="toy",
    )


def toy_student() -> PictureTower:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    return PictureTower(widths=(8, 16), blocks=(0, 1), stem_stride=3, dim=DIM)


PLAN = Plan(steps=24, batch=32, rate=5e-3, checkpoint_every=8)


def test_the_student_comes_near_the_teachers_vectors(data: Prepared, tmp_path: Path) -> None:
    told: list[Progress] = []
    plan = Plan(steps=150, batch=32, rate=5e-3)
    tower, _ = train(toy_student(), data, plan, tmp_path / "checkpoint.pt", told.append)
    with torch.inference_mode():
        cosines = (tower(torch.from_numpy(data.pictures)).numpy() * data.teacher).sum(1)
    assert [progress.step for progress in told] == [50, 100, 150]
    assert told[-1].loss < 0.8 * told[0].loss
    assert cosines.mean() > 0.5


def test_an_interrupted_training_that_is_resumed_ends_with_the_same_weights(
    data: Prepared, tmp_path: Path
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 16:
            raise KeyboardInterrupt

    whole, _ = train(toy_student(), data, PLAN, tmp_path / "whole.pt", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        train(toy_student(), data, PLAN, tmp_path / "parts.pt", interrupt)
    told: list[int] = []
    resumed, _ = train(
        toy_student(), data, PLAN, tmp_path / "parts.pt", lambda progress: told.append(progress.step)
    )
    assert told == [24]
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_a_checkpoint_of_another_plan_is_not_resumed(data: Prepared, tmp_path: Path) -> None:
    train(toy_student(), data, Plan(steps=2, batch=32), tmp_path / "c.pt", lambda _: None)
    told: list[int] = []
    plan = Plan(steps=3, batch=32, checkpoint_every=1)
    train(toy_student(), data, plan, tmp_path / "c.pt", lambda progress: told.append(progress.step))
    assert told == [1, 2, 3]


def test_an_epoch_takes_every_picture_once_in_a_new_order() -> None:
    plan = Plan(steps=100, batch=8, seed=5)
    first, second = (torch.cat([batch_rows(32, step, plan) for step in range(at, at + 4)]) for at in (0, 4))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(32))
    assert first.tolist() != second.tolist()


def test_the_loss_is_least_for_the_teachers_own_vectors() -> None:
    torch.manual_seed(0)
    teacher = normalize(torch.randn(8, DIM), dim=-1)
    other = normalize(torch.randn(8, DIM), dim=-1)
    numbers = torch.arange(8)
    assert loss_of(teacher, teacher, teacher, numbers) < loss_of(other, teacher, teacher, numbers)


def test_the_demos_student_begins_as_its_teacher_on_pictures_of_two_thirds_the_size() -> None:
    teacher, student = load_tower(), demo.new_student().eval()
    pictures = torch.from_numpy(read_heldout().pictures[:4]).permute(0, 3, 1, 2).float()
    # Each pixel of the smaller picture is the mean of the area it covers: 2 x 2 of pixels that are doubled first.
    small = avg_pool2d(pictures.repeat_interleave(2, 2).repeat_interleave(2, 3), 3)
    assert small.shape[-2:] == (64, 64)
    with torch.inference_mode():
        normal = teacher.body[0].conv((small - teacher.mean) / teacher.std)
        shrunk = student.body[0].conv((pictures - student.mean) / student.std)
    # Exact inside; at the upper and left edge zeros are padded before shrinking in one and after it in the other.
    torch.testing.assert_close(shrunk[:, :, 1:, 1:], normal[:, :, 1:, 1:], atol=1e-3, rtol=1e-3)


def test_the_rendered_source_gives_the_same_picture_for_the_same_number() -> None:
    subjects = [_drawn_subject(draw, names, figure=False) for draw, names in SCENES]
    one, other = demo.DemoSource(8, subjects=subjects), demo.DemoSource(8, subjects=subjects)
    pixels, caption = one.picture(5)
    assert np.array_equal(pixels, other.picture(5)[0])
    assert 0 <= caption < len(one.captions) == len(one.subjects)
    assert one.key == other.key


def distil(tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Two batches of training on forty pictures of noise, into `student`."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(2)
    for n in range(40):
        Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(folder / f"{n}.png")
        (folder / f"{n}.txt").write_text(f"pattern number {n}")
    command = [sys.executable, "-m", "export.distil", str(folder), f"--out={tmp_path / 'student'}"]
    command += [f"--cache={tmp_path / 'cache'}", "--steps=2", "--batch=16", "--widths=8,16", "--blocks=0,0", *more]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)


def test_a_folder_of_captioned_pictures_becomes_a_student_with_a_card(tmp_path: Path) -> None:
    ended, out = distil(tmp_path), tmp_path / "student"
    assert ended.returncode == 0, ended.stderr
    assert "times cheaper" in ended.stdout
    card = read_card(out / "card.json")
    assert card.training["pictures"] + card.figures.pictures == 40
    assert (out / "model.onnx").is_file()
    assert read_weights(out / "model.safetensors")["head.weight"].shape == (384, 32)


def test_a_student_that_has_learnt_too_little_is_measured_and_not_admitted(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for model in (CLIP_IMAGE, CLIP_TEXT):
        copy_model(MODELS / model, repository / model)
        shutil.copyfile(MODELS / model / "manifest.json", repository / model / "manifest.json")
    shutil.copyfile(MODELS / "space.json", repository / "space.json")
    ended = distil(tmp_path, f"--repository={repository}", "--admit")
    assert ended.returncode == 1
    assert "The student is not admitted to the space: " in ended.stderr
    assert read_card(tmp_path / "student" / "card.json").figures.cosine_mean < MIN_COSINE_MEAN
    assert not (repository / CLIP_IMAGE_DISTILLED).exists()
