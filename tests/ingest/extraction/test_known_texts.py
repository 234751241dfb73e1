"""Known texts, written as files of every kind and scanned, against what is read of them.

`python -m benchmarks.extraction` does the same with all texts and gives the rates as tables.
"""

import pytest

from benchmarks.extraction.languages import encoded_passages
from benchmarks.extraction.rates import character_errors, word_errors
from benchmarks.extraction.scans import CONDITIONS, Condition, scanned
from benchmarks.extraction.writing import every_kind, known_text
from contracts.media import PDF, TEXT
from export.samples.source import Source, read_sources
from tests.ingest.extraction.making import read_pictures, read_text

# Texts with figures, headings and more than one page; and one that fills a page, for Tesseract.
MANY = ("glacier-retreat.pdf", "penguin-colony-report.docx", "railway-signalling.pdf")
SCANNED = "scan-clock-repair.pdf"
KIND_LIMIT = 0.001
CLEAN_LIMIT, NOISY_LIMIT = 0.01, 0.04
SOURCES = {source.file: source for source in read_sources()}


@pytest.mark.parametrize("source", [SOURCES[name] for name in MANY], ids=lambda source: source.file)
def test_every_kind_of_file_gives_its_text_in_order_and_its_pictures_with_captions(source: Source):
    for written in every_kind(source):
        read = read_text(written.data, written.content_type).text

        assert character_errors(read, written.known).rate <= KIND_LIMIT, written.kind
        if written.captions is not None:
            pictures = read_pictures(written.data, written.content_type)
            assert tuple(picture.caption for picture in pictures) == written.captions, written.kind


@pytest.mark.parametrize(("name", "known", "data"), encoded_passages(), ids=lambda value: str(value)[:40])
def test_text_comes_out_of_every_encoding_without_an_error(name: str, known: str, data: bytes):
    assert read_text(data, TEXT).text == known


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_scan_is_read_with_few_wrong_words(condition: Condition):
    source = SOURCES[SCANNED]
    read = read_text(scanned(source, condition), PDF).text

    errors = word_errors(read, known_text(source, figures=False))
    assert errors.rate <= (NOISY_LIMIT if condition.noisy else CLEAN_LIMIT), errors


@pytest.mark.parametrize("turn", [90, 180])
def test_sheet_that_lay_on_its_side_is_read(turn: int):
    source = SOURCES[SCANNED]
    read = read_text(scanned(source, Condition(150, noisy=False), turn=turn), PDF)

    assert word_errors(read.text, known_text(source, figures=False)).rate <= CLEAN_LIMIT
    assert all(block.box is not None for block in read.blocks)
