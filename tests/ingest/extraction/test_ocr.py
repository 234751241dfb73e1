"""Tesseract: its presence, and what becomes of words that it is not sure of."""

import re
import subprocess
from pathlib import Path

import pytest

from contracts.errors import ConfigurationError
from contracts.media import PNG
from ingest.extraction import ExtractionLimits, Extractor, require_tesseract
from ingest.extraction.ocr import read_words
from tests.ingest.extraction.making import encoded, written


def test_tesseract_is_here():
    require_tesseract("eng")


def test_missing_program_stops_the_start_and_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ConfigurationError, match="apt-get install tesseract-ocr"):
        require_tesseract()


def test_missing_language_stops_the_start():
    with pytest.raises(ConfigurationError, match="eng\\+tlh"):
        require_tesseract("eng+tlh")


async def test_missing_program_is_not_the_fault_of_a_document(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    async with Extractor() as extractor:
        with pytest.raises(ConfigurationError, match="apt-get install"):
            await extractor.extract_text(encoded(written(["words to read"])), PNG)


def test_words_below_the_confidence_are_left_out():
    image = written(["Harbour office"], 700, 300)

    assert [p.text for p in read_words(image, "eng", confidence=60.0)] == ["Harbour office"]
    assert read_words(image, "eng", confidence=100.0) == []


def language_data() -> Path:
    """The folder of Tesseract's languages."""
    listing = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=True)
    found = re.search(r'in "([^"]+)"', listing.stdout)
    assert found is not None
    return Path(found[1])


async def test_languages_are_those_of_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A language that only this test knows, made of the English one: it is read with it, and with no other."""
    for name, source in (("tlh.traineddata", "eng.traineddata"), ("configs", "configs")):
        (tmp_path / name).symlink_to(language_data() / source)
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    data = encoded(written(["Harbour office"], 700, 300))

    require_tesseract("tlh")
    async with Extractor(ExtractionLimits(ocr_languages="tlh")) as extractor:
        assert (await extractor.extract_text(data, PNG)).text == "Harbour office"
    with pytest.raises(ConfigurationError):
        require_tesseract("eng")
