"""A source's pictures with their teacher's vectors on disk, made once and read in every epoch.

Making goes on where it stopped. No PyTorch.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from export.distil.source import PictureSource

CHUNK = 256
PROGRESS_FILE = "progress.json"

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a student learns from.

    Args:
        pictures: UINT8 [n, S, S, 3], on disk.
        teacher: unit vectors FP32 [n, dim], the teacher's for each picture.
        caption_of: INT64 [n], number of each picture's caption.
        captions: unit vectors FP32 [m, dim] by the locked text tower.
        subjects: INT64 [m], number of each caption's subject, 0 .. number of subjects - 1.
        key: changes when any of these changes.
    """

    pictures: NDArray[np.uint8]
    teacher: Vectors
    caption_of: NDArray[np.int64]
    captions: Vectors
    subjects: NDArray[np.int64]
    key: str


def prepare(
    source: PictureSource,
    embed_pictures: Callable[[NDArray[np.uint8]], Vectors],
    embed_captions: Callable[[Sequence[str]], Vectors],
    teacher_sha256: str,
    cache: Path,
    on_progress: Callable[[int, int], None],
) -> Prepared:
    """Render or read every picture, ask the teacher for its vector, and keep both under `cache`.

    Args:
        on_progress: called with how many pictures are done, of how many.
    """
    key = hashlib.sha256(f"{source.key} {teacher_sha256} {len(source)}".encode()).hexdigest()[:16]
    folder = cache / key
    folder.mkdir(parents=True, exist_ok=True)
    captions = _captions(folder, source.captions, embed_captions)
    done = _done(folder)
    first, _ = source.picture(0)
    pictures = _array(folder / "pictures.npy", (len(source), *first.shape), np.dtype(np.uint8), done)
    teacher = _array(folder / "teacher.npy", (len(source), captions.shape[1]), np.dtype(np.float32), done)
    caption_of = _array(folder / "caption_of.npy", (len(source),), np.dtype(np.int64), done)
    for start in range(done, len(source), CHUNK):
        end = min(start + CHUNK, len(source))
        items = [source.picture(index) for index in range(start, end)]
        pictures[start:end] = np.stack([pixels for pixels, _ in items])
        caption_of[start:end] = [caption for _, caption in items]
        teacher[start:end] = embed_pictures(pictures[start:end])
        for array in (pictures, teacher, caption_of):
            array.flush()
        _write_json(folder / PROGRESS_FILE, {"done": end})
        on_progress(end, len(source))
    return Prepared(
        pictures=pictures,
        teacher=np.array(teacher),
        caption_of=np.array(caption_of),
        captions=captions,
        subjects=np.asarray(source.subjects, np.int64),
        key=key,
    )


def _done(folder: Path) -> int:
    try:
        return int(json.loads((folder / PROGRESS_FILE).read_text())["done"])
    except FileNotFoundError:
        return 0


def _array(path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic], done: int) -> np.memmap[Any, Any]:
    """An array on disk: the one begun earlier, or a new one when nothing is done yet."""
    return open_memmap(path, mode="r+") if done else open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _captions(folder: Path, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors]) -> Vectors:
    path = folder / "captions.npy"
    if path.is_file():
        kept: Vectors = np.load(path)
        return kept
    vectors = embed(texts)
    staged = folder / "captions.partial.npy"
    np.save(staged, vectors)
    staged.replace(path)
    return vectors


def _write_json(path: Path, value: object) -> None:
    staged = path.with_suffix(".partial")
    staged.write_text(json.dumps(value))
    staged.replace(path)
