"""Diagrams as manuals and plans contain them: each function draws one of random content on a square picture."""

import math
import random

from PIL import Image

from export.demo_clip.drawing import INK, WORDS, Canvas, mix, palette, paper, shade, vivid

WHITE = (255, 255, 255)


def flow_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    n, colour = rng.randint(4, 5), mix(vivid(rng), WHITE, 0.55)
    decision = rng.randint(1, n - 2)
    x, height = rng.uniform(0.36, 0.6), 0.86 / n
    for index in range(n):
        y = 0.08 + height * (index + 0.4)
        half = height * 0.3
        if index == decision:
            canvas.polygon([(x, y - half * 1.2), (x + 0.2, y), (x, y + half * 1.2), (x - 0.2, y)], colour, INK)
            canvas.arrow((x + 0.2, y), (x + 0.27, y))
            canvas.box(x + 0.27, y - half * 0.8, 0.98, y + half * 0.8, colour, INK)
        else:
            round_ends = 0.05 if index in (0, n - 1) else 0.0
            canvas.box(x - 0.19, y - half, x + 0.19, y + half, colour, INK, radius=round_ends)
        canvas.text(x, y, rng.choice(WORDS), 0.04)
        if index < n - 1:
            canvas.arrow((x, y + half * (1.2 if index == decision else 1.0)), (x, y + height - half * 1.05))
    if rng.random() < 0.5:
        y = 0.08 + height * (decision + 0.4)
        canvas.line([(x - 0.2, y), (x - 0.3, y), (x - 0.3, 0.08 + height * 0.4)], INK)
        canvas.arrow((x - 0.3, 0.08 + height * 0.4), (x - 0.19, 0.08 + height * 0.4))
    return canvas.image


