"""A document's text to chunks of 300-500 tokens, each of which stands for itself and can be cited.

What goes into a chunk is decided block by block:

- A chunk is closed at the first end of a block at which it has `min_tokens`; so sections and paragraphs are not
  cut when they need not be, and chunks are not longer than they must be.
- Blocks longer than the play between `min_tokens` and `max_tokens` are cut at sentences, else at words.
- A table row is not cut, unless it alone exceeds `max_tokens`; a heading stays with what follows it.
- A token stands for at most 16 characters: tokenizers take a word of any length for one unknown token.

A chunk has fewer than `min_tokens` only where the document ends, or where what follows must not be cut and would
not fit. None has more than `max_tokens`.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from semantic_text_splitter import TextSplitter

from contracts.documents import Box
from ingest.extraction.layout import union
from ingest.extraction.types import ExtractedText, TextBlock

CountTokens = Callable[[str], int]

# Text that people write has three to six; a chunk of 500 tokens so has at most 8,000 characters.
_CHARACTERS_PER_TOKEN = 16
# Longer blocks are cut into stretches before they are cut into pieces: the splitter counts what is left of a block
# again and again, which for one of a megabyte takes minutes.
_STRETCH = 20_000
_STRETCH_ENDS = ("\n", ". ", " ")


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk.

    Args:
        ordinal: position in the document, from 0.
        text: equals the document's text from `char_start` to `char_end`; no white space at its ends.
        page: the page that most of it stands on, None where the format has no pages.
        box: rectangle on `page` around the blocks that it takes from there.
        heading: the heading that it begins with, else the nearest one above.
    """

    ordinal: int
    text: str
    page: int | None
    box: Box | None
    char_start: int
    char_end: int
    heading: str | None


@dataclass(frozen=True, slots=True)
class _Piece:
    """A range of the text that is not cut, and whether a block ends with it."""

    start: int
    end: int
    ends_block: bool


def chunk(
    text: ExtractedText, count_tokens: CountTokens, *, min_tokens: int = 300, max_tokens: int = 500
) -> list[Chunk]:
    """Chunks of a document in order; together they hold all of its text but white space.

    Takes some milliseconds a page, most of them in `count_tokens`: call it outside of an event loop.

    Args:
        count_tokens: tokens of a text by the encoder's own tokenizer, truncation switched off.

    Raises:
        ValueError: `min_tokens` is not between 0 and `max_tokens`.
    """
    if not 0 < min_tokens < max_tokens:
        raise ValueError("min_tokens must lie between 0 and max_tokens")
    count = _bounded(count_tokens)
    pieces = _Pieces(text, count, min_tokens, max_tokens).read()
    ranges = _ranges(text.text, pieces, count, min_tokens, max_tokens)
    starts = [block.char_start for block in text.blocks]
    return [
        _chunk(ordinal, text, starts, char_start, char_end)
        for ordinal, (char_start, char_end) in enumerate(ranges)
    ]


