"""Known texts written as files of every kind: typeset in one or two columns, as Word, web page, Markdown, text."""

import html
import io
from collections.abc import Iterator
from dataclasses import dataclass

from docx import Document
from docx.shared import Cm
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, Image, KeepTogether, PageTemplate, Paragraph

from contracts.media import DOCX, HTML, MARKDOWN, PDF, TEXT
from export.samples.formats import figure_file
from export.samples.source import Figure, Heading, Source

_MARGIN, _GUTTER = 2 * cm, 0.8 * cm


@dataclass(frozen=True, slots=True)
class Written:
    """A file with a known content.

    Args:
        known: its text in the order of reading, captions of figures among it.
        captions: of its pictures, in order; None where the kind holds no pictures.
    """

    kind: str
    content_type: str
    data: bytes
    known: str
    captions: tuple[str, ...] | None


def every_kind(source: Source) -> Iterator[Written]:
    """A text as files of every kind."""
    known, words = known_text(source, figures=True), known_text(source, figures=False)
    captions = tuple(captions_of(source))
    yield Written("PDF, one column", PDF, typeset(source, columns=1, figures=True), known, captions)
    yield Written("PDF, two columns", PDF, typeset(source, columns=2, figures=True), known, captions)
    yield Written("DOCX", DOCX, word_file(source), known, captions)
    yield Written("HTML", HTML, web_page(source), words, None)
    yield Written("Markdown", MARKDOWN, markdown(source), words.replace("**", ""), None)
    yield Written("TXT", TEXT, words.encode(), words, None)


def captions_of(source: Source) -> list[str]:
    """Captions as they stand below the figures."""
    figures = [block for block in source.blocks if isinstance(block, Figure)]
    return [f"Figure {number}: {figure.caption}" for number, figure in enumerate(figures, 1)]


def known_text(source: Source, *, figures: bool) -> str:
    """The text in the order of reading, blocks parted by empty lines."""
    captions = iter(captions_of(source))
    parts: list[str] = []
    for block in source.blocks:
        if not isinstance(block, Figure):
            parts.append(block.text)
        elif figures:
            parts.append(next(captions))
    return "\n\n".join(parts)


def typeset(source: Source, *, columns: int, figures: bool) -> bytes:
    """A PDF of A4 pages, set in Times, with pictures and their captions where `figures` says so."""
    styles = getSampleStyleSheet()
    body = ParagraphStyle("body", fontName="Times-Roman", fontSize=11, leading=15, spaceAfter=7)
    caption = ParagraphStyle(
        "caption", parent=styles["Italic"], fontSize=9, leading=12, alignment=1, spaceAfter=10
    )
    width = (A4[0] - 2 * _MARGIN - (columns - 1) * _GUTTER) / columns
    names = iter(captions_of(source))
    story: list[Flowable] = []
    for block in source.blocks:
        if isinstance(block, Heading):
            story.append(
                Paragraph(html.escape(block.text), styles["Heading1" if block.level == 1 else "Heading2"])
            )
        elif not isinstance(block, Figure):
            story.append(Paragraph(html.escape(block.text), body))
        elif figures:
            side = min(7 * cm, width)
            picture = Image(figure_file(block, source.file), width=side, height=side)
            story.append(KeepTogether([picture, Paragraph(html.escape(next(names)), caption)]))
    out = io.BytesIO()
    document = BaseDocTemplate(out, pagesize=A4, invariant=1)
    frames = [
        Frame(_MARGIN + column * (width + _GUTTER), _MARGIN, width, A4[1] - 2 * _MARGIN, 0, 0, 0, 0)
        for column in range(columns)
    ]
    document.addPageTemplates(PageTemplate(frames=frames))
    document.build(story)
    return out.getvalue()


def word_file(source: Source) -> bytes:
    """A DOCX with headings, paragraphs and captioned pictures."""
    document = Document()
    names = iter(captions_of(source))
    for block in source.blocks:
        if isinstance(block, Heading):
            document.add_heading(block.text, level=block.level)
        elif isinstance(block, Figure):
            document.add_picture(figure_file(block, source.file), width=Cm(8))
            document.add_paragraph(next(names), style="Caption")
        else:
            document.add_paragraph(block.text)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def web_page(source: Source) -> bytes:
    """A page as sites give it: menu, banner, the text, a footer."""
    parts = []
    for block in source.blocks:
        if isinstance(block, Heading):
            parts.append(f"<h{block.level}>{html.escape(block.text)}</h{block.level}>")
        elif not isinstance(block, Figure):
            parts.append(f"<p>{html.escape(block.text)}</p>")
    return (
        f"<!DOCTYPE html><html><head><meta charset=utf-8><title>{html.escape(source.title)} | Site</title>"
        "<style>p { margin: 1em }</style></head><body><header><a href=/>Site</a></header>"
        f"<nav><ul><li>Home<li>Contact</ul></nav><main>{''.join(parts)}</main>"
        "<footer>All rights reserved</footer><script>track()</script></body></html>"
    ).encode()


def markdown(source: Source) -> bytes:
    """Headings with their marks, paragraphs wrapped to lines."""
    parts = []
    for block in source.blocks:
        if isinstance(block, Heading):
            parts.append(f"{'#' * block.level} {block.text}")
        elif not isinstance(block, Figure):
            parts.append(block.text)
    return "\n\n".join(parts).encode()
