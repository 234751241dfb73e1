"""The demo CLIP's distilled student: its recorded figures, measured again, and its way into the repository."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import ConfigurationError
from contracts.space import Space
from export.demo_clip import config
from export.demo_clip.graph import build_graph, read_weights
from export.demo_clip.heldout import embed_pictures
from export.distil import build
from export.distil.admission import NotAdmitted, admit
from export.distil.build import export_distilled
from export.distil.card import read_card
from export.distil.flops import count_flops
from export.distil.heldout import demo_held_out
from export.distil.measure import Agreement, Recall, compare


def space_of(teacher_sha256: str) -> Space:
    stored = json.loads(config.SPACE.read_text())
    return Space(
        encoders={"text": "t@1", "clip_text": "t@1", "clip_image": f"clip_image@{teacher_sha256}"},
        text_dim=stored["text_dim"],
        image_dim=stored["image_dim"],
        centred=stored["centred"],
        means=stored["means"],
    )


@pytest.fixture(scope="module")
def space() -> Space:
    return space_of(read_card(config.DISTILLED_CARD).teacher_sha256)


@pytest.fixture(scope="module")
def measured(space: Space) -> Agreement:
    teacher, student = (build_graph(read_weights(path)) for path in (config.WEIGHTS, config.DISTILLED_WEIGHTS))
    return compare(
        demo_held_out(),
        partial(embed_pictures, teacher.SerializeToString()),
        partial(embed_pictures, student.SerializeToString()),
        space,
    )


def test_the_cards_figures_are_measured_again_from_the_checked_in_packs(measured: Agreement) -> None:
    claimed = read_card(config.DISTILLED_CARD).figures
    for name in ("cross_1", "cross_10", "cosine_mean", "cosine_low"):
        # Half a percent for another processor's rounding, which can swap two near-equal neighbours.
        assert getattr(measured, name) == pytest.approx(getattr(claimed, name), abs=0.005), name
    for mine, theirs in ((measured.teacher, claimed.teacher), (measured.student, claimed.student)):
        for name in Recall.__struct_fields__:
            assert getattr(mine, name) == pytest.approx(getattr(theirs, name), abs=0.005), name
    assert (measured.texts, measured.pictures) == (claimed.texts, claimed.pictures)


def test_the_student_passes_the_gate_with_what_was_just_measured(space: Space, measured: Agreement) -> None:
    card = read_card(config.DISTILLED_CARD)
    assert admit(space, card.teacher_sha256, measured).space_id == space.space_id


def test_the_student_is_four_times_cheaper_and_both_weights_fit_into_ten_megabytes() -> None:
    card = read_card(config.DISTILLED_CARD)
    flops = [count_flops(build_graph(read_weights(path))) for path in (config.DISTILLED_WEIGHTS, config.WEIGHTS)]
    assert flops == [card.flops, card.teacher_flops]
    assert card.flops_ratio >= 4.0
    assert sum(path.stat().st_size for path in (config.DISTILLED_WEIGHTS, config.WEIGHTS)) <= 10_000_000


def test_a_student_that_gives_noise_is_measured_as_such_and_refused(space: Space) -> None:
    held_out = demo_held_out()
    rng = np.random.default_rng(4)

    def noise(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors = rng.standard_normal((len(pictures), config.DIM)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    figures = compare(held_out, noise, noise, space)
    assert figures.student.text_to_picture_10 < 0.05
    with pytest.raises(NotAdmitted):
        admit(space, read_card(config.DISTILLED_CARD).teacher_sha256, figures)


def test_the_export_writes_a_manifest_that_names_the_space_and_the_figures(tmp_path: Path, space: Space) -> None:
    version = export_distilled(tmp_path, space)
    manifest = json.loads((version.parent / "manifest.json").read_text())
    assert (version / "model.onnx").is_file()
    assert manifest["admitted"]["space_id"] == space.space_id
    assert manifest["admitted"]["recall_kept"] >= 0.95
    assert manifest["parity"]["min_cosine"] > 0.9999
    assert manifest["flops_ratio"] >= 4


def test_a_space_of_another_teacher_refuses_the_student_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(NotAdmitted):
        export_distilled(tmp_path, space_of("another"))
    assert list(tmp_path.iterdir()) == []


def test_a_card_of_other_weights_is_refused(tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    card = json.loads(config.DISTILLED_CARD.read_text()) | {"weights_sha256": "0" * 64}
    (tmp_path / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(build, "DISTILLED_CARD", tmp_path / "card.json")
    with pytest.raises(NotAdmitted, match="other weights"):
        export_distilled(tmp_path, space)


def test_a_damaged_card_is_told(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="card"):
        read_card(tmp_path / "card.json")
