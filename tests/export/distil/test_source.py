"""Captioned folders, and what is prepared from them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import BadMessage, ConfigurationError, NotFound
from encoding.manifests import PictureRule
from export.distil.cache import CHUNK, prepare
from export.distil.heldout import folder_held_out
from export.distil.source import CaptionedFile, FolderSource, read_folder, split_held_out


def save_picture(path: Path, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def brightness(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([[picture.mean(), picture.std()] for picture in pictures]).astype(np.float32)


def lengths(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.array([[len(text), 1.0] for text in texts], np.float32)


def test_captions_beside_the_pictures_are_read_in_order_and_others_left_out(tmp_path: Path) -> None:
    for n, name in enumerate(("b.png", "a.jpg", "bare.png")):
        save_picture(tmp_path / name, n)
    (tmp_path / "a.txt").write_text("an owl\n")
    (tmp_path / "b.txt").write_text("a boat")
    assert [(file.path.name, file.caption) for file in read_folder(tmp_path)] == [
        ("a.jpg", "an owl"),
        ("b.png", "a boat"),
    ]


def test_a_listing_may_give_a_picture_several_captions(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png", 1)
    lines = ['{"file": "a.png", "caption": "an owl"}', "", '{"file": "a.png", "caption": "a bird"}']
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    assert [file.caption for file in read_folder(tmp_path)] == ["an owl", "a bird"]


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        ('{"file": "a.png"}', BadMessage, "Line 1"),
        ('{"file": "gone.png", "caption": "x"}', NotFound, "gone.png"),
        ('{"file": "../outside.png", "caption": "x"}', NotFound, "outside"),
    ],
)
def test_a_bad_line_of_the_listing_is_named(tmp_path: Path, line: str, error: type[Exception], told: str) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    save_picture(tmp_path / "outside.png", 1)
    (folder / "captions.jsonl").write_text(line)
    with pytest.raises(error, match=told):
        read_folder(folder)


def test_a_folder_without_captions_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"captions\.jsonl"):
        read_folder(tmp_path)


def test_captions_of_one_picture_and_pictures_of_one_caption_are_one_subject(tmp_path: Path) -> None:
    owl, bird, boat = (save_picture(tmp_path / f"{name}.png", n) for n, name in enumerate(("owl", "bird", "boat")))
    files = [
        CaptionedFile(owl, "an owl"),
        CaptionedFile(boat, "a boat"),
        CaptionedFile(owl, "a bird"),
        CaptionedFile(bird, "a bird"),
    ]
    source = FolderSource(files, PictureRule(image_size=8, resize="pad_square"))
    subjects = dict(zip(source.captions, source.subjects, strict=True))
    assert subjects["an owl"] == subjects["a bird"] != subjects["a boat"]
    assert set(source.subjects) == {0, 1}


def test_a_picture_stays_held_out_when_others_come() -> None:
    files = [CaptionedFile(Path(f"{n}.png"), "x") for n in range(400)]
    _, few = split_held_out(files[:200])
    kept, many = split_held_out(files)
    assert set(few) <= set(many)
    assert 0.05 < len(many) / len(files) < 0.2
    assert not set(kept) & set(many)


def test_a_picture_is_prepared_by_every_part_of_the_teachers_rule(tmp_path: Path) -> None:
    path = tmp_path / "owl.png"
    noise = np.random.default_rng(3).integers(0, 256, (40, 61, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    rule = PictureRule(
        image_size=8,
        resize="shortest_edge_center_crop",
        interpolation="bilinear",
        shortest_edge=16,
        crop_rounding="nearest",
    )
    pixels, _ = FolderSource([CaptionedFile(path, "an owl")], rule).picture(0)
    np.testing.assert_array_equal(pixels, rule.prepare(Image.open(path)))
    plain = PictureRule(image_size=8, resize="shortest_edge_center_crop")
    assert not np.array_equal(pixels, plain.prepare(Image.open(path)))
    source, other = (FolderSource([CaptionedFile(path, "an owl")], each) for each in (rule, plain))
    assert source.key != other.key


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    source = FolderSource(
        [CaptionedFile(tmp_path / "bad.png", "x")], PictureRule(image_size=8, resize="pad_square")
    )
    with pytest.raises(ConfigurationError, match=r"bad\.png"):
        source.picture(0)


def test_preparing_goes_on_where_it_was_interrupted_and_gives_the_same(tmp_path: Path) -> None:
    files = [CaptionedFile(save_picture(tmp_path / f"{n}.png", n), f"number {n}") for n in range(CHUNK + 40)]
    source = FolderSource(files, PictureRule(image_size=8, resize="pad_square"))
    asked: list[int] = []

    def counted(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        asked.append(len(pictures))
        return brightness(pictures)

    def interrupt(done: int, of: int) -> None:
        raise KeyboardInterrupt

    whole = prepare(source, brightness, lengths, "sha", tmp_path / "whole", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        prepare(source, counted, lengths, "sha", tmp_path / "parts", interrupt)
    parts = prepare(source, counted, lengths, "sha", tmp_path / "parts", lambda *_: None)
    assert asked == [CHUNK, 40]
    for name in ("pictures", "teacher", "caption_of", "captions", "subjects"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.key == whole.key


def test_held_out_pictures_are_asked_for_by_altered_copies(tmp_path: Path) -> None:
    files = [CaptionedFile(save_picture(tmp_path / f"{n}.png", n), f"number {n}") for n in range(3)]
    held_out = folder_held_out(FolderSource(files, PictureRule(image_size=16, resize="stretch")), lengths)
    assert held_out.queries.shape == held_out.pictures.shape == (3, 16, 16, 3)
    assert not np.array_equal(held_out.queries, held_out.pictures)
    assert held_out.query_subjects.tolist() == held_out.picture_subjects.tolist() == [0, 1, 2]
