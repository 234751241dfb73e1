"""Charts as reports contain them: each function draws one of random content on a square picture."""

import math
import random

from PIL import Image

from export.demo_clip.drawing import INK, WORDS, Canvas, mix, palette, paper, shade, vivid

GREY = (205, 208, 212)


def _frame(rng: random.Random, canvas: Canvas) -> tuple[float, float, float, float]:
    """Axes, ticks, perhaps a grid and a title; returns left, top, right, bottom of the plot."""
    left, right = rng.uniform(0.08, 0.18), rng.uniform(0.88, 0.96)
    top, bottom = rng.uniform(0.08, 0.18), rng.uniform(0.82, 0.92)
    if rng.random() < 0.6:
        for step in range(1, 6):
            y = bottom + (top - bottom) * step / 5
            canvas.line([(left, y), (right, y)], GREY, 0.004)
    for step in range(6):
        y = bottom + (top - bottom) * step / 5
        if rng.random() < 0.8:
            canvas.text(left - 0.04, y, str(step * 20), 0.03)
    canvas.line([(left, top), (left, bottom), (right, bottom)], INK, 0.008)
    if rng.random() < 0.6:
        canvas.text(0.5, top / 2, " ".join(rng.sample(WORDS, 3)), 0.045)
    return left, top, right, bottom


def bar_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, right, bottom = _frame(rng, canvas)
    n = rng.randint(3, 12)
    same, one = rng.random() < 0.6, vivid(rng)
    colours, step = palette(rng, n), (right - left) / n
    for index in range(n):
        height = rng.uniform(0.12, 0.97) * (bottom - top)
        x = left + index * step
        canvas.box(x + step * 0.15, bottom - height, x + step * 0.85, bottom, one if same else colours[index])
        if n < 8:
            canvas.text(x + step / 2, bottom + 0.035, rng.choice(WORDS)[:5], 0.03)
    return canvas.image


def horizontal_bar_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, bottom = rng.uniform(0.2, 0.32), rng.uniform(0.06, 0.15), rng.uniform(0.86, 0.95)
    n = rng.randint(3, 9)
    same, one = rng.random() < 0.6, vivid(rng)
    colours, step = palette(rng, n), (bottom - top) / n
    for index in range(n):
        y, length = top + index * step, rng.uniform(0.1, 0.95) * (0.95 - left)
        canvas.box(left, y + step * 0.18, left + length, y + step * 0.82, one if same else colours[index])
        canvas.text(left / 2, y + step / 2, rng.choice(WORDS)[:6], 0.035)
    canvas.line([(left, top), (left, bottom)], INK, 0.008)
    return canvas.image


def stacked_bar_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, right, bottom = _frame(rng, canvas)
    n, parts = rng.randint(3, 8), rng.randint(2, 4)
    colours, step = palette(rng, parts), (right - left) / n
    for index in range(n):
        x, y = left + index * step, bottom
        for part in range(parts):
            height = rng.uniform(0.1, 0.95) * (bottom - top) / parts
            canvas.box(x + step * 0.15, y - height, x + step * 0.85, y, colours[part])
            y -= height
    return canvas.image


def line_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, right, bottom = _frame(rng, canvas)
    series, n = rng.randint(1, 3), rng.randint(5, 24)
    for colour in palette(rng, series):
        value, drift, points = rng.uniform(0.2, 0.8), rng.uniform(-0.05, 0.05), []
        for index in range(n):
            value = min(0.97, max(0.03, value + drift + rng.uniform(-0.12, 0.12)))
            points.append((left + (right - left) * index / (n - 1), bottom - value * (bottom - top)))
        canvas.line(points, colour, rng.uniform(0.008, 0.018))
        if rng.random() < 0.4:
            for x, y in points:
                canvas.disc(x, y, 0.012, colour)
    return canvas.image


def area_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, right, bottom = _frame(rng, canvas)
    colour, n, value = vivid(rng), rng.randint(6, 20), rng.uniform(0.3, 0.7)
    points = []
    for index in range(n):
        value = min(0.95, max(0.08, value + rng.uniform(-0.15, 0.15)))
        points.append((left + (right - left) * index / (n - 1), bottom - value * (bottom - top)))
    canvas.polygon([(left, bottom), *points, (right, bottom)], mix(colour, (255, 255, 255), 0.45))
    canvas.line(points, colour, 0.012)
    return canvas.image


def _slices(rng: random.Random, canvas: Canvas, hole: float) -> None:
    x, y, r = rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.58), rng.uniform(0.28, 0.4)
    n = rng.randint(3, 7)
    shares = [rng.uniform(0.25, 1.0) for _ in range(n)]
    start = rng.uniform(0, 360)
    for share, colour in zip(shares, palette(rng, n), strict=True):
        end = start + 360 * share / sum(shares)
        canvas.wedge(x, y, r, start, end, colour)
        edge = math.radians(start)
        canvas.line([(x, y), (x + r * math.cos(edge), y + r * math.sin(edge))], (255, 255, 255), 0.006)
        middle = math.radians((start + end) / 2)
        if rng.random() < 0.6:
            words = f"{round(100 * share / sum(shares))}%"
            canvas.text(x + r * 0.68 * math.cos(middle), y + r * 0.68 * math.sin(middle), words, 0.045)
        start = end
    if hole:
        canvas.disc(x, y, r * hole, (255, 255, 255))
    if rng.random() < 0.4:
        canvas.text(0.5, 0.05, " ".join(rng.sample(WORDS, 2)), 0.045)


