"""The samples and the held-out queries that are pictures alone: file -> what it shows."""

import io
from pathlib import Path

from PIL import Image

from export.samples.figures import draw_figure

PICTURES: dict[str, str] = {
    "cactus.png": "emoji: cactus",
    "castle.jpg": "emoji: castle",
    "circuit.png": "draw: circuit",
    "desert.jpg": "scene: desert",
    "elephant.png": "emoji: elephant",
    "forest.jpg": "scene: forest",
    "balloon-and-kite.png": "emoji: balloon + kite",
    "house-by-the-sea.jpg": "scene: house_by_the_sea",
    "mountains-sun.jpg": "scene: mountains_with_sun",
    "night-city.png": "scene: city_at_night",
    "octopus.png": "emoji: octopus",
    "pineapple.jpg": "emoji: pineapple",
    "rocket.png": "emoji: rocket",
    "snowman.jpg": "emoji: snowman",
    "umbrella.png": "emoji: umbrella with rain drops",
    "venn-diagram.png": "draw: venn_diagram",
}
QUERIES: dict[str, str] = {
    "bicycle.png": "emoji: bicycle",
    "cactus.png": "emoji: cactus",
    "chess-pawn.png": "emoji: chess pawn",
    "coffee.png": "emoji: hot beverage",
    "dinosaur.png": "emoji: sauropod",
    "guide-dog.png": "emoji: guide dog",
    "helicopter.png": "emoji: helicopter",
    "horse.png": "emoji: horse",
    "locomotive.png": "emoji: locomotive",
    "mountains.png": "scene: mountains_with_sun",
    "movie-camera.png": "emoji: movie camera",
    "rocket.png": "emoji: rocket",
    "snowman.png": "emoji: snowman",
    "telescope.png": "emoji: telescope",
    "thread.png": "emoji: thread",
    "turtle.png": "emoji: turtle",
    "umbrella.png": "emoji: umbrella with rain drops",
    "venn.png": "draw: venn_diagram",
    "violin.png": "emoji: violin",
    "volcano.png": "emoji: volcano",
}


def encode_picture(directive: str, seed: str, suffix: str, side: int) -> bytes:
    """The picture as the bytes of a PNG of at most 256 colours, or of a JPEG."""
    picture, out = draw_figure(directive, seed, side), io.BytesIO()
    if suffix == ".png":
        picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(out, "PNG", optimize=True)
    else:
        picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def write_pictures(samples: Path, queries: Path) -> None:
    """Samples and queries never share a seed, so a query shows its subject in another pose on another ground."""
    for file, directive in PICTURES.items():
        (samples / file).write_bytes(encode_picture(directive, f"sample:{file}", Path(file).suffix, 640))
    queries.mkdir(parents=True, exist_ok=True)
    for file, directive in QUERIES.items():
        (queries / file).write_bytes(encode_picture(directive, f"query:{file}", ".png", 320))
