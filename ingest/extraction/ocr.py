"""Words out of pixels: Tesseract as a program, picture in and words out through pipes, no files in between."""

import ctypes
import io
import shutil
import signal
import subprocess
from dataclasses import dataclass
from statistics import fmean

from PIL import Image

from contracts.documents import Box
from contracts.errors import ConfigurationError, DocumentFailed
from ingest.extraction.layout import union
from ingest.extraction.types import Paragraph

# Words of lower confidence (0-100) are left out. Pages hold sentences, in which a gap hurts more than a wrong
# letter; pictures hold labels, and Tesseract also "reads" foliage and textures there.
PAGE_CONFIDENCE = 30.0
PICTURE_CONFIDENCE = 60.0
# Fewer letters and digits than this in a whole picture are noise.
_FEWEST_CHARACTERS = 3
# Modes of page segmentation: as the page lies, and with its orientation found out first, which costs a third more.
# Of a page that lies on its side Tesseract reads nonsense, of which it is sure by 35-40 of 100 on average; upright
# pages, noisy ones among them, have 90-96.
_AS_IT_LIES, _TURNED = "3", "1"
_SURE = 70.0
# Tesseract refuses what is larger or thinner (its INT16_MAX, and "image too small to scale").
_LONGEST_EDGE, _SHORTEST_EDGE = 32_767, 3
_PR_SET_PDEATHSIG = 1
_MISSING = (
    "Tesseract, which reads scans and pictures, is not installed or lacks the language data for '{languages}'. "
    "On Debian and Ubuntu: apt-get install tesseract-ocr (further languages: tesseract-ocr-deu, -fra, ...)."
)


@dataclass(frozen=True, slots=True)
class _Word:
    """A word with the paragraph that it stands in; `confidence` from 0 to 100."""

    paragraph: tuple[str, str]
    text: str
    box: Box
    confidence: float


def require_tesseract(languages: str = "eng") -> None:
    """Check at the start of a worker that Tesseract is there.

    Raises:
        ConfigurationError: it is not, or lacks a language; says how to install it.
    """
    program = shutil.which("tesseract")
    if program is not None:
        listing = subprocess.run([program, "--list-langs"], capture_output=True, timeout=30, check=False)
        if set(languages.split("+")) <= set(listing.stdout.decode().split()):
            return
    raise ConfigurationError(_MISSING.format(languages=languages))


def read_words(
    image: Image.Image, languages: str, *, confidence: float, dpi: int | None = None, sheet: bool = False
) -> list[Paragraph]:
    """Paragraphs of text in a picture, top to bottom as Tesseract orders them; empty where there is none.

    Args:
        confidence: words below it are left out.
        dpi: resolution, where known; Tesseract guesses otherwise.
        sheet: it is a scanned page, which may lie on its side or upside down.

    Raises:
        ConfigurationError: Tesseract is missing.
        DocumentFailed: it broke down.
    """
    if max(image.size) > _LONGEST_EDGE or min(image.size) < _SHORTEST_EDGE:
        return []
    stream = io.BytesIO()
    image.convert("L").save(stream, "PPM")
    resolution = ["--dpi", str(dpi)] if dpi is not None else []
    words = _words(_run(stream.getvalue(), ["-l", languages, *resolution, "--psm", _AS_IT_LIES]), image.size)
    if sheet and words and _sureness(words) < _SURE:
        turned = _words(_run(stream.getvalue(), ["-l", languages, *resolution, "--psm", _TURNED]), image.size)
        words = max(words, turned, key=_sureness)
    return _paragraphs([word for word in words if word.confidence >= confidence])


def _run(picture: bytes, options: list[str]) -> str:
    try:
        done = subprocess.run(
            ["tesseract", "stdin", "stdout", *options, "tsv"],
            input=picture,
            capture_output=True,
            check=False,
            preexec_fn=_end_with_parent,
        )
    except FileNotFoundError as exc:
        raise ConfigurationError(_MISSING.format(languages=options[1])) from exc
    if done.returncode != 0:
        raise DocumentFailed("corrupt", "The program that reads words out of pictures broke down on a picture.")
    return done.stdout.decode("utf-8", "replace")


def _end_with_parent() -> None:
    """Runs in the new process: no Tesseract outlives a reader that is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _words(tsv: str, size: tuple[int, int]) -> list[_Word]:
    """Columns of Tesseract's TSV: level page block par line word left top width height conf text."""
    words: list[_Word] = []
    for row in tsv.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) < 12 or cells[0] != "5" or not cells[11].strip():
            continue
        left, top, width, height = (int(cell) for cell in cells[6:10])
        box = Box(left / size[0], top / size[1], (left + width) / size[0], (top + height) / size[1])
        words.append(_Word((cells[2], cells[3]), cells[11].strip(), box, float(cells[10])))
    return words


def _sureness(words: list[_Word]) -> float:
    return fmean(word.confidence for word in words) if words else 0.0


def _paragraphs(words: list[_Word]) -> list[Paragraph]:
    found: dict[tuple[str, str], list[_Word]] = {}
    for word in words:
        found.setdefault(word.paragraph, []).append(word)
    n_characters = sum(character.isalnum() for word in words for character in word.text)
    if n_characters < _FEWEST_CHARACTERS:
        return []
    return [
        Paragraph(" ".join(word.text for word in members), union([word.box for word in members]))
        for members in found.values()
    ]
