"""Reads a source text: Markdown with headings, paragraphs and figure directives. Writes nothing."""

import re
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "sources"
_FIGURE = re.compile(r"^!\[(?P<caption>[^\]]*)\]\((?P<directive>.+)\)$")


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    caption: str
    directive: str


Block = Heading | Paragraph | Figure


@dataclass(frozen=True, slots=True)
class Source:
    """One document: the name of the file to write, and its blocks in order."""

    file: str
    markdown: str
    blocks: tuple[Block, ...]

    @property
    def title(self) -> str:
        first = self.blocks[0]
        return first.caption if isinstance(first, Figure) else first.text


def parse_blocks(markdown: str) -> tuple[Block, ...]:
    """Blocks are parted by empty lines."""
    blocks: list[Block] = []
    for part in re.split(r"\n\s*\n", markdown.strip()):
        text = " ".join(part.split())
        figure = _FIGURE.match(text)
        if figure:
            blocks.append(Figure(figure["caption"], figure["directive"]))
        elif text.startswith("#"):
            marks, words = text.split(" ", 1)
            blocks.append(Heading(len(marks), words))
        else:
            blocks.append(Paragraph(text))
    return tuple(blocks)


def read_sources(folder: Path = SOURCES) -> list[Source]:
    """All sources, by file name."""
    out = []
    for path in sorted(folder.glob("*.md")):
        markdown = path.read_text(encoding="utf-8")
        out.append(Source(path.name.removesuffix(".md"), markdown, parse_blocks(markdown)))
    return out
