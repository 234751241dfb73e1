"""Charts and diagrams that are drawn with lines instead of stored as pixels, found by their captions.

Lines alone are also tables, frames and rules; a caption "Figure n" beside them says that they are a picture.
"""

from collections.abc import Sequence

import pypdfium2.raw as pdfium_c
from pypdfium2 import PdfiumError, PdfPage

from contracts.documents import Box
from ingest.extraction.layout import area, clipped, union
from ingest.extraction.pdf_document import PageFrame
from ingest.extraction.pdf_images import shown_rectangle

# In fractions of the page.
_BACKGROUND = 0.6
_TOGETHER = 0.03
_CAPTION_GAP = 0.08
_SMALLEST_WIDTH, _SMALLEST_HEIGHT = 0.1, 0.04
# Labels of axes stand outside of the lines.
_LABELS = 0.03
_FEWEST_PATHS, _MOST_PATHS = 4, 5_000


def drawings_beside(page: PdfPage, frame: PageFrame, captions: Sequence[Box]) -> list[Box]:
    """Boxes of drawings that stand right above one of the captions, else right below it."""
    if not captions:
        return []
    clusters = _clusters(_path_boxes(page, frame))
    found: list[Box] = []
    for caption in captions:
        near = [(gap, index) for index, box in enumerate(clusters) if (gap := _gap(box, caption)) is not None]
        if near:
            drawing = clusters.pop(min(near)[1])
            above = drawing.top < caption.top
            box = clipped(
                drawing.left - _LABELS,
                drawing.top - _LABELS if above else max(drawing.top - _LABELS, caption.bottom),
                drawing.right + _LABELS,
                min(drawing.bottom + _LABELS, caption.top) if above else drawing.bottom + _LABELS,
            )
            found += [box] if box else []
    return found


def _gap(drawing: Box, caption: Box) -> float | None:
    """White space between a drawing and its caption; None where they do not belong together."""
    if caption.right <= drawing.left or caption.left >= drawing.right:
        return None
    below, above = caption.top - drawing.bottom, drawing.top - caption.bottom
    if -_LABELS <= below <= _CAPTION_GAP:
        return max(below, 0.0)
    return _CAPTION_GAP + above if 0 <= above <= _CAPTION_GAP else None  # below the caption: second choice


def _path_boxes(page: PdfPage, frame: PageFrame) -> list[Box]:
    boxes: list[Box] = []
    for path in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_PATH, pdfium_c.FPDF_PAGEOBJ_SHADING]):
        if len(boxes) == _MOST_PATHS:
            break
        try:
            left, top, right, bottom = shown_rectangle(path, frame)
        except PdfiumError:
            continue
        # A horizontal line has no height: it gets half a point, so that it is somewhere.
        box = frame.fraction((left - 0.25, top - 0.25, right + 0.25, bottom + 0.25))
        if box is not None and area(box) < _BACKGROUND:
            boxes.append(box)
    return boxes


def _clusters(boxes: Sequence[Box]) -> list[Box]:
    """Boxes around paths that stand close together, where they are large enough for a picture."""
    clusters: list[tuple[Box, int]] = []
    for box in boxes:
        around, n_paths = box, 1
        while True:  # a path may connect clusters, and what they make together may reach another one
            touching = [index for index, (other, _) in enumerate(clusters) if _close(around, other)]
            if not touching:
                break
            for index in reversed(touching):
                other, n_others = clusters.pop(index)
                around, n_paths = union([around, other]), n_paths + n_others
        clusters.append((around, n_paths))
    return [
        box
        for box, n_paths in clusters
        if n_paths >= _FEWEST_PATHS
        and box.right - box.left >= _SMALLEST_WIDTH
        and box.bottom - box.top >= _SMALLEST_HEIGHT
    ]


def _close(a: Box, b: Box) -> bool:
    beside = max(a.left - b.right, b.left - a.right)
    above = max(a.top - b.bottom, b.top - a.bottom)
    return beside <= _TOGETHER and above <= _TOGETHER
