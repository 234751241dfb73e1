"""Where a distillation's pictures and captions come from: a folder of files. No PyTorch.

Two forms are read: `captions.jsonl` with a {"file": ..., "caption": ...} a line (a picture may have several), or
a text file beside each picture, `owl.txt` for `owl.jpg`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadMessage, ConfigurationError, NotFound, TriremeError
from encoding.manifests import PictureRule
from encoding.pictures import decode_picture

CAPTIONS_FILE = "captions.jsonl"
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
HELD_OUT_SHARE = 10
"""One picture in this many is kept from training, by a hash of its name."""


class PictureSource(Protocol):
    """Numbered pictures with captions; picture `i` is the same each time it is asked for.

    Captions of one subject are different words for the same thing, never each other's wrong answers.
    """

    @property
    def key(self) -> str:
        """Changes when any picture or caption changes."""
        ...

    @property
    def captions(self) -> Sequence[str]:
        """All captions."""
        ...

    @property
    def subjects(self) -> Sequence[int]:
        """The number of each caption's subject."""
        ...

    def __len__(self) -> int: ...

    def picture(self, index: int) -> tuple[NDArray[np.uint8], int]:
        """UINT8 [S, S, 3], and the number of its caption."""
        ...


@dataclass(frozen=True, slots=True)
class CaptionedFile:
    """A picture file and one caption of it."""

    path: Path
    caption: str


class _Line(msgspec.Struct, frozen=True):
    file: str
    caption: str


def read_folder(folder: Path) -> list[CaptionedFile]:
    """The captioned pictures of a folder and of those inside it, in the order of their names.

    Raises:
        NotFound: no folder, no captioned picture in it, or a picture that `captions.jsonl` names is missing.
        BadMessage: a line of `captions.jsonl` cannot be read.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder '{folder}'.")
    listing = folder / CAPTIONS_FILE
    found = _listed(folder, listing) if listing.is_file() else _beside(folder)
    if not found:
        raise NotFound(
            f"The folder '{folder.name}' has no captioned picture: it needs a {CAPTIONS_FILE}, "
            "or a text file beside each picture (owl.txt for owl.jpg)."
        )
    return found


def _listed(folder: Path, listing: Path) -> list[CaptionedFile]:
    found = []
    for number, line in enumerate(listing.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError as exc:
            raise BadMessage(f"Line {number} of {CAPTIONS_FILE} cannot be read: {exc}") from exc
        path = folder / entry.file
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise NotFound(f"Line {number} of {CAPTIONS_FILE} names '{entry.file}', which is not in the folder.")
        found.append(CaptionedFile(path, entry.caption.strip()))
    return found


def _beside(folder: Path) -> list[CaptionedFile]:
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    return [
        CaptionedFile(path, beside.read_text(encoding="utf-8").strip())
        for path in pictures
        if (beside := path.with_suffix(".txt")).is_file()
    ]


def split_held_out(files: Sequence[CaptionedFile]) -> tuple[list[CaptionedFile], list[CaptionedFile]]:
    """Files to train on, and about a tenth to measure with. A file stays on its side when others come or go."""

    def is_held_out(file: CaptionedFile) -> bool:
        digest = hashlib.sha256(file.path.name.encode()).digest()
        return int.from_bytes(digest[:4]) % HELD_OUT_SHARE == 0

    return [f for f in files if not is_held_out(f)], [f for f in files if is_held_out(f)]


class FolderSource:
    """Captioned files as a teacher takes them: decoded, upright, brought to its size by its own rule."""

    def __init__(self, files: Sequence[CaptionedFile], rule: PictureRule) -> None:
        self._files = files
        self._rule = rule
        self.captions: list[str] = list(dict.fromkeys(file.caption for file in files))
        self._numbers = {caption: number for number, caption in enumerate(self.captions)}
        self.subjects: list[int] = _subjects(files, self._numbers)

    @property
    def key(self) -> str:
        """A hash of names, sizes, times and captions."""
        stats = [(file.path.stat().st_size, file.path.stat().st_mtime_ns) for file in self._files]
        listed = [(str(file.path), file.caption, *stat) for file, stat in zip(self._files, stats, strict=True)]
        rule = {name: getattr(self._rule, name) for name in PictureRule.__struct_fields__}
        return hashlib.sha256(json.dumps([rule, listed]).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._files)

    def picture(self, index: int) -> tuple[NDArray[np.uint8], int]:
        """See `PictureSource.picture`.

        Raises:
            ConfigurationError: the file cannot be decoded; names it.
        """
        file = self._files[index]
        try:
            edge = self._rule.shortest_edge or self._rule.image_size
            image = decode_picture(file.path.read_bytes(), target_edge=edge)
        except TriremeError as exc:
            raise ConfigurationError(f"The picture '{file.path.name}' cannot be used: {exc.message}") from exc
        return self._rule.prepare(image), self._numbers[file.caption]


def _subjects(files: Sequence[CaptionedFile], numbers: Mapping[str, int]) -> list[int]:
    """Each caption's subject: captions of one picture are the same subject, and so are pictures of one caption."""
    parent = list(range(len(numbers)))

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    first: dict[Path, int] = {}
    for file in files:
        number = numbers[file.caption]
        parent[root(number)] = root(first.setdefault(file.path, number))
    places = {found: place for place, found in enumerate(sorted({root(number) for number in parent}))}
    return [places[root(number)] for number in range(len(parent))]
