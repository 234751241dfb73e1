"""Writers for PDF, scanned PDF and DOCX. Each gives the same bytes for the same source."""

import io
import random
import textwrap
import zipfile
from pathlib import Path

from docx import Document
from docx.shared import Cm
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas as PdfCanvas
from reportlab.platypus import Image as PdfImage
from reportlab.platypus import KeepTogether, SimpleDocTemplate, Spacer
from reportlab.platypus import Paragraph as PdfParagraph

from export.samples.figures import draw_figure
from export.samples.source import Figure, Heading, Source

SCAN_DPI = 150
_ZIP_DATE = (2026, 1, 1, 0, 0, 0)


def figure_file(figure: Figure, seed: str) -> io.BytesIO:
    """The figure encoded as documents hold them: photographs and scenes as JPEG, drawings as PNG."""
    picture, out = draw_figure(figure.directive, seed), io.BytesIO()
    if figure.directive.startswith(("emoji", "scene")):
        picture.save(out, "JPEG", quality=85)
    else:
        picture.quantize(64, dither=Image.Dither.NONE).convert("RGB").save(out, "PNG", optimize=True)
    out.seek(0)
    return out


def write_pdf(source: Source, path: Path) -> None:
    """A4 with a text layer, embedded pictures and their captions."""
    styles = getSampleStyleSheet()
    body = ParagraphStyle(
        "body", parent=styles["BodyText"], fontName="Times-Roman", fontSize=11, leading=15, spaceAfter=7
    )
    caption = ParagraphStyle(
        "caption", parent=styles["Italic"], fontSize=9, leading=12, alignment=1, spaceAfter=10
    )
    story: list[object] = []
    n_figures = 0
    for block in source.blocks:
        if isinstance(block, Heading):
            story.append(PdfParagraph(block.text, styles["Title" if block.level == 1 else "Heading2"]))
        elif isinstance(block, Figure):
            n_figures += 1
            picture = PdfImage(figure_file(block, source.file), width=8 * cm, height=8 * cm)
            words = PdfParagraph(f"Figure {n_figures}: {block.caption}", caption)
            story.append(KeepTogether([Spacer(1, 6), picture, Spacer(1, 4), words]))
        else:
            story.append(PdfParagraph(block.text.replace("&", "&amp;"), body))
    document = SimpleDocTemplate(
        str(path), pagesize=A4, title=source.title, leftMargin=2.5 * cm, rightMargin=2.5 * cm, invariant=1
    )
    document.build(story)


def _scan_pages(source: Source) -> list[Image.Image]:
    width, height = round(8.27 * SCAN_DPI), round(11.69 * SCAN_DPI)
    fonts = {False: ImageFont.load_default(25), True: ImageFont.load_default(38)}
    pages: list[Image.Image] = []
    y = height
    for block in source.blocks:
        if isinstance(block, Figure):
            raise ValueError(f"{source.file}: a scan holds no figures")
        bold = isinstance(block, Heading)
        for words in [*textwrap.wrap(block.text, 44 if bold else 78), ""]:
            if y > height - 150:
                pages.append(Image.new("L", (width, height), 246))
                y = 130
            ImageDraw.Draw(pages[-1]).text((120, y), words, fill=35, font=fonts[bold])
            y += (54 if bold else 37) if words else 22
    return pages


def weathered(page: Image.Image, rng: random.Random, *, dpi: int = SCAN_DPI) -> Image.Image:
    """As it comes from a scanner: slightly turned, soft, grainy and with a dark edge.

    Args:
        dpi: resolution of the page; specks, edge, grain and blur keep their size on paper.
    """
    fine = dpi / SCAN_DPI
    page = page.rotate(rng.uniform(-0.7, 0.7), Image.Resampling.BICUBIC, fillcolor=238)
    draw = ImageDraw.Draw(page)
    for _ in range(160):
        x, y = rng.uniform(0, page.width), rng.uniform(0, page.height)
        r, level = fine * rng.uniform(0.4, 1.4), rng.randint(90, 220)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=level)
    edge = round(14 * fine)
    for column in range(edge):
        draw.line([(column, 0), (column, page.height)], fill=150 + 98 * column // edge)
    grain = Image.new("L", (round(page.width / fine) // 2, round(page.height / fine) // 2))
    grain.putdata([128 + round(rng.gauss(0, 9)) for _ in range(grain.width * grain.height)])
    page = Image.blend(page, grain.resize(page.size), 0.12)
    return page.filter(ImageFilter.GaussianBlur(0.6 * fine))


def write_scan(source: Source, path: Path) -> None:
    """A PDF whose pages are grey JPEG pictures of the text and nothing else."""
    rng = random.Random(f"scan:{source.file}")
    pdf = PdfCanvas(str(path), pagesize=A4, invariant=1)
    pdf.setTitle(path.stem)
    for page in _scan_pages(source):
        encoded = io.BytesIO()
        weathered(page, rng).save(encoded, "JPEG", quality=55)
        encoded.seek(0)
        pdf.drawImage(_reader(encoded), 0, 0, A4[0], A4[1])
        pdf.showPage()
    pdf.save()


def _reader(encoded: io.BytesIO) -> object:
    from reportlab.lib.utils import ImageReader

    return ImageReader(encoded)


def write_docx(source: Source, path: Path) -> None:
    """Headings, paragraphs, and pictures each followed by its caption."""
    document = Document()
    n_figures = 0
    for block in source.blocks:
        if isinstance(block, Heading):
            document.add_heading(block.text, level=0 if block.level == 1 else 1)
        elif isinstance(block, Figure):
            n_figures += 1
            document.add_picture(figure_file(block, source.file), width=Cm(8))
            document.add_paragraph(f"Figure {n_figures}: {block.caption}", style="Caption")
        else:
            document.add_paragraph(block.text)
    raw = io.BytesIO()
    document.save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, _ZIP_DATE), old.read(name), zipfile.ZIP_DEFLATED)
