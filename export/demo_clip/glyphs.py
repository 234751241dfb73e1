"""The colour emoji of the Noto font with their English CLDR names.

Needs Debian's packages fonts-noto-color-emoji and unicode-cldr-core.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, ImageDraw, ImageFont

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
ANNOTATIONS = (
    Path("/usr/share/unicode/cldr/common/annotations/en.xml"),
    Path("/usr/share/unicode/cldr/common/annotationsDerived/en.xml"),
)
FONT_SIZE = 109  # The font holds bitmaps of this one size.
CELL = 136  # Pixels of a bitmap's side, with its margin.

_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff\U000e0020-\U000e007f]")
_UNWANTED = re.compile(
    r"button|\bclock\b.*|o’clock|thirty$|keycap|skin tone|^(woman|man|men|women|boy|girl)\b.+:|component|"
    r"^(woman|man|women|men) .+|arrow|square$|circle$|bracket|geometric|facing|medium|small|large (blue|orange)|: "
)
_WANTED = re.compile(r"^(mantelpiece|alarm|timer) clock$|^bow and arrow$|^man dancing$|^woman dancing$")


@dataclass(frozen=True, slots=True)
class Glyph:
    """One emoji: its characters, its name, and other English words for it."""

    characters: str
    name: str
    keywords: tuple[str, ...]


def _drawable(characters: str) -> bool:
    first = characters[0]
    if _SKIN.search(characters) or _FLAG.search(characters):
        return False
    return unicodedata.category(first) in ("So", "Cn") and ord(first) > 0x2300


@lru_cache(maxsize=1)
def read_glyphs() -> tuple[Glyph, ...]:
    """All named emoji the font can draw, less flags, skin tones, clock faces, buttons and gendered variants.

    Raises:
        FileNotFoundError: the font or the CLDR annotations are not installed.
    """
    names: dict[str, str] = {}
    keywords: dict[str, tuple[str, ...]] = {}
    for path in ANNOTATIONS:
        for element in ElementTree.parse(path).iter("annotation"):
            characters, words = element.get("cp", ""), (element.text or "").strip()
            if element.get("type") == "tts":
                names[characters] = words
            else:
                keywords[characters] = tuple(word.strip() for word in words.split("|"))
    out: list[Glyph] = []
    seen: set[str] = set()
    for characters in sorted(names):
        name = names[characters].replace("’", "'")
        if not _drawable(characters) or name in seen or (_UNWANTED.search(name) and not _WANTED.search(name)):
            continue
        box = glyph_image(characters).getbbox()
        if box is None or box[2] - box[0] < 60:
            continue
        seen.add(name)
        others = tuple(word for word in keywords.get(characters, ()) if word != name and len(word) > 2)
        out.append(Glyph(characters, name, others))
    return tuple(out)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), FONT_SIZE)


@lru_cache(maxsize=4096)
def glyph_image(characters: str) -> Image.Image:
    """The emoji on a transparent ground, RGBA, about 136 pixels a side."""
    image = Image.new("RGBA", (CELL + 14, CELL))
    ImageDraw.Draw(image).text((4, 4), characters, font=_font(), embedded_color=True)
    return image
