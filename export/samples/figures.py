"""Figures of the samples' documents.

A directive such as `bar: Jan=3, Feb=4` or `emoji: otter` names what to draw.
"""

import math
import random
from collections.abc import Callable

from PIL import Image

from export.demo_clip import charts, diagrams, scenes
from export.demo_clip.drawing import INK, Canvas, mix, palette, vivid
from export.demo_clip.glyphs import read_glyphs
from export.demo_clip.poses import place_glyphs

WHITE = (255, 255, 255)
GREY = (205, 208, 212)


def _pairs(body: str) -> list[tuple[str, float]]:
    out = []
    for item in body.split(","):
        label, value = item.rsplit("=", 1)
        out.append((label.strip(), float(value)))
    return out


def _scale(values: list[float]) -> float:
    """A round number at or above the largest value."""
    top = max(values)
    unit = 10 ** math.floor(math.log10(top))
    return float(math.ceil(top / unit * 2) / 2 * unit)


def _axes(canvas: Canvas, top_value: float) -> None:
    for step in range(6):
        y = 0.86 - 0.76 * step / 5
        canvas.line([(0.14, y), (0.96, y)], GREY, 0.003)
        canvas.text(0.07, y, f"{top_value * step / 5:g}", 0.032)
    canvas.line([(0.14, 0.08), (0.14, 0.86), (0.96, 0.86)], INK, 0.007)


def bar(rng: random.Random, side: int, body: str) -> Image.Image:
    pairs = _pairs(body)
    canvas, colour, top = Canvas.blank(side, WHITE), vivid(rng), _scale([value for _, value in pairs])
    _axes(canvas, top)
    step = 0.82 / len(pairs)
    for index, (label, value) in enumerate(pairs):
        x = 0.14 + index * step
        canvas.box(x + step * 0.15, 0.86 - 0.76 * value / top, x + step * 0.85, 0.86, colour)
        canvas.text(x + step / 2, 0.9, label, 0.034)
    return canvas.image


def line(rng: random.Random, side: int, body: str) -> Image.Image:
    pairs = _pairs(body)
    canvas, colour, top = Canvas.blank(side, WHITE), vivid(rng), _scale([value for _, value in pairs])
    _axes(canvas, top)
    points = []
    for index, (label, value) in enumerate(pairs):
        x = 0.16 + 0.78 * index / (len(pairs) - 1)
        points.append((x, 0.86 - 0.76 * value / top))
        canvas.text(x, 0.9, label, 0.03)
    canvas.line(points, colour, 0.011)
    for point in points:
        canvas.disc(*point, 0.012, colour)
    return canvas.image


def pie(rng: random.Random, side: int, body: str) -> Image.Image:
    pairs = _pairs(body)
    canvas, start, whole = Canvas.blank(side, WHITE), 20.0, sum(value for _, value in pairs)
    for (label, value), colour in zip(pairs, palette(rng, len(pairs)), strict=True):
        end = start + 360 * value / whole
        canvas.wedge(0.5, 0.5, 0.3, start, end, colour)
        middle = math.radians((start + end) / 2)
        x, y = 0.5 + 0.41 * math.cos(middle), 0.5 + 0.36 * math.sin(middle)
        canvas.text(x, y, f"{label} {value:g}%", 0.034)
        start = end
    return canvas.image


def timeline(rng: random.Random, side: int, body: str) -> Image.Image:
    items = [item.strip().split("=") for item in body.split(",")]
    canvas, y = Canvas.blank(side, WHITE), 0.5
    canvas.arrow((0.04, y), (0.97, y), INK, 0.012)
    for index, ((when, what), colour) in enumerate(zip(items, palette(rng, len(items)), strict=True)):
        x, sign = 0.1 + 0.8 * index / (len(items) - 1), -1 if index % 2 == 0 else 1
        canvas.line([(x, y), (x, y + sign * 0.16)], colour, 0.008)
        canvas.disc(x, y, 0.024, colour, INK)
        canvas.text(x, y + sign * 0.19, when, 0.042)
        canvas.text(x, y + sign * 0.24, what, 0.036)
    return canvas.image


