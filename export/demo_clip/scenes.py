"""Simple landscapes and townscapes: each function paints one of random content on a square picture."""

import math
import random

from PIL import Image

from export.demo_clip.drawing import Canvas, Colour, mix, shade

WHITE = (255, 255, 255)


def _sky(rng: random.Random, side: int) -> Canvas:
    top, bottom = rng.choice(
        (
            ((90, 160, 225), (205, 230, 245)),
            ((120, 185, 235), (230, 240, 250)),
            ((235, 140, 90), (250, 215, 150)),
            ((150, 170, 200), (220, 225, 230)),
        )
    )
    canvas = Canvas.blank(side, top)
    canvas.gradient(top, bottom, 0.0, 0.75)
    return canvas


def _sun(rng: random.Random, canvas: Canvas, y: float) -> None:
    x, r = rng.uniform(0.15, 0.85), rng.uniform(0.06, 0.1)
    colour = rng.choice(((252, 214, 70), (255, 190, 60), (250, 236, 150)))
    canvas.disc(x, y, r * 1.3, mix(colour, WHITE, 0.55))
    canvas.disc(x, y, r, colour)


def _clouds(
    rng: random.Random, canvas: Canvas, n: int, colour: Colour = (248, 250, 252), low: float = 0.3
) -> None:
    for _ in range(n):
        x, y, size = rng.uniform(0.1, 0.9), rng.uniform(0.06, low), rng.uniform(0.04, 0.08)
        for offset in (-1.1, 0.0, 1.1):
            canvas.disc(x + offset * size, y - (size * 0.4 if offset == 0 else 0), size, colour)


def _hills(rng: random.Random, canvas: Canvas, y: float, colour: Colour) -> None:
    phase, waves = rng.uniform(0, 6), rng.uniform(0.6, 1.8)
    points = [(x / 24, y + 0.05 * math.sin(phase + waves * 2 * math.pi * x / 24)) for x in range(25)]
    canvas.polygon([(0, 1), *points, (1, 1)], colour)


def _sea(rng: random.Random, canvas: Canvas, y: float) -> None:
    colour = rng.choice(((40, 110, 170), (60, 140, 180), (30, 90, 140)))
    canvas.gradient(mix(colour, WHITE, 0.2), colour, y, 1.0)
    for _ in range(12):
        x, at = rng.random(), rng.uniform(y + 0.03, 0.97)
        canvas.line([(x, at), (x + rng.uniform(0.05, 0.12), at)], mix(colour, WHITE, 0.5), 0.007)


def _tree(rng: random.Random, canvas: Canvas, x: float, y: float, size: float) -> None:
    green = rng.choice(((50, 120, 60), (70, 140, 70), (40, 100, 50)))
    canvas.box(x - size * 0.06, y - size * 0.35, x + size * 0.06, y, (105, 75, 50))
    if rng.random() < 0.5:
        for step in range(3):
            top, wide = y - size * (0.55 + 0.22 * step), size * (0.32 - 0.07 * step)
            canvas.polygon(
                [(x, top - size * 0.25), (x - wide, top + size * 0.25), (x + wide, top + size * 0.25)], green
            )
    else:
        canvas.disc(x, y - size * 0.62, size * 0.33, green)


def _house(rng: random.Random, canvas: Canvas, x: float, y: float, size: float) -> None:
    wall = rng.choice(((240, 230, 210), (225, 200, 170), (230, 120, 100), (250, 250, 245), (180, 200, 215)))
    roof = rng.choice(((170, 60, 50), (110, 70, 55), (80, 85, 100)))
    canvas.box(x - size / 2, y - size * 0.6, x + size / 2, y, wall)
    canvas.polygon(
        [(x - size * 0.6, y - size * 0.6), (x, y - size * 1.05), (x + size * 0.6, y - size * 0.6)], roof
    )
    canvas.box(x - size * 0.08, y - size * 0.32, x + size * 0.1, y, (110, 75, 50))
    for offset in (-0.32, 0.32):
        canvas.box(
            x + offset * size - size * 0.09,
            y - size * 0.45,
            x + offset * size + size * 0.09,
            y - size * 0.25,
            (150, 200, 230),
            WHITE,
            0.008,
        )


def house_by_the_sea(rng: random.Random, side: int) -> Image.Image:
    canvas = _sky(rng, side)
    _sun(rng, canvas, rng.uniform(0.12, 0.25))
    _clouds(rng, canvas, rng.randint(0, 2))
    _sea(rng, canvas, rng.uniform(0.48, 0.58))
    left = rng.random() < 0.5
    shore = [(0, 0.7), (0.35, 0.72), (0.7, 0.85), (0.8, 1.0), (0, 1)]
    canvas.polygon([(x if left else 1 - x, y) for x, y in shore], rng.choice(((225, 205, 150), (120, 165, 90))))
    x = rng.uniform(0.2, 0.34)
    _house(rng, canvas, x if left else 1 - x, 0.8, rng.uniform(0.27, 0.36))
    return canvas.image


