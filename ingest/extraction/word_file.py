"""Word documents: headings, paragraphs, lists and table rows in order, and the pictures between them.

Headers, footers, footnotes and comments are not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from docx.oxml.ns import qn
from lxml.etree import _Element

from ingest.extraction.captions import is_caption, is_picture_caption
from ingest.extraction.picture_tray import PictureTray
from ingest.extraction.text_builder import TextBuilder, clean
from ingest.extraction.types import BlockKind, ExtractionLimits, TextBlock
from ingest.extraction.wire import Finished, Reply
from ingest.extraction.word_package import WordPackage

_PARAGRAPH, _TABLE, _ROW, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_TEXT_BOX = qn("w:txbxContent")
_TEXTS = {qn("w:t"), qn("m:t")}
_BREAKS = {qn("w:br"), qn("w:cr")}
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
# Content that is not there for a reader: deleted or moved away under "track changes", doubled for old programs.
_UNSEEN = {qn("w:del"), qn("w:moveFrom"), _FALLBACK}
_BLIP, _EMBED = qn("a:blip"), qn("r:embed")
_IMAGE_DATA, _ID = "{urn:schemas-microsoft-com:vml}imagedata", qn("r:id")
_DESCRIBED = qn("wp:docPr")


@dataclass(frozen=True, slots=True)
class PlacedPicture:
    """A picture where the text holds it.

    Args:
        relation: id under which the document's part refers to the picture's bytes.
        block: index of the text block that it stands in; the next block's index where it has none of its own.
        in_text: whether that block holds the picture itself.
        description: its alternative text.
    """

    relation: str
    block: int
    in_text: bool
    description: str | None


class _Walk:
    """One pass over the body, in order; gathers text and the places of pictures."""

    def __init__(self, package: WordPackage, limits: ExtractionLimits) -> None:
        self.builder = TextBuilder(limits.max_characters)
        self.pictures: list[PlacedPicture] = []
        self._styles = _style_names(package.styles())
        self._walk(package.body())

    def _walk(self, parent: _Element) -> None:
        for element in parent:
            if element.tag == _PARAGRAPH:
                self._add(element, self._kind(element), _visible_text(element))
                for box in _text_boxes(element):
                    self._walk(box)
            elif element.tag == _TABLE:
                for row in element.iter(_ROW):
                    if next(row.iterancestors(_TABLE)) is element:
                        own = [cell for cell in row.iter(_CELL) if cell.getparent() is row]
                        cells = [" ".join(_paragraph_texts(cell)) for cell in own]
                        self._add(row, "table_row", " | ".join(cells) if any(cells) else "")
            elif isinstance(element.tag, str) and element.tag not in _UNSEEN:
                self._walk(element)  # content controls, custom XML, insertions: transparent

    def _add(self, element: _Element, kind: BlockKind, text: str) -> None:
        added = self.builder.add(kind, text)
        index = len(self.builder.blocks) - (1 if added else 0)
        for relation, description in _picture_references(element):
            self.pictures.append(PlacedPicture(relation, index, added is not None, description))

    def _kind(self, paragraph: _Element) -> BlockKind:
        properties = paragraph.find(qn("w:pPr"))
        style = properties.find(qn("w:pStyle")) if properties is not None else None
        name = self._styles.get(style.get(qn("w:val"), ""), "") if style is not None else ""
        if name.startswith("heading") or name in ("title", "subtitle"):
            return "heading"
        if name == "caption" or is_caption(_visible_text(paragraph)):
            return "caption"
        if name.startswith("list") or (properties is not None and properties.find(qn("w:numPr")) is not None):
            return "list_item"
        return "paragraph"


def read_text(data: bytes, limits: ExtractionLimits) -> Finished:
    """Text of a Word document.

    Raises:
        DocumentFailed: it cannot be opened.
    """
    return Finished(text=_Walk(WordPackage(data, limits), limits).builder.build())


def read_pictures(data: bytes, limits: ExtractionLimits) -> Iterator[Reply]:
    """Pictures of a Word document in the order of the text, each once; EMF and WMF drawings are left out.

    Raises:
        DocumentFailed: it cannot be opened.
    """
    package = WordPackage(data, limits)
    walk = _Walk(package, limits)
    tray = PictureTray(limits)
    for placed in walk.pictures:
        if package.is_external(placed.relation):
            continue
        caption, anchor = _caption_and_anchor(placed, walk.builder.blocks)
        yield from tray.add(package.related(placed.relation), anchor=anchor, caption=caption)
    yield Finished(left_out=tray.left_out)


def _caption_and_anchor(placed: PlacedPicture, blocks: list[TextBlock]) -> tuple[str | None, int]:
    """The caption under the picture, else above it, else its description; and where in the text it stands."""
    after = placed.block + 1 if placed.in_text else placed.block
    for index in (after, placed.block - 1):
        near = blocks[index] if 0 <= index < len(blocks) else None
        if near is not None and near.kind == "caption" and _may_be_of_picture(near.text):
            return near.text, near.char_start
    if placed.block < len(blocks) and placed.in_text:
        anchor = blocks[placed.block].char_start
    else:
        anchor = blocks[placed.block - 1].char_end if placed.block > 0 else 0
    return placed.description, anchor


def _may_be_of_picture(text: str) -> bool:
    return is_picture_caption(text) or not is_caption(text)


def _style_names(styles: _Element | None) -> dict[str, str]:
    """Style names by id: Word translates ids, but no names of built-in styles. A style's base counts too."""
    names: dict[str, str] = {}
    bases: dict[str, str] = {}
    for style in styles.iter(qn("w:style")) if styles is not None else ():
        identity = style.get(qn("w:styleId"), "")
        name, base = style.find(qn("w:name")), style.find(qn("w:basedOn"))
        names[identity] = name.get(qn("w:val"), "").lower() if name is not None else ""
        if base is not None:
            bases[identity] = base.get(qn("w:val"), "")
    known = ("heading", "title", "subtitle", "caption", "list")
    for identity, base in bases.items():
        if not names[identity].startswith(known) and names.get(base, "").startswith(known):
            names[identity] = names[base]
    return names


