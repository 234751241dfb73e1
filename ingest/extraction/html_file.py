"""Web pages: headings, paragraphs, lists and table rows of the page's own text, and the pictures inside the file.

Nothing is fetched: pictures are read where their bytes stand in the page (`data:` addresses). Scripts, styles,
controls of forms and what a page hides are left out; so are menus and frames of the site, unless there is nothing
else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
from lxml.etree import _Element

from contracts.errors import DocumentFailed
from ingest.extraction.data_address import picture_bytes
from ingest.extraction.html_tree import (
    has_top_heading,
    is_data_table,
    is_frame,
    is_unread,
    main_element,
    parsed,
    title_of,
)
from ingest.extraction.picture_tray import PictureTray
from ingest.extraction.text_builder import TextBuilder, clean
from ingest.extraction.types import BlockKind, ExtractionLimits
from ingest.extraction.wire import Finished, Reply

_KINDS: dict[str, BlockKind] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "heading"),
    **dict.fromkeys(("li", "dt", "dd"), "list_item"),
    **dict.fromkeys(("figcaption", "caption"), "caption"),
    **dict.fromkeys(("p", "pre", "blockquote", "address"), "paragraph"),
}
# Elements that end the line before them; all others stand within a line (HTML standard, 15.3, "display: block").
_BLOCK_NAMES = """
    article aside body center details dir div dl fieldset figure footer form header hgroup hr html legend main menu
    nav ol section summary table tbody tfoot thead tr td th ul search svg math
"""
_BLOCKS = frozenset(_KINDS) | frozenset(_BLOCK_NAMES.split())
_SPACE = re.compile(r"[ \t\n\r\f]+")


@dataclass(frozen=True, slots=True)
class PlacedPicture:
    """A picture in the page.

    Args:
        address: the `data:` address that holds its bytes.
        block: index of the text block in which, or before which, it stands.
        description: its alternative text.
        figure: number of the figure around it, by which its caption is found.
    """

    address: str
    block: int
    description: str | None
    figure: int | None


class _Walk:
    """One pass over a page in order; gathers text, the places of pictures and the captions of figures.

    Args:
        page: all of it, for the title.
        root: what is walked.
        whole: whether the site's frame counts as text, too.
    """

    def __init__(self, page: _Element, root: _Element, limits: ExtractionLimits, *, whole: bool) -> None:
        self.builder = TextBuilder(limits.max_characters)
        self.pictures: list[PlacedPicture] = []
        self.captions: dict[int, str] = {}
        self._whole = whole
        self._line: list[str] = []
        self._kinds: list[BlockKind] = ["paragraph"]
        self._n_figures = 0
        self._figures: list[int] = []
        self._tables: list[bool] = []
        self._row: list[list[str]] | None = None
        self._preformatted = 0
        if not has_top_heading(root):
            self.builder.add("heading", _SPACE.sub(" ", title_of(page)))
        self._n_titles = len(self.builder.blocks)
        self._walk(root)

    @property
    def found_nothing(self) -> bool:
        """Whether there is neither text below the title nor a picture."""
        return len(self.builder.blocks) == self._n_titles and not self.pictures

    def _walk(self, root: _Element) -> None:
        events = etree.iterwalk(root, events=("start", "end"))
        skipped: _Element | None = None
        for event, element in events:
            if event == "start":
                if element is not root and (is_unread(element) or (is_frame(element) and not self._whole)):
                    skipped = element  # its end is the next event
                    events.skip_subtree()
                else:
                    self._open(element)
                continue
            if element is not skipped:
                self._close(element)
            if element is not root:
                self._say(element.tail)
        self._end_line()

    def _open(self, element: _Element) -> None:
        tag = element.tag
        if tag in _BLOCKS:
            self._end_line()
        if tag in _KINDS:
            inside = self._kinds[-1]
            kind = _KINDS[tag]
            self._kinds.append(inside if kind == "paragraph" else kind)
        if tag == "pre":
            self._preformatted += 1
        elif tag == "figure":
            self._n_figures += 1
            self._figures.append(self._n_figures)
        elif tag == "br":
            self._line.append("\n")
        elif tag == "img":
            self._picture(element)
        elif tag == "table":
            self._tables.append(is_data_table(element))
        elif tag == "tr" and self._tables and self._tables[-1]:
            self._row = []
        elif tag in ("td", "th") and self._row is not None:
            self._row.append([])
        self._say(element.text)

    def _close(self, element: _Element) -> None:
        tag = element.tag
        if tag in _BLOCKS:
            self._end_line()
        if tag in _KINDS:
            self._kinds.pop()
        if tag == "pre":
            self._preformatted -= 1
        elif tag == "figure":
            self._figures.pop()
        elif tag == "table":
            self._tables.pop()
        elif tag == "tr" and self._row is not None:
            cells, self._row = [" ".join(cell) for cell in self._row], None
            self.builder.add("table_row", " | ".join(cells) if any(cells) else "")

    def _say(self, text: str | None) -> None:
        if text:
            self._line.append(text if self._preformatted else _SPACE.sub(" ", text))

    def _end_line(self) -> None:
        text, self._line = "".join(self._line), []
        if self._row is not None:
            words = clean(text).replace("\n", " ")
            if words and self._row:
                self._row[-1].append(words)
            return
        added = self.builder.add(self._kinds[-1], text)
        if added is not None and added.kind == "caption" and self._figures:
            self.captions[self._figures[-1]] = added.text

    def _picture(self, element: _Element) -> None:
        description = clean(element.get("alt", "")).replace("\n", " ") or None
        address = element.get("src", "")
        if address[:5].lower() == "data:":
            figure = self._figures[-1] if self._figures else None
            self.pictures.append(PlacedPicture(address, len(self.builder.blocks), description, figure))
        if description is not None:
            self._line.append(f" {description} ")


def read_text(data: bytes, limits: ExtractionLimits) -> Finished:
    """Text of a web page.

    Raises:
        DocumentFailed: cause "empty" where it shows neither text nor pictures of its own; "corrupt",
            "too_deep" or "too_much_text".
    """
    walk = _read(data, limits)
    if walk.found_nothing and not walk.builder.blocks:
        raise DocumentFailed("empty", "The page holds no text.")
    return Finished(text=walk.builder.build())


def read_pictures(data: bytes, limits: ExtractionLimits) -> Iterator[Reply]:
    """Pictures whose bytes stand in the page, each once.

    Raises:
        DocumentFailed: as `read_text`.
    """
    walk = _read(data, limits)
    blocks = walk.builder.blocks
    tray = PictureTray(limits)
    for placed in walk.pictures:
        caption = walk.captions.get(placed.figure) if placed.figure is not None else None
        anchor = blocks[min(placed.block, len(blocks) - 1)].char_start if blocks else 0
        yield from tray.add(picture_bytes(placed.address), anchor=anchor, caption=caption or placed.description)
    yield Finished(left_out=tray.left_out)


def _read(data: bytes, limits: ExtractionLimits) -> _Walk:
    page = parsed(data, limits)
    walk = _Walk(page, main_element(page), limits, whole=False)
    return _Walk(page, page, limits, whole=True) if walk.found_nothing else walk
