"""A joint space of exported models, run by ONNX Runtime in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import Conflict, InvalidInput, NotFound, SpaceMismatch
from contracts.joint import half
from encoding.encoder import Encoder
from encoding.manifests import load_space
from export.distil.admission import admit
from export.distil.towers import CaptionTower, PictureTeacher
from export.joint_space.build import SpaceRequest, make_space
from export.sample_inputs import SAMPLES, sample_pictures, sample_texts
from export.space import MODEL_OF_TOWER
from tests.export.distil.test_admission import GOOD
from tests.export.joint_space.models import (
    IMAGE_DIM,
    TEXT_DIM,
    write_image_tower,
    write_models,
    write_pictures,
    write_text_tower,
)


def request(tmp_path: Path, **changes: Any) -> SpaceRequest:
    settings = {"text": "words", "clip": "pics", "into": tmp_path / "space"} | changes
    return SpaceRequest(repository=tmp_path / "models", **settings)


class NoServer:
    """Where an encoder is only asked for what it read from the repository."""

    async def largest_batch(self, model: str, *, timeout_s: float) -> int:
        return 8

    async def infer(self, model: str, inputs: Mapping[str, Any], outputs: Any, **_: Any) -> dict[str, Any]:
        raise AssertionError("nothing is served here")


def fingerprint(folder: Path) -> dict[str, int]:
    return {path.as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_space_of_two_widths_can_be_opened_by_the_stacks_encoder(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    before = fingerprint(tmp_path / "models")
    report = make_space(request(tmp_path))
    assert (report.text_dim, report.image_dim) == (TEXT_DIM, IMAGE_DIM)
    space = load_space(tmp_path / "space")
    assert space.space_id == report.space_id
    assert space.dim == TEXT_DIM + IMAGE_DIM
    encoder = Encoder(NoServer(), tmp_path / "space")
    assert not encoder.shares_text_tower
    for tower, model in MODEL_OF_TOWER.items():
        manifest = json.loads((tmp_path / "space" / model / "manifest.json").read_text())
        assert manifest["model"] == model
        assert manifest["space_id"] == report.space_id
        assert manifest["mean_vector"] == space.means[tower]
        assert manifest["exported_as"] == report.encoders[tower]
        assert space.encoders[tower] == f"{model}@{manifest['sha256']}"
        assert f"/{model}.timing" in manifest["build_a_plan"]["trtexec"]
    assert fingerprint(tmp_path / "models") == before


def test_a_student_of_the_spaces_picture_tower_can_be_admitted(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    make_space(request(tmp_path))
    # What `trireme distil` notes of its teacher.
    teacher = PictureTeacher(tmp_path / "space", "clip_image").manifest.sha256
    space = load_space(tmp_path / "space")
    assert admit(space, teacher, GOOD).space_id == space.space_id


def test_means_are_those_of_the_samples(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    make_space(request(tmp_path))
    space = load_space(tmp_path / "space")
    tower = CaptionTower(models, "words")
    texts = tower.embed([text for text in sample_texts(SAMPLES, 512) if tower.fits(text)])
    np.testing.assert_allclose(space.means["text"], texts.mean(axis=0), atol=1e-6)
    pictures = PictureTeacher(models, "pics_image")
    pixels = np.stack([pictures.manifest.prepare(each) for each in sample_pictures(SAMPLES, 256)])
    np.testing.assert_allclose(space.means["clip_image"], pictures.embed(pixels).mean(axis=0), atol=1e-6)


def test_centring_makes_unrelated_texts_score_nothing_in_the_space(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models", offset=0.4)
    report = make_space(request(tmp_path))
    assert report.centring.centred
    space, tower = load_space(tmp_path / "space"), CaptionTower(models, "words")
    vectors = tower.embed([text for text in sample_texts(SAMPLES, 512) if tower.fits(text)][:60])
    halves: NDArray[np.float32] = np.stack([half(space, "text", vector) for vector in vectors])
    others = ~np.eye(len(halves), dtype=bool)
    assert float((vectors @ vectors.T)[others].mean()) > 0.3
    assert abs(float((halves @ halves.T)[others].mean())) < 0.05


def test_what_is_asked_for_decides_and_is_part_of_the_space(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    reports = [
        make_space(request(tmp_path, into=tmp_path / name, centred=asked))
        for name, asked in (("with", True), ("without", False))
    ]
    assert [load_space(tmp_path / name).centred for name in ("with", "without")] == [True, False]
    assert reports[0].space_id != reports[1].space_id


def test_pairs_are_judged_by_and_their_captions_give_clips_mean(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    pairs = write_pictures(tmp_path / "pairs", 44)
    report = make_space(request(tmp_path, pairs=pairs))
    assert report.centring.recall is not None
    # Noise and unrelated words: recall is that of chance, ten in twenty-two.
    assert 0.2 < report.centring.recall.plain < 0.8
    assert report.inputs["clip_text"] == 44
    captions = [path.read_text() for path in pairs.glob("*.txt")]
    wanted = CaptionTower(models, "pics_text").embed(captions).mean(axis=0)
    np.testing.assert_allclose(load_space(tmp_path / "space").means["clip_text"], wanted, atol=1e-6)


def test_a_caption_that_clip_cannot_read_is_left_out(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    pairs = write_pictures(tmp_path / "pairs", 42)
    (pairs / "0.txt").write_text("long " * 30)
    assert make_space(request(tmp_path, pairs=pairs)).inputs["clip_text"] == 41


def test_the_passages_prefix_is_read_before_every_text(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    write_text_tower(models, "prefixed", TEXT_DIM, prefix="passage: ")
    make_space(request(tmp_path, text="prefixed"))
    tower = CaptionTower(models, "prefixed")
    passages = ["passage: " + text for text in sample_texts(SAMPLES, 512)]
    wanted = tower.embed([text for text in passages if tower.fits(text)]).mean(axis=0)
    np.testing.assert_allclose(load_space(tmp_path / "space").means["text"], wanted, atol=1e-6)


def test_a_repository_in_use_stays_as_it_is(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    (tmp_path / "models" / "space.json").write_text('{"encoders": {}}')
    before = fingerprint(tmp_path / "models")
    with pytest.raises(Conflict, match="not empty"):
        make_space(request(tmp_path, into=tmp_path / "models"))
    assert fingerprint(tmp_path / "models") == before


def test_what_is_missing_or_does_not_fit_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    write_text_tower(models, "odd_text", IMAGE_DIM + 1)
    write_image_tower(models, "odd_image")
    few = write_pictures(tmp_path / "few", 12)
    with pytest.raises(NotFound, match="no exported model 'other_text'"):
        make_space(request(tmp_path, clip="other"))
    with pytest.raises(SpaceMismatch, match="words and pictures would not meet"):
        make_space(request(tmp_path, clip="odd"))
    with pytest.raises(InvalidInput, match="15 texts are too few"):
        make_space(request(tmp_path, samples=few))
    with pytest.raises(InvalidInput, match="12 captioned pictures are too few"):
        make_space(request(tmp_path, pairs=few))
    assert not (tmp_path / "space").exists()
    assert sorted(listing_names(tmp_path)) == ["few", "models"]


def listing_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