def _visible_text(element: _Element) -> str:
    """Text of one paragraph without that of the text boxes anchored in it."""
    parts: list[str] = []
    for child in element:
        if child.tag in _TEXTS:
            parts.append(child.text or "")
        elif child.tag in _BREAKS:
            parts.append("\n")
        elif child.tag == qn("w:tab"):
            parts.append(" ")
        elif child.tag == qn("w:noBreakHyphen"):
            parts.append("-")
        elif isinstance(child.tag, str) and child.tag not in _UNSEEN and child.tag != _TEXT_BOX:
            parts.append(_visible_text(child))
    return "".join(parts)


def _paragraph_texts(cell: _Element) -> Iterator[str]:
    for paragraph in cell.iter(_PARAGRAPH):
        if text := clean(_visible_text(paragraph)).replace("\n", " "):
            yield text


def _text_boxes(paragraph: _Element) -> Iterator[_Element]:
    for box in paragraph.iter(_TEXT_BOX):
        if not any(ancestor.tag in _UNSEEN for ancestor in box.iterancestors()):
            yield box


def _picture_references(element: _Element) -> Iterator[tuple[str, str | None]]:
    """Relation ids of the pictures in a paragraph or row, with their descriptions."""
    for reference in element.iter(_BLIP, _IMAGE_DATA):
        ancestors = list(reference.iterancestors())
        if any(ancestor.tag in _UNSEEN for ancestor in ancestors):
            continue
        identity = reference.get(_EMBED) if reference.tag == _BLIP else reference.get(_ID)
        described = next((found for a in ancestors if (found := a.find(_DESCRIBED)) is not None), None)
        description = clean(described.get("descr", "")) if described is not None else ""
        if identity:
            yield identity, description or None
