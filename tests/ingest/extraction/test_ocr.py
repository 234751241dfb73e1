"""Tesseract: its presence, and what becomes of words that it is not sure of."""

import pytest

from contracts.errors import ConfigurationError
from contracts.media import PNG
from ingest.extraction import Extractor, require_tesseract
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
