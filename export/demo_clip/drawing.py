"""A canvas whose coordinates are fractions of its side, so that one drawing works at 64 or at 900 pixels."""

import colorsys
import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

WORDS = [
    "north",
    "east",
    "west",
    "south",
    "start",
    "check",
    "water",
    "power",
    "level",
    "north-2",
    "total",
    "input",
    "output",
    "flow",
    "load",
    "site",
    "plan",
    "mean",
    "spring",
    "summer",
    "autumn",
    "winter",
    "time",
    "rate",
    "mass",
    "heat",
    "cost",
    "field",
    "road",
    "bridge",
    "hall",
    "store",
    "sensor",
    "pump",
    "valve",
    "gate",
    "January",
    "March",
    "May",
    "July",
    "hours",
    "depth",
    "phase",
    "zone",
    "group",
    "alpha",
    "beta",
    "route",
    "supply",
    "demand",
    "tank",
    "filter",
    "mixer",
]

INK: Colour = (40, 42, 48)
PAPERS: tuple[Colour, ...] = ((255, 255, 255), (250, 248, 240), (244, 246, 250), (238, 240, 236), (255, 252, 230))


def vivid(rng: random.Random, light: float | None = None) -> Colour:
    """A saturated colour; `light` in 0..1 fixes its brightness."""
    value = rng.uniform(0.55, 0.95) if light is None else light
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.45, 0.95), value)
    return int(red * 255), int(green * 255), int(blue * 255)


def palette(rng: random.Random, n: int) -> list[Colour]:
    """`n` colours that differ in hue: evenly spread around the wheel, or shades of one hue."""
    start, spread = rng.random(), rng.choice((1.0, 1.0, 0.5, 0.12))
    out: list[Colour] = []
    for index in range(n):
        value = rng.uniform(0.6, 0.95) if spread > 0.2 else 0.4 + 0.55 * index / max(n - 1, 1)
        rgb = colorsys.hsv_to_rgb((start + spread * index / n) % 1.0, rng.uniform(0.5, 0.9), value)
        out.append((int(rgb[0] * 255), int(rgb[1] * 255), int(rgb[2] * 255)))
    return out


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor < 1) or lighter (> 1)."""
    red, green, blue = (max(0, min(255, int(channel * factor))) for channel in colour)
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


@dataclass(slots=True)
class Canvas:
    """An RGB picture of `side` x `side` pixels, drawn on with coordinates in 0..1 (y downwards)."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    side: int

    @classmethod
    def blank(cls, side: int, colour: Colour) -> "Canvas":
        image = Image.new("RGB", (side, side), colour)
        return cls(image, ImageDraw.Draw(image), side)

    def _px(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.side, y * self.side) for x, y in points]

    def _width(self, width: float) -> int:
        return max(1, round(width * self.side))

    def line(self, points: Sequence[Point], colour: Colour = INK, width: float = 0.008) -> None:
        self.draw.line(self._px(points), fill=colour, width=self._width(width), joint="curve")

    def polygon(self, points: Sequence[Point], fill: Colour, outline: Colour | None = None) -> None:
        self.draw.polygon(self._px(points), fill=fill, outline=outline)

    def box(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        fill: Colour | None = None,
        outline: Colour | None = None,
        width: float = 0.006,
        radius: float = 0.0,
    ) -> None:
        (a, b), (c, d) = self._px([(min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))])
        line = self._width(width) if outline else 0
        self.draw.rounded_rectangle((a, b, c, d), radius * self.side, fill=fill, outline=outline, width=line)

    def disc(
        self,
        x: float,
        y: float,
        r: float,
        fill: Colour | None = None,
        outline: Colour | None = None,
        width: float = 0.006,
        ry: float | None = None,
    ) -> None:
        (a, b), (c, d) = self._px([(x - r, y - (ry or r)), (x + r, y + (ry or r))])
        self.draw.ellipse((a, b, c, d), fill=fill, outline=outline, width=self._width(width))

    def wedge(self, x: float, y: float, r: float, start: float, end: float, fill: Colour) -> None:
        """A slice of a disc; angles in degrees, clockwise from three o'clock."""
        (a, b), (c, d) = self._px([(x - r, y - r), (x + r, y + r)])
        self.draw.pieslice((a, b, c, d), start, end, fill=fill)

    def arc(
        self, x: float, y: float, r: float, start: float, end: float, colour: Colour = INK, width: float = 0.008
    ) -> None:
        (a, b), (c, d) = self._px([(x - r, y - r), (x + r, y + r)])
        self.draw.arc((a, b, c, d), start, end, fill=colour, width=self._width(width))

    def text(self, x: float, y: float, words: str, height: float = 0.04, colour: Colour = INK) -> None:
        """Words centred on (x, y), in Pillow's own font."""
        font = ImageFont.load_default(max(5, height * self.side))
        self.draw.text((x * self.side, y * self.side), words, fill=colour, font=font, anchor="mm")

    def arrow(self, start: Point, end: Point, colour: Colour = INK, width: float = 0.008) -> None:
        self.line([start, end], colour, width)
        dx, dy = end[0] - start[0], end[1] - start[1]
        norm = (dx * dx + dy * dy) ** 0.5 or 1.0
        ux, uy, size = dx / norm, dy / norm, 0.025
        left = (end[0] - size * (ux - uy * 0.6), end[1] - size * (uy + ux * 0.6))
        right = (end[0] - size * (ux + uy * 0.6), end[1] - size * (uy - ux * 0.6))
        self.polygon([end, left, right], colour)

    def gradient(self, top: Colour, bottom: Colour, y0: float = 0.0, y1: float = 1.0) -> None:
        """Fills the band y0..y1 with a vertical gradient."""
        first, last = int(y0 * self.side), int(y1 * self.side)
        for row in range(first, last):
            colour = mix(top, bottom, (row - first) / max(1, last - first))
            self.draw.line([(0, row), (self.side, row)], fill=colour)


def paper(rng: random.Random, side: int) -> Canvas:
    """A sheet of nearly white paper."""
    return Canvas.blank(side, rng.choice(PAPERS))