def mountains_with_sun(rng: random.Random, side: int) -> Image.Image:
    canvas = _sky(rng, side)
    _sun(rng, canvas, rng.uniform(0.14, 0.3))
    rock = rng.choice(((110, 115, 130), (95, 100, 120), (130, 115, 105)))
    for index in range(rng.randint(3, 5)):
        x, top, half = rng.uniform(0.05, 0.95), rng.uniform(0.22, 0.45), rng.uniform(0.22, 0.36)
        colour = shade(rock, 1.15 - 0.12 * index)
        canvas.polygon([(x, top), (x - half, 0.85), (x + half, 0.85)], colour)
        snow = 0.28
        canvas.polygon(
            [
                (x, top),
                (x - half * snow, top + (0.85 - top) * snow),
                (x, top + (0.85 - top) * snow * 0.75),
                (x + half * snow, top + (0.85 - top) * snow),
            ],
            (246, 248, 252),
        )
    _hills(rng, canvas, rng.uniform(0.74, 0.82), rng.choice(((90, 150, 80), (70, 125, 75))))
    return canvas.image


def city_at_night(rng: random.Random, side: int) -> Image.Image:
    canvas = Canvas.blank(side, (12, 16, 40))
    canvas.gradient((10, 12, 35), (50, 45, 90), 0.0, 1.0)
    for _ in range(rng.randint(10, 30)):
        canvas.disc(rng.random(), rng.uniform(0, 0.45), 0.005, (230, 230, 240))
    if rng.random() < 0.6:
        canvas.disc(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.2), 0.06, (240, 236, 205))
    x = -0.03
    while x < 1:
        width, top = rng.uniform(0.09, 0.18), rng.uniform(0.25, 0.65)
        wall = shade((44, 46, 66), rng.uniform(0.6, 1.2))
        canvas.box(x, top, x + width, 1.0, wall)
        for row in range(int((1 - top) / 0.06)):
            for column in range(max(2, int(width / 0.04))):
                if rng.random() < 0.55:
                    at, y = x + 0.012 + column * 0.04, top + 0.025 + row * 0.06
                    if at + 0.02 < x + width:
                        canvas.box(at, y, at + 0.02, y + 0.03, (250, 215, 110))
        x += width + rng.uniform(-0.01, 0.03)
    return canvas.image


def lighthouse(rng: random.Random, side: int) -> Image.Image:
    night = rng.random() < 0.35
    canvas = _sky(rng, side)
    if night:
        canvas.gradient((15, 20, 50), (60, 70, 110), 0.0, 0.75)
    _sea(rng, canvas, rng.uniform(0.66, 0.74))
    x = rng.uniform(0.35, 0.65)
    canvas.polygon([(x - 0.32, 1), (x - 0.18, 0.8), (x + 0.2, 0.8), (x + 0.36, 1)], (95, 90, 85))
    if night or rng.random() < 0.3:
        canvas.polygon([(x, 0.2), (1, 0.05), (1, 0.3)], (250, 240, 170))
    stripe = rng.choice(((200, 50, 45), (200, 50, 45), (40, 60, 120), (50, 50, 55)))
    for band in range(5):
        y0, y1 = 0.26 + 0.55 * band / 5, 0.26 + 0.55 * (band + 1) / 5
        w0, w1 = 0.055 + 0.045 * band / 5, 0.055 + 0.045 * (band + 1) / 5
        colour = stripe if band % 2 == 0 else (245, 245, 245)
        canvas.polygon([(x - w0, y0), (x + w0, y0), (x + w1, y1), (x - w1, y1)], colour)
    canvas.box(x - 0.045, 0.17, x + 0.045, 0.26, (255, 235, 140), (50, 50, 55))
    canvas.polygon([(x - 0.06, 0.17), (x, 0.1), (x + 0.06, 0.17)], stripe)
    return canvas.image


def forest(rng: random.Random, side: int) -> Image.Image:
    canvas = _sky(rng, side)
    _hills(rng, canvas, 0.6, (80, 130, 75))
    for y in (0.66, 0.78, 0.92):
        for _ in range(rng.randint(4, 6)):
            _tree(rng, canvas, rng.random(), y + rng.uniform(-0.03, 0.03), rng.uniform(0.3, 0.45))
    return canvas.image


def desert(rng: random.Random, side: int) -> Image.Image:
    canvas = _sky(rng, side)
    _sun(rng, canvas, rng.uniform(0.12, 0.25))
    for y, colour in ((0.55, (225, 180, 110)), (0.68, (235, 195, 125)), (0.82, (210, 165, 95))):
        _hills(rng, canvas, y, shade(colour, rng.uniform(0.9, 1.05)))
    return canvas.image