def _bounded(count_tokens: CountTokens) -> CountTokens:
    """Tokens of a text, but so many at least that none stands for too many characters."""
    return lambda text: max(count_tokens(text), -(-len(text) // _CHARACTERS_PER_TOKEN))


class _Pieces:
    """Cuts a text into pieces small enough that filling a chunk with them cannot miss the range of sizes."""

    def __init__(self, text: ExtractedText, count_tokens: CountTokens, min_tokens: int, max_tokens: int) -> None:
        play = max_tokens - min_tokens
        self._text = text
        self._count = count_tokens
        self._max_tokens = max_tokens
        # Three quarters for the piece, one quarter for headings that stay with it.
        self._largest = max(play * 3 // 4, 1)
        self._largest_heading = play // 4

    def read(self) -> list[_Piece]:
        """All pieces in order."""
        pieces: list[_Piece] = []
        held: int | None = None  # where the headings begin that wait for what follows them
        for block in self._text.blocks:
            start = block.char_start if held is None else held
            held = None
            if block.kind == "heading" and self._fits(start, block.char_end, self._largest_heading):
                held = start
                continue
            first, *rest = self._cut(block)
            if start < block.char_start and not self._fits(start, first.end, self._max_tokens):
                pieces.append(_Piece(start, _end_before(self._text.text, block.char_start), ends_block=True))
                start = block.char_start
            pieces += [_Piece(start, first.end, first.ends_block), *rest]
        if held is not None:
            pieces.append(_Piece(held, self._text.blocks[-1].char_end, ends_block=True))
        return pieces

    def _fits(self, start: int, end: int, tokens: int) -> bool:
        return self._count(self._text.text[start:end]) <= tokens

    def _cut(self, block: TextBlock) -> list[_Piece]:
        whole = self._max_tokens if block.kind == "table_row" else self._largest
        if len(block.text) <= whole * _CHARACTERS_PER_TOKEN and self._count(block.text) <= whole:
            return [_Piece(block.char_start, block.char_end, ends_block=True)]
        splitter = TextSplitter.from_callback(self._count, self._largest)
        parts = [
            (block.char_start + start + offset, part)
            for start, stretch in _stretches(block.text)
            for offset, part in splitter.chunk_indices(stretch)
        ]
        last = len(parts) - 1
        return [_Piece(start, start + len(part), index == last) for index, (start, part) in enumerate(parts)]


def _stretches(text: str) -> Iterator[tuple[int, str]]:
    """A text in parts of some thousand characters with their offsets, cut behind a line, a sentence or a word."""
    start = 0
    while len(text) - start > _STRETCH:
        middle, end = start + _STRETCH // 2, start + _STRETCH
        found = next((at + len(mark) for mark in _STRETCH_ENDS if (at := text.rfind(mark, middle, end)) >= 0), end)
        yield start, text[start:found]
        start = found
    yield start, text[start:]


def _end_before(text: str, end: int) -> int:
    return len(text[:end].rstrip())


def _ranges(
    text: str, pieces: Sequence[_Piece], count_tokens: CountTokens, min_tokens: int, max_tokens: int
) -> list[tuple[int, int]]:
    """Character ranges of the chunks."""
    ranges: list[tuple[int, int]] = []
    start: int | None = None
    end = 0
    closed = False
    for piece in pieces:
        if start is not None and (closed or count_tokens(text[start : piece.end]) > max_tokens):
            ranges.append((start, end))
            start = None
        start = piece.start if start is None else start
        end = piece.end
        closed = piece.ends_block and count_tokens(text[start:end]) >= min_tokens
    if start is None:
        return ranges
    if ranges and not closed and count_tokens(text[ranges[-1][0] : end]) <= max_tokens:
        start, _ = ranges.pop()  # a short rest goes to the chunk before it, where there is room
    return [*ranges, (start, end)]


def _chunk(ordinal: int, text: ExtractedText, starts: Sequence[int], char_start: int, char_end: int) -> Chunk:
    first = bisect_right(starts, char_start) - 1
    behind = bisect_right(starts, char_end - 1)
    blocks = text.blocks[first:behind]
    page = _main_page(blocks, char_start, char_end)
    boxes = [block.box for block in blocks if block.page == page and block.box is not None]
    return Chunk(
        ordinal=ordinal,
        text=text.text[char_start:char_end],
        page=page,
        box=union(boxes) if boxes else None,
        char_start=char_start,
        char_end=char_end,
        heading=_heading(blocks),
    )


def _main_page(blocks: Sequence[TextBlock], char_start: int, char_end: int) -> int | None:
    characters: Counter[int] = Counter()
    for block in blocks:
        if block.page is not None:
            characters[block.page] += min(block.char_end, char_end) - max(block.char_start, char_start)
    return max(characters, key=lambda page: (characters[page], -page)) if characters else None


def _heading(blocks: Sequence[TextBlock]) -> str | None:
    """Of several headings at the beginning (a title, then a section's) the last one."""
    for block in blocks:
        if block.kind != "heading":
            return block.heading
    return blocks[-1].text