def flow(rng: random.Random, side: int, body: str) -> Image.Image:
    """Steps from top to bottom; one that ends in `?` is a decision, its other way out follows the semicolon."""
    main, other = body.split(";")
    steps = [step.strip() for step in main.split(",")]
    canvas, fill = Canvas.blank(side, WHITE), mix(vivid(rng), WHITE, 0.55)
    height, x = 0.9 / len(steps), 0.42
    for index, step in enumerate(steps):
        y, half = 0.05 + height * (index + 0.5), height * 0.3
        if step.endswith("?"):
            canvas.polygon([(x, y - half * 1.25), (x + 0.23, y), (x, y + half * 1.25), (x - 0.23, y)], fill, INK)
            canvas.arrow((x + 0.23, y), (x + 0.31, y))
            canvas.box(x + 0.31, y - half * 0.8, 0.98, y + half * 0.8, fill, INK)
            canvas.text((x + 0.31 + 0.98) / 2, y, other.strip(), 0.034)
        else:
            canvas.box(x - 0.2, y - half, x + 0.2, y + half, fill, INK, radius=0.03 if index == 0 else 0.0)
        canvas.text(x, y, step, 0.036)
        if index + 1 < len(steps):
            canvas.arrow((x, y + half), (x, y + height - half))
    return canvas.image


def table(rng: random.Random, side: int, body: str) -> Image.Image:
    rows = [[cell.strip() for cell in row.split("/")] for row in body.split(",")]
    canvas, head = Canvas.blank(side, WHITE), mix(vivid(rng), WHITE, 0.4)
    height, width = 0.84 / len(rows), 0.92 / len(rows[0])
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            x, y = 0.04 + column * width, 0.08 + row * height
            canvas.box(x, y, x + width, y + height, head if row == 0 else WHITE, (150, 153, 160), 0.004)
            canvas.text(x + width / 2, y + height / 2, cell, 0.038)
    return canvas.image


def tree(rng: random.Random, side: int, body: str) -> Image.Image:
    """A root, two below it, four below those."""
    root, left, right, *leaves = [name.strip() for name in body.split(",")]
    canvas, fill = Canvas.blank(side, WHITE), mix(vivid(rng), WHITE, 0.5)
    places = [(0.5, 0.16, root), (0.27, 0.48, left), (0.73, 0.48, right)]
    places += [(0.14 + 0.24 * index, 0.8, name) for index, name in enumerate(leaves)]
    for child, parent in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)):
        (x, y, _), (px, py, _) = places[child], places[parent]
        canvas.line([(px, py), (px, (y + py) / 2), (x, (y + py) / 2), (x, y)])
    for x, y, name in places:
        canvas.box(x - 0.1, y - 0.06, x + 0.1, y + 0.06, fill, INK)
        canvas.text(x, y, name, 0.036)
    return canvas.image


def emoji(rng: random.Random, side: int, body: str) -> Image.Image:
    """One or more glyphs by name, joined by `+`, in a calm pose."""
    known = {glyph.name: glyph for glyph in read_glyphs()}
    return place_glyphs(rng, side, [known[name.strip()] for name in body.split("+")], gentle=True)


def draw(rng: random.Random, side: int, body: str) -> Image.Image:
    """A chart or diagram of random content. What follows an `@` in the directive only changes the seed."""
    name = body.split("@")[0].strip()
    picture: Image.Image = getattr(charts if hasattr(charts, name) else diagrams, name)(rng, side)
    return picture


def scene(rng: random.Random, side: int, body: str) -> Image.Image:
    picture: Image.Image = getattr(scenes, body.strip())(rng, side)
    return picture


FIGURES: dict[str, Callable[[random.Random, int, str], Image.Image]] = {
    "bar": bar,
    "line": line,
    "pie": pie,
    "timeline": timeline,
    "flow": flow,
    "table": table,
    "tree": tree,
    "emoji": emoji,
    "draw": draw,
    "scene": scene,
}


def draw_figure(directive: str, seed: str, side: int = 560) -> Image.Image:
    """The picture a directive names, RGB, `side` pixels; drawn at twice the size so that its edges are smooth.

    Raises:
        KeyError: no such kind of figure, or no such glyph.
    """
    kind, body = directive.split(":", 1)
    twice = 1 if kind == "emoji" else 2
    picture = FIGURES[kind.strip()](random.Random(f"samples:{seed}:{directive}"), side * twice, body)
    return picture.resize((side, side), Image.Resampling.LANCZOS)
