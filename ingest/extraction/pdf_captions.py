"""Which text of a page belongs to which picture: captions, and the place in the text where a picture stands."""

from collections.abc import Sequence

from contracts.documents import Box
from ingest.extraction.captions import is_picture_caption
from ingest.extraction.layout import centre, distance
from ingest.extraction.types import TextBlock

# In fractions of the page. A caption above a picture must be nearer than one below, which is the custom.
_CAPTION_BELOW = 0.06
_CAPTION_ABOVE = 0.03
_CAPTION_SIDEWAYS = 0.25
# A short text without "Figure n" is a caption when it is centred under the picture and hardly wider.
_UNMARKED_GAP = 0.025
_CENTRED = 0.03
_LONGEST_UNMARKED = 160


def match_captions(boxes: Sequence[Box], blocks: Sequence[TextBlock]) -> list[TextBlock | None]:
    """The caption of each picture of a page, or None: nearest pairs first, and no caption twice."""
    pairs: list[tuple[float, int, int]] = []
    for i, box in enumerate(boxes):
        for j, block in enumerate(blocks):
            gap = _caption_gap(box, block)
            if gap is not None:
                pairs.append((gap, i, j))
    found: dict[int, int] = {}
    for _, i, j in sorted(pairs):
        if i not in found and j not in found.values():
            found[i] = j
    return [blocks[found[i]] if i in found else None for i in range(len(boxes))]


def anchor_of(box: Box, caption: TextBlock | None, blocks: Sequence[TextBlock], page_start: int) -> int:
    """Offset in the document's text at which a picture stands.

    Args:
        blocks: those of the picture's page.
        page_start: where the page's text begins, for pages without any.
    """
    if caption is not None:
        return caption.char_start
    placed = [block for block in blocks if block.box is not None]
    if not placed:
        return page_start
    nearest = min(placed, key=lambda block: distance(box, block.box or box))
    above = nearest.box is not None and nearest.box.bottom <= (box.top + box.bottom) / 2
    return nearest.char_end if above else nearest.char_start


def _caption_gap(box: Box, block: TextBlock) -> float | None:
    """How far a block is from the picture that it may be the caption of, or None where it cannot be."""
    place = block.box
    if place is None:
        return None
    below, above = place.top - box.bottom, box.top - place.bottom
    gap = max(below, above, 0.0)
    sideways = max(place.left - box.right, box.left - place.right, 0.0)
    if is_picture_caption(block.text):
        near = gap <= (_CAPTION_BELOW if below > above else _CAPTION_ABOVE) and sideways <= _CAPTION_SIDEWAYS
        return gap + 2 * sideways if near else None
    unmarked = (
        block.kind == "paragraph"
        and len(block.text) <= _LONGEST_UNMARKED
        and -_UNMARKED_GAP / 2 <= below <= _UNMARKED_GAP
        and abs(centre(place) - centre(box)) <= _CENTRED
        and place.right - place.left <= box.right - box.left + 2 * _CENTRED
    )
    return 1.0 + gap if unmarked else None  # after all that say "Figure n"
