"""From pieces of text to one clean text with offsets: what is removed, and what stands between two blocks."""

import re
import unicodedata

from contracts.documents import Box
from contracts.errors import DocumentFailed
from contracts.visible import visible
from ingest.extraction.types import BlockKind, ExtractedText, TextBlock

_LINE_BREAKS = str.maketrans({"\r": "\n", "\v": "\n", "\f": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n"})
_SPACES = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?\n[ \n]*")


def clean(text: str) -> str:
    """NFC text without invisible characters; runs of spaces become one space, runs of breaks one line break."""
    text = text.translate(_LINE_BREAKS).replace("\t", " ")
    text = _BREAKS.sub("\n", _SPACES.sub(" ", unicodedata.normalize("NFC", visible(text))))
    return text.strip()


class TextBuilder:
    """Collects blocks in reading order and keeps their offsets in the text that they make together.

    Args:
        max_characters: of the whole text.
    """

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._parts: list[str] = []
        self._blocks: list[TextBlock] = []
        self._length = 0
        self._heading: str | None = None

    @property
    def blocks(self) -> list[TextBlock]:
        """The blocks so far."""
        return self._blocks

    @property
    def next_start(self) -> int:
        """Offset at which the next block begins, unless it goes on with a list or a table."""
        return self._length + 2 if self._blocks else 0

    def add(
        self, kind: BlockKind, text: str, *, page: int | None = None, box: Box | None = None
    ) -> TextBlock | None:
        """Append a block; None where nothing visible is in it.

        Raises:
            DocumentFailed: cause "too_much_text".
        """
        text = clean(text)
        if not text:
            return None
        if self._blocks:
            separator = "\n" if kind == self._blocks[-1].kind and kind in ("list_item", "table_row") else "\n\n"
            self._parts.append(separator)
            self._length += len(separator)
        if self._length + len(text) > self._max_characters:
            limit = f"{self._max_characters / 1e6:g} million characters"
            raise DocumentFailed("too_much_text", f"The document holds more than {limit} of text.")
        block = TextBlock(
            kind=kind,
            text=text,
            char_start=self._length,
            char_end=self._length + len(text),
            page=page,
            box=box,
            heading=self._heading,
        )
        if kind == "heading":
            self._heading = text
        self._parts.append(text)
        self._blocks.append(block)
        self._length += len(text)
        return block

    def build(self) -> ExtractedText:
        """The text and its blocks."""
        return ExtractedText(text="".join(self._parts), blocks=tuple(self._blocks))