def sailing_boat(rng: random.Random, side: int) -> Image.Image:
    canvas = _sky(rng, side)
    _sun(rng, canvas, rng.uniform(0.15, 0.5))
    _sea(rng, canvas, rng.uniform(0.56, 0.64))
    x, s = rng.uniform(0.35, 0.65), rng.uniform(0.8, 1.15)
    hull = rng.choice(((140, 60, 40), (245, 245, 245), (40, 50, 80)))
    canvas.polygon([(x - 0.18 * s, 0.7), (x + 0.18 * s, 0.7), (x + 0.12 * s, 0.78), (x - 0.12 * s, 0.78)], hull)
    canvas.line([(x, 0.7), (x, 0.7 - 0.42 * s)], (90, 65, 45), 0.012)
    canvas.polygon([(x + 0.01, 0.7 - 0.4 * s), (x + 0.01, 0.67), (x + 0.16 * s, 0.67)], (250, 248, 240))
    canvas.polygon([(x - 0.01, 0.7 - 0.36 * s), (x - 0.01, 0.67), (x - 0.13 * s, 0.67)], (235, 230, 215))
    return canvas.image


def starry_night(rng: random.Random, side: int) -> Image.Image:
    canvas = Canvas.blank(side, (10, 12, 35))
    canvas.gradient((8, 10, 30), (35, 40, 85), 0.0, 1.0)
    for _ in range(rng.randint(40, 90)):
        canvas.disc(rng.random(), rng.uniform(0, 0.85), rng.uniform(0.003, 0.009), (240, 240, 250))
    x, y = rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.4)
    canvas.disc(x, y, 0.09, (245, 240, 205))
    if rng.random() < 0.5:
        canvas.disc(x + 0.04, y - 0.02, 0.08, (14, 16, 44))
    _hills(rng, canvas, rng.uniform(0.82, 0.9), (12, 20, 25))
    return canvas.image


def rainy_day(rng: random.Random, side: int) -> Image.Image:
    canvas = Canvas.blank(side, (150, 160, 172))
    canvas.gradient((110, 120, 135), (180, 188, 196), 0.0, 1.0)
    _clouds(rng, canvas, rng.randint(3, 5), (84, 92, 106), 0.25)
    for _ in range(rng.randint(50, 90)):
        x, y = rng.random(), rng.uniform(0.3, 0.95)
        canvas.line([(x, y), (x - 0.015, y + 0.05)], (90, 130, 190), 0.006)
    return canvas.image


def winding_road(rng: random.Random, side: int) -> Image.Image:
    canvas = _sky(rng, side)
    _clouds(rng, canvas, 2)
    green = rng.choice(((100, 160, 80), (150, 170, 90), (80, 140, 80)))
    _hills(rng, canvas, 0.5, shade(green, 0.85))
    _hills(rng, canvas, 0.58, green)
    bend = rng.uniform(-0.16, 0.16)
    left, right = [], []
    for step in range(13):
        u = step / 12
        centre, half = 0.5 + bend * math.sin(u * 5) * (1.2 - u), 0.012 + 0.2 * u * u
        left.append((centre - half, 0.58 + 0.42 * u))
        right.append((centre + half, 0.58 + 0.42 * u))
    canvas.polygon(left + right[::-1], (85, 85, 90))
    canvas.line([((a[0] + b[0]) / 2, a[1]) for a, b in zip(left, right, strict=True)], WHITE, 0.008)
    return canvas.image


def village_in_snow(rng: random.Random, side: int) -> Image.Image:
    canvas = Canvas.blank(side, (180, 200, 225))
    canvas.gradient((150, 180, 215), (225, 235, 245), 0.0, 0.7)
    _hills(rng, canvas, 0.6, (235, 240, 246))
    for x in (0.2, 0.5, 0.8):
        _house(rng, canvas, x + rng.uniform(-0.06, 0.06), rng.uniform(0.72, 0.85), rng.uniform(0.16, 0.22))
    for _ in range(60):
        canvas.disc(rng.random(), rng.random(), rng.uniform(0.005, 0.01), WHITE)
    return canvas.image


def river_valley(rng: random.Random, side: int) -> Image.Image:
    canvas = _sky(rng, side)
    _hills(rng, canvas, 0.45, (80, 120, 90))
    _hills(rng, canvas, 0.55, (120, 170, 90))
    phase, left, right = rng.uniform(0, 6), [], []
    for step in range(15):
        u = step / 14
        centre, half = 0.5 + 0.14 * math.sin(phase + 4 * u), 0.02 + 0.13 * u
        left.append((centre - half, 0.55 + 0.45 * u))
        right.append((centre + half, 0.55 + 0.45 * u))
    canvas.polygon(left + right[::-1], (70, 140, 190))
    for _ in range(3):
        _tree(rng, canvas, rng.choice((rng.uniform(0.02, 0.22), rng.uniform(0.8, 0.98))), 0.8, 0.25)
    return canvas.image
