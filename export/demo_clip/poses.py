"""Puts glyphs into a picture: random ground, place, size, turn and light."""

import random
from collections.abc import Sequence

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from export.demo_clip import scenes
from export.demo_clip.drawing import Canvas, mix, vivid
from export.demo_clip.glyphs import Glyph, glyph_image

_SCENES = (
    scenes.desert,
    scenes.forest,
    scenes.river_valley,
    scenes.winding_road,
    scenes.starry_night,
    scenes.rainy_day,
)


def _ground(rng: random.Random, side: int) -> Image.Image:
    kind = rng.random()
    if kind < 0.3:
        level = rng.randint(225, 255)
        return Image.new("RGB", (side, side), (level, level, level))
    if kind < 0.5:
        return Image.new("RGB", (side, side), mix(vivid(rng), (255, 255, 255), rng.uniform(0.0, 0.8)))
    if kind < 0.72:
        canvas = Canvas.blank(side, (255, 255, 255))
        white = (255, 255, 255)
        canvas.gradient(mix(vivid(rng), white, rng.uniform(0, 0.7)), mix(vivid(rng), white, rng.uniform(0, 0.7)))
        return canvas.image
    if kind < 0.84:
        canvas = Canvas.blank(side, mix(vivid(rng), (255, 255, 255), 0.5))
        colour = mix(vivid(rng), (255, 255, 255), 0.5)
        for _ in range(rng.randint(4, 12)):
            canvas.disc(rng.random(), rng.random(), rng.uniform(0.03, 0.2), colour)
        return canvas.image
    if kind < 0.92:
        noise = _noise(rng, side // 4, rng.uniform(20, 60)).resize((side, side))
        return ImageOps.colorize(noise, vivid(rng, 0.4), mix(vivid(rng), (255, 255, 255), 0.5))
    faded = rng.choice(_SCENES)(rng, side).filter(ImageFilter.GaussianBlur(side / 90))
    return Image.blend(faded, Image.new("RGB", (side, side), (255, 255, 255)), rng.uniform(0.2, 0.6))


def _noise(rng: random.Random, side: int, spread: float) -> Image.Image:
    """Grey noise out of `rng`: Pillow's own is not seeded, and no picture would come again."""
    return Image.frombytes(
        "L", (side, side), bytes(min(255, max(0, round(rng.gauss(128, spread)))) for _ in range(side * side))
    )


def _posed(rng: random.Random, glyph: Glyph, size: int, gentle: bool) -> Image.Image:
    image = glyph_image(glyph.characters)
    if rng.random() < 0.4:
        image = ImageOps.mirror(image)
    width = max(8, round(size * rng.uniform(0.85, 1.15)))
    image = image.resize((width, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    turn = rng.uniform(-10, 10) if gentle else rng.gauss(0, 14)
    return image.rotate(turn, Image.Resampling.BICUBIC, expand=True)


def place_glyphs(rng: random.Random, side: int, glyphs: Sequence[Glyph], gentle: bool = False) -> Image.Image:
    """One RGB picture of `side` pixels that holds the glyphs side by side, in random order, size and pose.

    `gentle` keeps the pose near upright and the size near full, as an illustration in a document would be.
    """
    picture = _ground(rng, side)
    n = len(glyphs)
    order = rng.sample(list(glyphs), n)
    for index, glyph in enumerate(order):
        share = rng.uniform(0.72, 0.88) if gentle else rng.uniform(0.5, 0.98)
        size = round(side * share / (1 if n == 1 else 1.6))
        image = _posed(rng, glyph, size, gentle)
        slack = 0.1 * side
        x = side * (index + 0.5) / n - image.width / 2 + rng.uniform(-slack, slack)
        y = side * 0.5 - image.height / 2 + rng.uniform(-slack, slack)
        picture.paste(image, (round(x), round(y)), image)
    if rng.random() < 0.5:
        picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.75, 1.2))
        picture = ImageEnhance.Color(picture).enhance(rng.uniform(0.6, 1.3))
    return picture
