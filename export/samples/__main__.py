"""Writes `samples/`, `samples/damaged/` and the query pictures. Run from the repository's root."""

from pathlib import Path

from export.samples.formats import write_docx, write_pdf, write_scan
from export.samples.pictures import PICTURES, write_pictures
from export.samples.source import Figure, Source, read_sources

SAMPLES = Path("samples")
QUERY_PICTURES = Path("benchmarks/quality/queries")
KINDS = {
    ".pdf": "PDF",
    ".docx": "DOCX",
    ".txt": "plain text",
    ".md": "Markdown",
    ".png": "picture",
    ".jpg": "picture",
}

README = """# Samples

{n} documents written for the demo; `make demo` ingests them. The texts are in `export/samples/sources/`,
the pictures are drawn by `export/demo_clip/` with seeds that no training picture has (emoji: Noto Color Emoji,
OFL 1.1), and `python -m export.samples` (export environment) writes all of them again. `damaged/` holds broken
files for the demo of failures. This page itself is no sample.

| file | kind | about | figures |
|---|---|---|---|
{rows}
"""


def write_document(source: Source, folder: Path) -> None:
    """One text document in the format its name asks for; names that begin with `scan-` become scans."""
    path = folder / source.file
    if path.suffix == ".docx":
        write_docx(source, path)
    elif path.suffix == ".pdf" and path.name.startswith("scan-"):
        write_scan(source, path)
    elif path.suffix == ".pdf":
        write_pdf(source, path)
    elif path.suffix == ".txt":
        path.write_text(source.markdown.removeprefix("# "), encoding="utf-8")
    else:
        path.write_text(source.markdown, encoding="utf-8")


def write_damaged(samples: Path) -> None:
    """A picture with flipped bytes, a PDF that ends in its middle, and a PNG that is no picture."""
    folder = samples / "damaged"
    folder.mkdir(exist_ok=True)
    picture = bytearray((samples / "rocket.png").read_bytes())
    for offset in range(200, min(len(picture), 8200), 7):
        picture[offset] ^= 0xA5
    (folder / "corrupt-picture.png").write_bytes(bytes(picture[:8200]))
    whole = (samples / "weather-station.pdf").read_bytes()
    (folder / "truncated.pdf").write_bytes(whole[: len(whole) // 6])
    (folder / "not-a-picture.png").write_text("This is a sentence and not a picture.\n", encoding="utf-8")


def readme(sources: list[Source]) -> str:
    rows = []
    for source in sources:
        suffix = Path(source.file).suffix
        kind = "scanned PDF" if source.file.startswith("scan-") else KINDS[suffix]
        figures = sum(isinstance(block, Figure) for block in source.blocks)
        rows.append(f"| {source.file} | {kind} | {source.title} | {figures or ''} |")
    for file, directive in PICTURES.items():
        about = directive.split(":", 1)[1].strip().replace("_", " ")
        rows.append(f"| {file} | {KINDS[Path(file).suffix]} | {about} | |")
    return README.format(n=len(rows), rows="\n".join(sorted(rows)))


def main() -> None:
    SAMPLES.mkdir(exist_ok=True)
    sources = read_sources()
    for source in sources:
        write_document(source, SAMPLES)
    write_pictures(SAMPLES, QUERY_PICTURES)
    write_damaged(SAMPLES)
    (SAMPLES / "README.md").write_text(readme(sources), encoding="utf-8")
    size = sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file())
    print(f"{len(sources) + len(PICTURES)} documents, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
