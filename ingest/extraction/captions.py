"""Which lines are captions ("Figure 3: ..."), and which of those can belong to a picture."""

import re

_NUMBER = r"\s*(?:\d+|(?-i:[IVXLC]+|[A-Z])\b)(?:[.\-]\d+)*\s*(?:[.:)|–—-]|\s|$)"
_PICTURE = r"figure|fig\.?|image|picture|photo|photograph|plate|diagram|chart|illustration|abbildung|abb\.?|bild"
_OTHER = r"table|tab\.|tabelle|listing|equation|scheme"
_PICTURE_CAPTION = re.compile(rf"(?:{_PICTURE}){_NUMBER}", re.IGNORECASE)
_CAPTION = re.compile(rf"(?:{_PICTURE}|{_OTHER}){_NUMBER}", re.IGNORECASE)
# "Figure 3 shows that ..." begins a sentence of the text, and captions are seldom long.
_SENTENCE = re.compile(
    r"\S+\s+\S+\s+(?:shows?|illustrates?|depicts?|gives?|lists?|presents?|compares?|is|are|and|to|of|in|on|below|above)\b"
)
_LONGEST = 600


def is_caption(text: str) -> bool:
    """Whether a block of text reads like the caption of a figure, table or listing."""
    return len(text) <= _LONGEST and _CAPTION.match(text) is not None and _SENTENCE.match(text) is None


def is_picture_caption(text: str) -> bool:
    """Whether a block of text reads like the caption of a picture."""
    return is_caption(text) and _PICTURE_CAPTION.match(text) is not None
