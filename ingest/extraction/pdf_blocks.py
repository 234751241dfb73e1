"""Lines of a page to blocks: paragraphs, headings, list items, captions, table rows; in the order of reading."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from contracts.documents import Box
from ingest.extraction.captions import is_caption
from ingest.extraction.layout import reading_order, union
from ingest.extraction.pdf_lines import Line
from ingest.extraction.text_file import BULLET
from ingest.extraction.types import BlockKind

# All factors are in heights of a line (ascender to descender).
_PARAGRAPH_GAP = 0.3  # more white space than between the page's lines usually
_WIDEST_LEADING = 0.9
_SAME_SIZE = 0.12
_HEADING_SIZE = 1.15  # times the size of the body's letters
_LONGEST_HEADING = 200
# Cells of a column share an edge or their middle to this fraction of the page.
_ALIGNED = 0.02


@dataclass(frozen=True, slots=True)
class PageBlock:
    """One block of a page, not yet part of a text."""

    kind: BlockKind
    text: str
    box: Box


def body_height(pages: Sequence[Sequence[Line]]) -> float:
    """Height of the letters that most of a document's text is set in; 0 where there is none."""
    weighed = sorted((line.height, len(line.text)) for lines in pages for line in lines)
    half = sum(length for _, length in weighed) / 2
    for height, length in weighed:
        half -= length
        if half <= 0:
            return height
    return 0.0


def page_blocks(
    lines: Sequence[Line], page_height: float, body: float, pictures: Sequence[Box] = ()
) -> list[PageBlock]:
    """Blocks of a page in the order in which people read them.

    Args:
        page_height: in points.
        body: as `body_height` gives it for the whole document.
        pictures: what stands in the columns beside text; without them a column with a picture seems to end.
    """
    lines = [part for line in lines for part in _captions_apart(line)]
    rows = _table_rows(lines)
    regions: list[list[PageBlock]] = []
    for group in _grouped(lines, rows, page_height):
        if group[0] in rows:
            row = PageBlock("table_row", " | ".join(lines[group[0]].cells), lines[group[0]].box)
            if regions and regions[-1][-1].kind == "table_row":
                regions[-1].append(row)  # a table is one region: its rows stay together
            else:
                regions.append([row])
        else:
            members = [lines[index] for index in group]
            text = _joined(members)
            regions.append([PageBlock(_kind(members, text, body), text, union([line.box for line in members]))])
    order = reading_order([*(union([block.box for block in region]) for region in regions), *pictures])
    return [block for index in order if index < len(regions) for block in regions[index]]


def _captions_apart(line: Line) -> list[Line]:
    """A line, or its cells as lines of their own where captions of pictures side by side stand in it."""
    if not any(is_caption(cell) for cell in line.cells[1:]):
        return [line]
    return [
        replace(
            line, cells=(cell,), cell_edges=(edges,), box=Box(edges[0], line.box.top, edges[1], line.box.bottom)
        )
        for cell, edges in zip(line.cells, line.cell_edges, strict=True)
    ]


def _grouped(lines: Sequence[Line], rows: set[int], page_height: float) -> list[list[int]]:
    """Indices of lines, paragraph by paragraph; a table row is a group of its own."""
    usual = _usual_gap(lines, page_height)
    groups: list[list[int]] = []
    for index, line in enumerate(lines):
        apart = index == 0 or index in rows or index - 1 in rows
        if apart or not _goes_on(lines[index - 1], line, usual, page_height):
            groups.append([index])
        else:
            groups[-1].append(index)
    return groups


def _goes_on(last: Line, line: Line, usual: float, page_height: float) -> bool:
    """Whether `line` belongs to the paragraph that `last` stands in."""
    if abs(line.height - last.height) > _SAME_SIZE * last.height or line.bold != last.bold:
        return False
    if BULLET.match(line.text + " ") or is_caption(line.text):
        return False
    if line.box.right <= last.box.left or line.box.left >= last.box.right:
        return False
    gap = _gap(last, line, page_height)
    return -0.5 < gap <= usual + _PARAGRAPH_GAP


def _gap(above: Line, below: Line, page_height: float) -> float:
    """White space between two lines in line heights; negative where the second one is not below the first."""
    return (below.box.top - above.box.bottom) * page_height / above.height


def _usual_gap(lines: Sequence[Line], page_height: float) -> float:
    gaps = [_gap(a, b, page_height) for a, b in pairwise(lines)]
    plausible = [gap for gap in gaps if -0.5 < gap <= _WIDEST_LEADING]
    return max(statistics.median_low(plausible), 0.0) if plausible else 0.0


def _table_rows(lines: Sequence[Line]) -> set[int]:
    """Indices of lines in tables: neighbours with as many cells, where a column after the first is aligned."""
    rows: set[int] = set()
    for index in range(1, len(lines)):
        above, below = lines[index - 1], lines[index]
        if len(above.cells) == len(below.cells) > 1 and not _is_item(above) and not _is_item(below):
            pairs = list(zip(above.cell_edges, below.cell_edges, strict=True))[1:]
            if any(_aligned(a, b) for a, b in pairs):
                rows |= {index - 1, index}
    return rows


def _is_item(line: Line) -> bool:
    """Whether the first cell is but the bullet of a list."""
    return BULLET.fullmatch(line.cells[0] + " ") is not None


def _aligned(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return min(abs(a[0] - b[0]), abs(a[1] - b[1]), abs(a[0] + a[1] - b[0] - b[1]) / 2) <= _ALIGNED


def _kind(group: Sequence[Line], text: str, body: float) -> BlockKind:
    if is_caption(text):
        return "caption"
    first = group[0]
    large = first.height > _HEADING_SIZE * body
    short = len(text) <= _LONGEST_HEADING and any(character.isalpha() for character in text)
    if short and (large or (first.bold and len(group) <= 2 and not text.endswith((".", ":", ";", ",")))):
        return "heading"
    if BULLET.match(text):
        return "list_item"
    return "paragraph"


def _joined(group: Sequence[Line]) -> str:
    """Text of a paragraph; words that were broken at a line's end are whole again."""
    parts: list[str] = []
    for line, following in zip(group, [*group[1:], None], strict=True):
        text = line.text
        if following is not None:
            if not line.hyphenated:
                text += " "
            elif following.text[:1].islower():
                text = text[:-1]
        parts.append(text)
    return "".join(parts).strip()
