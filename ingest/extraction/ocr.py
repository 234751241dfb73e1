"""Words out of pixels: Tesseract as a program, picture in and words out through pipes, no files in between."""

import ctypes
import io
import shutil
import signal
import subprocess
from dataclasses import dataclass

from PIL import Image

from contracts.documents import Box
from contracts.errors import ConfigurationError, DocumentFailed
from ingest.extraction.layout import union

# Words of lower confidence (0-100) are left out. Pages hold sentences, in which a gap hurts more than a wrong
# letter; pictures hold labels, and Tesseract also "reads" foliage and textures there.
PAGE_CONFIDENCE = 30.0
PICTURE_CONFIDENCE = 60.0
# Fewer letters and digits than this in a whole picture are noise.
_FEWEST_CHARACTERS = 3
_PR_SET_PDEATHSIG = 1
_MISSING = (
    "Tesseract, which reads scans and pictures, is not installed or lacks the language data for '{languages}'. "
    "On Debian and Ubuntu: apt-get install tesseract-ocr (further languages: tesseract-ocr-deu, -fra, ...)."
)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Words that Tesseract sees as one paragraph; `box` in fractions of the picture."""

    text: str
    box: Box


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
    image: Image.Image, languages: str, *, confidence: float, dpi: int | None = None
) -> list[Paragraph]:
    """Paragraphs of text in a picture, top to bottom as Tesseract orders them; empty where there is none.

    Args:
        confidence: words below it are left out.
        dpi: resolution, where known; Tesseract guesses otherwise.

    Raises:
        ConfigurationError: Tesseract is missing.
        DocumentFailed: it broke down.
    """
    stream = io.BytesIO()
    image.convert("L").save(stream, "PPM")
    resolution = ["--dpi", str(dpi)] if dpi is not None else []
    command = ["tesseract", "stdin", "stdout", "-l", languages, "--psm", "3", *resolution, "tsv"]
    try:
        done = subprocess.run(
            command, input=stream.getvalue(), capture_output=True, check=False, preexec_fn=_end_with_parent
        )
    except FileNotFoundError as exc:
        raise ConfigurationError(_MISSING.format(languages=languages)) from exc
    if done.returncode != 0:
        raise DocumentFailed("corrupt", "The program that reads words out of pictures broke down on a picture.")
    return _paragraphs(done.stdout.decode("utf-8", "replace"), image.size, confidence)


def _end_with_parent() -> None:
    """Runs in the new process: no Tesseract outlives a reader that is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _paragraphs(tsv: str, size: tuple[int, int], confidence: float) -> list[Paragraph]:
    """Columns of Tesseract's TSV: level page block par line word left top width height conf text."""
    words: dict[tuple[str, str], list[tuple[str, Box]]] = {}
    for row in tsv.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) < 12 or cells[0] != "5" or float(cells[10]) < confidence or not cells[11].strip():
            continue
        left, top, width, height = (int(cell) for cell in cells[6:10])
        box = Box(left / size[0], top / size[1], (left + width) / size[0], (top + height) / size[1])
        words.setdefault((cells[2], cells[3]), []).append((cells[11].strip(), box))
    paragraphs = [
        Paragraph(" ".join(text for text, _ in found), union([box for _, box in found]))
        for found in words.values()
    ]
    n_characters = sum(character.isalnum() for paragraph in paragraphs for character in paragraph.text)
    return paragraphs if n_characters >= _FEWEST_CHARACTERS else []
