"""The script that writes the samples. Runs in the export environment."""

from pathlib import Path

import pytest

from export.demo_clip.glyphs import FONT
from export.samples.__main__ import write_document
from export.samples.pictures import PICTURES, QUERIES, encode_picture
from export.samples.source import Source, parse_blocks, read_sources

pytestmark = pytest.mark.export_env

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


def source_of(file: str) -> Source:
    return next(source for source in read_sources() if source.file == file)


needs_font = pytest.mark.skipif(
    not FONT.exists(), reason="needs the font: apt-get install fonts-noto-color-emoji unicode-cldr-core"
)


@pytest.mark.parametrize("file", ["scan-ferry-notice.pdf", "knots.md", "fish-soup.txt"])
def test_writing_a_document_again_gives_the_checked_in_bytes(tmp_path: Path, file: str) -> None:
    write_document(source_of(file), tmp_path)
    assert (tmp_path / file).read_bytes() == (SAMPLES / file).read_bytes()


@needs_font
@pytest.mark.parametrize("file", ["river-otters.pdf", "stable-rules.docx"])
def test_writing_an_illustrated_document_twice_gives_the_same_bytes(tmp_path: Path, file: str) -> None:
    # Not compared with the checked-in file: its emoji look a little different in every release of the font.
    written = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        write_document(source_of(file), folder)
        written.append((folder / file).read_bytes())
    assert written[0] == written[1]


@needs_font
def test_query_picture_shows_its_subject_in_another_pose_than_the_sample() -> None:
    assert PICTURES["rocket.png"] == QUERIES["rocket.png"]
    sample = encode_picture(PICTURES["rocket.png"], "sample:rocket.png", ".png", 320)
    query = encode_picture(QUERIES["rocket.png"], "query:rocket.png", ".png", 320)
    assert sample != query


def test_scan_with_a_figure_is_refused(tmp_path: Path) -> None:
    markdown = "# Title\n\n![words](emoji: otter)"
    with pytest.raises(ValueError, match="no figures"):
        write_document(Source("scan-x.pdf", markdown, parse_blocks(markdown)), tmp_path)