def network_diagram(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    n = rng.randint(6, 11)
    turn = rng.uniform(0, 6)
    nodes = [(0.5 + rng.uniform(-0.05, 0.05), 0.5 + rng.uniform(-0.05, 0.05))]
    for index in range(n):
        angle, r = turn + 2 * math.pi * index / n, rng.uniform(0.28, 0.42)
        nodes.append((0.5 + r * math.cos(angle), 0.5 + r * math.sin(angle)))
    for index in range(1, n + 1):
        if rng.random() < 0.75:
            canvas.line([nodes[0], nodes[index]], (110, 114, 122), 0.008)
        if rng.random() < 0.6:
            canvas.line([nodes[index], nodes[index % n + 1]], (110, 114, 122), 0.008)
    colours = palette(rng, 3)
    for index, (x, y) in enumerate(nodes):
        r = rng.uniform(0.03, 0.055) * (1.4 if index == 0 else 1.0)
        canvas.disc(x, y, r, colours[0 if index == 0 else rng.randint(1, 2)], INK)
    return canvas.image


def tree_diagram(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    fill = mix(vivid(rng), WHITE, 0.5)
    children = rng.randint(2, 4)
    top = (0.5, 0.14)
    for child in range(children):
        x = (child + 0.5) / children
        canvas.line([top, (top[0], 0.32), (x, 0.32), (x, 0.46)])
        leaves = rng.randint(1, 2)
        for leaf in range(leaves):
            at = x + (leaf - (leaves - 1) / 2) * 0.42 / children
            canvas.line([(x, 0.46), (x, 0.66), (at, 0.66), (at, 0.8)])
            canvas.box(at - 0.17 / children, 0.76, at + 0.17 / children, 0.87, mix(fill, WHITE, 0.5), INK)
        canvas.box(x - 0.33 / children, 0.42, x + 0.33 / children, 0.54, fill, INK)
        canvas.text(x, 0.48, rng.choice(WORDS)[:6], 0.035)
    canvas.box(0.33, 0.08, 0.67, 0.2, shade(fill, 0.85), INK)
    canvas.text(0.5, 0.14, rng.choice(WORDS), 0.045)
    return canvas.image


def floor_plan(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    x0, y0, x1, y1 = (
        rng.uniform(0.06, 0.12),
        rng.uniform(0.06, 0.16),
        rng.uniform(0.88, 0.94),
        rng.uniform(0.84, 0.94),
    )
    wall = 0.02
    split_y, split_x = rng.uniform(0.4, 0.6), rng.uniform(0.35, 0.65)
    low_x = rng.uniform(0.3, 0.7)
    if rng.random() < 0.4:
        canvas.box(x0, y0, split_x, split_y, mix(vivid(rng), WHITE, 0.75))
        canvas.box(low_x, split_y, x1, y1, mix(vivid(rng), WHITE, 0.75))
    canvas.box(x0, y0, x1, y1, outline=INK, width=wall)
    canvas.line([(x0, split_y), (x1, split_y)], INK, wall)
    canvas.line([(split_x, y0), (split_x, split_y)], INK, wall)
    canvas.line([(low_x, split_y), (low_x, y1)], INK, wall)
    gap = 0.1
    for x, y in ((x0 + 0.1, split_y), (x1 - 0.2, split_y), (low_x + 0.08, y1 - wall / 2)):
        canvas.line([(x, y), (x + gap, y)], WHITE, wall * 1.3)
        canvas.arc(x, y, gap, 270, 360)
        canvas.line([(x, y), (x, y - gap)], INK, 0.006)
    for _ in range(rng.randint(2, 4)):
        x, y = rng.uniform(x0 + 0.06, x1 - 0.2), rng.uniform(y0 + 0.05, y1 - 0.15)
        canvas.box(x, y, x + rng.uniform(0.06, 0.13), y + rng.uniform(0.05, 0.09), outline=INK, width=0.005)
    if rng.random() < 0.45:
        points = [
            (x0 + 0.15, y0 + 0.12),
            (x0 + 0.15, split_y + 0.1),
            (low_x + 0.12, split_y + 0.1),
            (low_x + 0.12, y1),
        ]
        canvas.line(points[:-1], (30, 150, 80), 0.014)
        canvas.arrow(points[-2], points[-1], (30, 150, 80), 0.014)
    return canvas.image


def route_map(rng: random.Random, side: int) -> Image.Image:
    land, water = rng.choice((((226, 232, 208), (160, 200, 230)), ((240, 234, 214), (150, 190, 220))))
    canvas = Canvas.blank(side, land)
    edge = [(x / 10, rng.uniform(0.62, 0.85)) for x in range(11)]
    if rng.random() < 0.6:
        canvas.polygon([(0, 1), *edge, (1, 1)], water)
    for _ in range(rng.randint(3, 6)):
        green = mix((110, 160, 90), land, rng.uniform(0.2, 0.6))
        canvas.disc(rng.random(), rng.uniform(0, 0.7), rng.uniform(0.05, 0.13), green)
    for _ in range(rng.randint(3, 6)):
        ends = [(0.0, rng.random()), (rng.uniform(0.3, 0.7), rng.random()), (1.0, rng.random())]
        canvas.line(ends, (255, 255, 255), 0.02)
    x, y = rng.uniform(0.08, 0.2), rng.uniform(0.15, 0.85)
    points = [(x, y)]
    for _ in range(rng.randint(4, 6)):
        x, y = x + rng.uniform(0.1, 0.17), min(0.9, max(0.1, y + rng.uniform(-0.25, 0.25)))
        points.append((min(x, 0.92), y))
    route = rng.choice(((210, 50, 50), (40, 80, 200), (150, 40, 150)))
    canvas.line(points, route, 0.02)
    canvas.disc(*points[0], 0.03, WHITE, route, 0.014)
    end_x, end_y = points[-1]
    canvas.polygon([(end_x, end_y), (end_x - 0.04, end_y - 0.08), (end_x + 0.04, end_y - 0.08)], route)
    canvas.disc(end_x, end_y - 0.085, 0.042, route)
    canvas.disc(end_x, end_y - 0.085, 0.016, WHITE)
    return canvas.image


def _resistor(canvas: Canvas, x: float, y: float, upright: bool) -> None:
    points = []
    for index in range(9):
        along, off = -0.08 + 0.02 * index, 0.0 if index in (0, 8) else (0.03 if index % 2 else -0.03)
        points.append((x + off, y + along) if upright else (x + along, y + off))
    canvas.line(points, INK, 0.01)


def circuit(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    x0, y0, x1, y1 = 0.15, rng.uniform(0.16, 0.25), 0.85, rng.uniform(0.75, 0.85)
    sheet = canvas.image.getpixel((0, 0))
    assert isinstance(sheet, tuple)
    back = (int(sheet[0]), int(sheet[1]), int(sheet[2]))
    canvas.box(x0, y0, x1, y1, outline=INK, width=0.01)
    middle = rng.uniform(0.42, 0.6)
    if rng.random() < 0.7:
        canvas.line([(middle, y0), (middle, y1)], INK, 0.01)
        canvas.disc(middle, y0, 0.014, INK)
        canvas.disc(middle, y1, 0.014, INK)
        canvas.box(middle - 0.04, 0.42, middle + 0.04, 0.58, back)
        _resistor(canvas, middle, 0.5, upright=True)
    canvas.box(x0 - 0.05, 0.46, x0 + 0.05, 0.54, back)
    canvas.line([(x0 - 0.07, 0.46), (x0 + 0.07, 0.46)], INK, 0.012)
    canvas.line([(x0 - 0.035, 0.54), (x0 + 0.035, 0.54)], INK, 0.018)
    at = rng.uniform(0.3, 0.36)
    canvas.box(at - 0.08, y0 - 0.03, at + 0.08, y0 + 0.03, back)
    _resistor(canvas, at, y0, upright=False)
    canvas.box(0.68, y0 - 0.03, 0.8, y0 + 0.03, back)
    canvas.line([(0.68, y0), (0.79, y0 - 0.06)], INK, 0.01)
    canvas.disc(x1, 0.5, 0.06, back, INK, 0.01)
    canvas.line([(x1 - 0.042, 0.458), (x1 + 0.042, 0.542)], INK, 0.008)
    canvas.line([(x1 + 0.042, 0.458), (x1 - 0.042, 0.542)], INK, 0.008)
    if rng.random() < 0.5:
        canvas.box(0.66, y1 - 0.04, 0.7, y1 + 0.04, back)
        canvas.line([(0.66, y1 - 0.06), (0.66, y1 + 0.06)], INK, 0.012)
        canvas.line([(0.7, y1 - 0.06), (0.7, y1 + 0.06)], INK, 0.012)
    canvas.text(at, y0 - 0.07, "R1", 0.045)
    return canvas.image


def table(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    rows, columns = rng.randint(5, 10), rng.randint(3, 5)
    x0, y0, x1, y1 = 0.05, rng.uniform(0.06, 0.14), 0.95, rng.uniform(0.84, 0.95)
    head, striped, ruled = mix(vivid(rng), WHITE, rng.uniform(0.1, 0.6)), rng.random() < 0.5, rng.random() < 0.7
    for row in range(rows):
        top = y0 + (y1 - y0) * row / rows
        bottom = y0 + (y1 - y0) * (row + 1) / rows
        fill = head if row == 0 else ((234, 236, 240) if striped and row % 2 else None)
        canvas.box(x0, top, x1, bottom, fill)
        for column in range(columns):
            x = x0 + (x1 - x0) * (column + 0.5) / columns
            words = rng.choice(WORDS)[:6] if row == 0 or column == 0 else f"{rng.uniform(1, 99):.1f}"
            canvas.text(x, (top + bottom) / 2, words, 0.038)
        if ruled:
            canvas.line([(x0, bottom), (x1, bottom)], (150, 153, 160), 0.005)
    if ruled:
        for column in range(columns + 1):
            x = x0 + (x1 - x0) * column / columns
            canvas.line([(x, y0), (x, y1)], (150, 153, 160), 0.005)
    return canvas.image


def timeline(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    y, n = rng.uniform(0.45, 0.55), rng.randint(4, 7)
    canvas.arrow((0.04, y), (0.97, y), INK, 0.014)
    for index, colour in enumerate(palette(rng, n)):
        x = 0.1 + 0.8 * index / (n - 1)
        up = index % 2 == 0
        end = y - rng.uniform(0.12, 0.2) if up else y + rng.uniform(0.12, 0.2)
        canvas.line([(x, y), (x, end)], colour, 0.008)
        canvas.disc(x, y, 0.025, colour, INK)
        canvas.text(x, end + (-0.07 if up else 0.03), str(rng.randint(1850, 2025)), 0.045)
        canvas.text(x, end + (-0.03 if up else 0.07), rng.choice(WORDS)[:7], 0.032)
    return canvas.image


def venn_diagram(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    n, r = rng.choice((2, 3, 3)), rng.uniform(0.22, 0.27)
    turn = rng.uniform(-0.3, 0.3)
    base = canvas.image
    for index, colour in enumerate(palette(rng, n)):
        angle = turn + (math.pi * index if n == 2 else -math.pi / 2 + 2 * math.pi * index / 3)
        x, y = 0.5 + 0.15 * math.cos(angle), 0.52 + 0.15 * math.sin(angle)
        layer = Canvas.blank(side, WHITE)
        mask = Image.new("L", (side, side), 0)
        veil = Canvas(mask, layer.draw.__class__(mask), side)
        veil.draw.ellipse([(x - r) * side, (y - r) * side, (x + r) * side, (y + r) * side], fill=120)
        base.paste(colour, (0, 0, side, side), mask)
        canvas.disc(x, y, r, None, shade(colour, 0.7), 0.008)
        canvas.text(0.5 + 0.26 * math.cos(angle), 0.52 + 0.26 * math.sin(angle), rng.choice(WORDS)[:7], 0.04)
    return base


def text_page(rng: random.Random, side: int) -> Image.Image:
    """A page of writing: what a scan's page looks like from afar."""
    canvas = paper(rng, side)
    margin, y, height = rng.uniform(0.08, 0.15), rng.uniform(0.08, 0.14), rng.uniform(0.016, 0.028)
    if rng.random() < 0.7:
        canvas.text(0.5, y, " ".join(rng.sample(WORDS, 3)), height * 2)
        y += height * 4
    while y < 0.93:
        x, end = margin, 1 - margin if rng.random() < 0.8 else rng.uniform(0.4, 0.8)
        while x < end:
            word = rng.uniform(0.02, 0.08)
            canvas.box(x, y, min(x + word, end), y + height * 0.6, (70, 72, 78))
            x += word + 0.012
        y += height * (1.7 if end > 0.8 else 2.8)
    return canvas.image.rotate(rng.uniform(-2, 2), fillcolor=(225, 225, 222))
