"""Geometry of a page: boxes in fractions of its size, and the order in which people read them."""

from collections.abc import Sequence
from itertools import pairwise

from contracts.documents import Box

# White space this wide (fraction of the page) between two columns is a gutter; typeset ones take 0.02-0.04.
_GUTTER = 0.01
# Boxes of neighbouring lines may overlap a little, because they hold ascenders and descenders.
_OVERLAP = 0.003
# Bands are columns that go on only where each column is this tall; a name beside a date is none.
_COLUMN_HEIGHT = 0.05
# A page with more blocks is a map or a form, for which the order of the file is as good, and the cut is slow.
_MOST_BOXES = 400


def clipped(left: float, top: float, right: float, bottom: float) -> Box | None:
    """A box cut to the page, or None where nothing of it is on the page."""
    box = Box(max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0))
    return box if box.left < box.right and box.top < box.bottom else None


def union(boxes: Sequence[Box]) -> Box:
    """The smallest box around some boxes; at least one."""
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )


def area(box: Box) -> float:
    """Area of a box as a fraction of the page."""
    return (box.right - box.left) * (box.bottom - box.top)


def distance(a: Box, b: Box) -> float:
    """White space between two boxes; sideways distance counts double, because text belongs to what is above it."""
    beside = max(a.left - b.right, b.left - a.right, 0.0)
    above = max(a.top - b.bottom, b.top - a.bottom, 0.0)
    return 2 * beside + above


def centre(box: Box) -> float:
    """Horizontal middle of a box."""
    return (box.left + box.right) / 2


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of boxes in the order in which they are read: columns left to right, each from top to bottom.

    The recursive X-Y cut (Nagy and Seth, 1984), with one change: neighbouring bands that share a gutter are one
    band, so that paragraph gaps that happen to stand at the same height do not tear two columns apart.
    """
    if len(boxes) > _MOST_BOXES:
        return list(range(len(boxes)))
    return _ordered(boxes, list(range(len(boxes))))


def _ordered(boxes: Sequence[Box], members: list[int]) -> list[int]:
    if len(members) < 2:
        return members
    bands = _split([(boxes[index].top, boxes[index].bottom, index) for index in members], gap=-_OVERLAP)
    joined: list[list[int]] = [bands[0]]
    for band in bands[1:]:
        together = joined[-1] + band
        if len(_columns(boxes, together, tallest=_COLUMN_HEIGHT)) > 1:
            joined[-1] = together
        else:
            joined.append(band)
    parts = joined if len(joined) > 1 else _columns(boxes, members, tallest=0.0)
    if len(parts) == 1:
        return sorted(members)  # they overlap: the order in which they came is the best guess
    return [index for part in parts for index in _ordered(boxes, part)]


def _columns(boxes: Sequence[Box], members: list[int], tallest: float) -> list[list[int]]:
    """Columns with a gutter between them; one group where there are none.

    Columns stand side by side: boxes that are merely indented further than those above them are no column. Each
    reaches over more than `tallest` of the page's height.
    """
    columns = _split([(boxes[index].left, boxes[index].right, index) for index in members], gap=_GUTTER)
    for left, right in pairwise(columns):
        if not any(_side_by_side(boxes[i], boxes[j]) for i in left for j in right):
            return [members]
    extents = [union([boxes[index] for index in column]) for column in columns]
    return columns if all(extent.bottom - extent.top > tallest for extent in extents) else [members]


def _side_by_side(a: Box, b: Box) -> bool:
    return min(a.bottom, b.bottom) - max(a.top, b.top) > _OVERLAP


def _split(spans: list[tuple[float, float, int]], gap: float) -> list[list[int]]:
    """Groups of spans with at least `gap` between one group's end and the next one's start, in order."""
    groups: list[list[int]] = []
    end = 0.0
    for start, stop, index in sorted(spans):
        if not groups or start - end >= gap:
            groups.append([index])
            end = stop
        else:
            groups[-1].append(index)
            end = max(end, stop)
    return groups
