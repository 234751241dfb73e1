"""A student's way into the repository of the space whose picture tower taught it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.errors import Conflict
from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED
from encoding.encoder import Encoder
from encoding.manifests import ImageManifest, load_space, read_manifest
from export.distil.admission import NotAdmitted
from export.distil.card import Card
from export.distil.folder import MODEL_FILE, WEIGHTS_FILE
from export.distil.place import check_place, place_student
from export.joint_space.build import SpaceRequest, make_space
from tests.export.distil.test_admission import GOOD
from tests.export.joint_space.models import write_models
from tests.export.joint_space.test_build import NoServer

PARITY = {"pictures": 4, "min_cosine": 1.0, "max_abs_error": 0.0}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository of a small space."""
    write_models(tmp_path / "models")
    make_space(SpaceRequest(tmp_path / "models", "words", "pics", tmp_path / "space"))
    return tmp_path / "space"


@pytest.fixture
def student(repository: Path, tmp_path: Path) -> Path:
    """A student that gives its teacher's vectors, because it is the same graph."""
    folder = tmp_path / "student"
    folder.mkdir()
    shutil.copyfile(repository / CLIP_IMAGE / "1" / "model.onnx", folder / MODEL_FILE)
    (folder / WEIGHTS_FILE).write_bytes(b"weights")
    return folder


def card(repository: Path, **changes: Any) -> Card:
    described = Card(
        model="clip_image, distilled on 'pictures'",
        trained="2026-11-25",
        command="trireme distil FOLDER --out STUDENT",
        weights_sha256=hashlib.sha256(b"weights").hexdigest(),
        teacher_sha256=read_manifest(repository, CLIP_IMAGE, ImageManifest).sha256,
        flops=1_000,
        teacher_flops=4_000,
        training={},
        figures=GOOD,
    )
    return msgspec.structs.replace(described, **changes)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_admitted_student_is_served_for_query_pictures_of_its_space(repository: Path, student: Path) -> None:
    assert not Encoder(NoServer(), repository).has_distilled
    admitted = place_student(repository, student, card(repository), PARITY, replace=False)
    assert Encoder(NoServer(), repository).has_distilled
    placed = repository / CLIP_IMAGE_DISTILLED
    manifest = json.loads((placed / "manifest.json").read_text())
    assert (placed / "1" / "model.onnx").read_bytes() == (student / MODEL_FILE).read_bytes()
    assert f'name: "{CLIP_IMAGE_DISTILLED}"' in (placed / "config.pbtxt").read_text()
    assert manifest["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert manifest["admitted"]["space_id"] == admitted.space_id == load_space(repository).space_id
    assert manifest["admitted"]["figures"] == msgspec.to_builtins(GOOD)
    assert manifest["flops_ratio"] == 4.0


def test_a_student_that_keeps_too_little_leaves_the_repository_as_it_was(repository: Path, student: Path) -> None:
    before = everything(repository)
    weak = card(repository, figures=msgspec.structs.replace(GOOD, cosine_mean=0.4))
    with pytest.raises(NotAdmitted, match=r"mean cosine to the teacher's vectors 0\.400"):
        place_student(repository, student, weak, PARITY, replace=False)
    with pytest.raises(NotAdmitted, match="another picture tower"):
        place_student(repository, student, card(repository, teacher_sha256="0" * 64), PARITY, replace=False)
    assert everything(repository) == before


def test_an_earlier_student_is_replaced_only_when_that_is_meant(repository: Path, student: Path) -> None:
    place_student(repository, student, card(repository), PARITY, replace=False)
    with pytest.raises(Conflict, match="--replace"):
        check_place(repository, replace=False)
    check_place(repository, replace=True)
    better = msgspec.structs.replace(GOOD, cosine_mean=0.95)
    place_student(repository, student, card(repository, figures=better), PARITY, replace=True)
    manifest = json.loads((repository / CLIP_IMAGE_DISTILLED / "manifest.json").read_text())
    assert manifest["admitted"]["cosine_mean"] == 0.95


def test_a_teacher_that_is_not_the_spaces_is_told_before_any_training(repository: Path) -> None:
    path = repository / CLIP_IMAGE / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "exported anew"}))
    with pytest.raises(NotAdmitted, match="another picture tower"):
        check_place(repository, replace=False)
