from benchmarks.ingest.corpus import corpus, scans
from contracts.media import PDF
from tests.ingest.extraction.making import read_text

PROSE = [[f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(200)]]


def test_documents_of_a_seed_are_the_same_again_and_differ_from_all_others() -> None:
    one, again, other = corpus(PROSE, 12, 1), corpus(PROSE, 12, 1), corpus(PROSE, 12, 2)
    assert [source.name for source in one] == [source.name for source in again]
    texts = [source.data for source in one if source.content_type != "application/pdf"]
    assert texts == [source.data for source in again if source.content_type != "application/pdf"]
    assert len({source.data for source in (*one, *other)}) == 24


def test_a_quarter_are_pictures_and_a_quarter_pdfs_of_three_pages() -> None:
    kinds = [source.content_type for source in corpus(PROSE, 40, 1)]
    assert (kinds.count("image/png"), kinds.count("application/pdf")) == (10, 10)
    assert sum(source.pages for source in corpus(PROSE, 40, 1)) == 20 + 10 + 30


def test_a_scan_is_read_by_ocr_alone() -> None:
    [source] = scans(PROSE, 1, 1)
    text = read_text(source.data, PDF)
    assert {block.kind for block in text.blocks} == {"ocr"}
    assert len(text.text.split()) > 100