def pie_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    _slices(rng, canvas, 0.0)
    return canvas.image


def donut_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    _slices(rng, canvas, rng.uniform(0.45, 0.65))
    return canvas.image


def scatter_plot(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, right, bottom = _frame(rng, canvas)
    groups = rng.randint(1, 3)
    for colour in palette(rng, groups):
        slope, noise = rng.uniform(-0.8, 0.8), rng.uniform(0.04, 0.15)
        for _ in range(rng.randint(12, 40)):
            u = rng.uniform(0.03, 0.97)
            v = min(0.97, max(0.03, 0.5 + slope * (u - 0.5) + rng.gauss(0, noise)))
            canvas.disc(left + u * (right - left), bottom - v * (bottom - top), rng.uniform(0.009, 0.015), colour)
    return canvas.image


def histogram(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, right, bottom = _frame(rng, canvas)
    n, centre, width = rng.randint(14, 26), rng.uniform(0.35, 0.65), rng.uniform(0.1, 0.22)
    colour, step = vivid(rng), (right - left) / n
    for index in range(n):
        u = (index + 0.5) / n
        height = (math.exp(-((u - centre) ** 2) / (2 * width**2)) * 0.9 + rng.uniform(0, 0.05)) * (bottom - top)
        canvas.box(
            left + index * step, bottom - height, left + (index + 1) * step, bottom, colour, shade(colour, 0.6)
        )
    return canvas.image


def bell_curve(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, right, bottom = _frame(rng, canvas)
    for colour in palette(rng, rng.randint(1, 2)):
        centre, width = rng.uniform(0.35, 0.65), rng.uniform(0.09, 0.18)
        points = []
        for index in range(50):
            u = index / 49
            v = 0.92 * math.exp(-((u - centre) ** 2) / (2 * width**2))
            points.append((left + u * (right - left), bottom - v * (bottom - top)))
        if rng.random() < 0.5:
            canvas.polygon([(left, bottom), *points, (right, bottom)], mix(colour, (255, 255, 255), 0.6))
        canvas.line(points, colour, 0.013)
    return canvas.image


def wave_plot(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    left, top, right, bottom = _frame(rng, canvas)
    middle, cycles, phase = (top + bottom) / 2, rng.uniform(2, 7), rng.uniform(0, 6)
    height = rng.uniform(0.5, 0.95) * (bottom - top) / 2
    points = []
    for index in range(90):
        u = index / 89
        y = middle - height * math.sin(phase + cycles * 2 * math.pi * u)
        points.append((left + u * (right - left), y))
    canvas.line([(left, middle), (right, middle)], GREY, 0.006)
    canvas.line(points, vivid(rng), rng.uniform(0.01, 0.018))
    return canvas.image


def heat_map(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    n, m = rng.randint(5, 10), rng.randint(5, 10)
    cold, hot = vivid(rng, 0.5), vivid(rng, 0.95)
    a, b = rng.uniform(0, 6), rng.uniform(0, 6)
    for row in range(n):
        for column in range(m):
            share = 0.5 + 0.35 * math.sin(a + row * 0.7) * math.cos(b + column * 0.6) + rng.uniform(-0.15, 0.15)
            x, y = 0.1 + 0.82 * column / m, 0.08 + 0.82 * row / n
            canvas.box(x, y, x + 0.82 / m, y + 0.82 / n, mix(cold, hot, min(1.0, max(0.0, share))))
    return canvas.image


def gauge(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    x, y, r = 0.5, rng.uniform(0.55, 0.62), rng.uniform(0.34, 0.42)
    start, end = rng.choice(((180, 360), (150, 390)))
    if rng.random() < 0.5:
        canvas.disc(x, y, r * 1.12, (250, 250, 250), INK, 0.015)
    colours = [(86, 170, 90), (235, 196, 60), (214, 70, 62)]
    for index, colour in enumerate(colours if rng.random() < 0.7 else [vivid(rng)] * 3):
        span = (end - start) / 3
        canvas.arc(x, y, r, start + index * span, start + (index + 1) * span, colour, 0.06)
    for tick in range(11):
        angle = math.radians(start + (end - start) * tick / 10)
        inner, outer = r * 0.78, r * 0.88
        canvas.line(
            [
                (x + inner * math.cos(angle), y + inner * math.sin(angle)),
                (x + outer * math.cos(angle), y + outer * math.sin(angle)),
            ],
            INK,
            0.007,
        )
    angle = math.radians(rng.uniform(start + 10, end - 10))
    canvas.line([(x, y), (x + r * 0.82 * math.cos(angle), y + r * 0.82 * math.sin(angle))], (190, 40, 40), 0.018)
    canvas.disc(x, y, 0.035, INK)
    return canvas.image


def gantt_chart(rng: random.Random, side: int) -> Image.Image:
    canvas = paper(rng, side)
    n, left = rng.randint(5, 9), 0.26
    colours, start = palette(rng, n), left
    for column in range(7):
        x = left + (0.96 - left) * column / 6
        canvas.line([(x, 0.1), (x, 0.95)], GREY, 0.004)
    for index in range(n):
        y, length = 0.12 + 0.83 * index / n, rng.uniform(0.1, 0.28)
        start = min(start, 0.94 - length)
        canvas.text(0.13, y + 0.03, rng.choice(WORDS)[:8], 0.035)
        canvas.box(start, y, start + length, y + 0.55 * 0.83 / n, colours[index], radius=0.01)
        start += length * rng.uniform(0.4, 0.9)
    return canvas.image
