"""The demo's documents: their number, their kinds, and that each is what its name says."""

import io
import json
import zipfile
from pathlib import Path

import docx
import pypdfium2
import pytesseract
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
QUERIES = ROOT / "benchmarks" / "quality" / "samples_queries.jsonl"
IMAGE_OBJECT = pypdfium2.raw.FPDF_PAGEOBJ_IMAGE

documents = sorted(path for path in SAMPLES.iterdir() if path.is_file() and path.name != "README.md")
scans = [path for path in documents if path.name.startswith("scan-")]
pdfs = [path for path in documents if path.suffix == ".pdf" and path not in scans]
word_files = [path for path in documents if path.suffix == ".docx"]
texts = [path for path in documents if path.suffix in {".txt", ".md"}]
pictures = [path for path in documents if path.suffix in {".png", ".jpg"}]


def name_of(path: Path) -> str:
    return path.name


def queries() -> list[dict[str, str | None]]:
    return [json.loads(line) for line in QUERIES.read_text().splitlines()]


def test_at_least_sixty_documents_of_every_kind_within_twelve_megabytes() -> None:
    assert len(documents) >= 60
    assert min(len(pdfs), len(word_files), len(pictures)) >= 10
    assert min(len(scans), len(texts)) >= 5
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) <= 12_000_000


def test_readme_lists_every_document() -> None:
    listed = (SAMPLES / "README.md").read_text()
    assert [path.name for path in documents if f"| {path.name} |" not in listed] == []


@pytest.mark.parametrize("path", pdfs, ids=name_of)
def test_pdf_has_a_text_layer_and_embedded_pictures_with_boxes(path: Path) -> None:
    pdf = pypdfium2.PdfDocument(path)
    words, boxes = 0, []
    for page in pdf:
        words += len(page.get_textpage().get_text_range().split())
        boxes += [image.get_bounds() for image in page.get_objects(filter=[IMAGE_OBJECT])]
    pdf.close()
    assert 150 <= words <= 900
    assert len(boxes) >= 1
    for left, bottom, right, top in boxes:
        assert right - left > 100
        assert top - bottom > 100


@pytest.mark.parametrize("path", scans, ids=name_of)
def test_scan_has_no_text_layer_but_tesseract_reads_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    pdf = pypdfium2.PdfDocument(path)
    layer = "".join(page.get_textpage().get_text_range() for page in pdf)
    page = pdf[0].render(scale=150 / 72).to_pil()
    pdf.close()
    source = (ROOT / "export" / "samples" / "sources" / f"{path.name}.md").read_text()
    read = set(pytesseract.image_to_string(page).split())
    expected = {word for word in source.split() if len(word) > 3 and word.isalpha()}
    assert layer.strip() == ""
    assert len(expected & read) >= 0.9 * len(expected)


@pytest.mark.parametrize("path", word_files, ids=name_of)
def test_word_file_has_headings_text_and_captioned_pictures(path: Path) -> None:
    document = docx.Document(str(path))
    styles = [paragraph.style.name for paragraph in document.paragraphs if paragraph.style]
    n_words = sum(len(paragraph.text.split()) for paragraph in document.paragraphs)
    assert 150 <= n_words <= 900
    assert styles.count("Heading 1") >= 3
    assert len(document.inline_shapes) == styles.count("Caption") >= 1


@pytest.mark.parametrize("path", texts, ids=name_of)
def test_text_file_is_prose_of_a_page(path: Path) -> None:
    assert 150 <= len(path.read_text(encoding="utf-8").split()) <= 900


@pytest.mark.parametrize("path", pictures, ids=name_of)
def test_picture_opens_in_the_format_of_its_name(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == {".png": "PNG", ".jpg": "JPEG"}[path.suffix]
        assert min(picture.size) >= 300


def test_damaged_files_cannot_be_read() -> None:
    for name in ("corrupt-picture.png", "not-a-picture.png"):
        with pytest.raises((OSError, SyntaxError)), Image.open(SAMPLES / "damaged" / name) as picture:
            picture.load()
    with pytest.raises(pypdfium2.PdfiumError):
        pypdfium2.PdfDocument(SAMPLES / "damaged" / "truncated.pdf")


def test_forty_queries_ten_of_each_kind_expect_documents_that_exist() -> None:
    kinds = [query["kind"] for query in queries()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "text_to_text": 10,
        "text_to_picture": 10,
        "picture_to_picture": 10,
        "text_and_picture": 10,
    }
    for query in queries():
        assert (ROOT / str(query["expected"])).is_file(), query
        assert bool(query["query"]) == (query["kind"] != "picture_to_picture")
        assert bool(query["image"]) == (query["kind"] in {"picture_to_picture", "text_and_picture"})


def test_query_pictures_exist_and_are_in_no_document() -> None:
    shown = {path.read_bytes() for path in pictures}
    for path in word_files:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            shown |= {archive.read(name) for name in archive.namelist() if name.startswith("word/media/")}
    for query in queries():
        if query["image"]:
            assert (ROOT / query["image"]).read_bytes() not in shown
