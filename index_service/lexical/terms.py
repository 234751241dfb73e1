"""Texts as sets of terms: words as they are, identifiers whole, in parts and without their separators.

What counts as the same term is decided here and nowhere else, for texts and queries alike. No weights
(`wanted`), no index (`live`, `sealed`).
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Literal

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

# Stands before a whole token: "=xyz-4711" is in a text only where nothing is joined to it, unlike in "xyz-4711-b".
WHOLE = "="

TokenKind = Literal["word", "identifier", "unspaced"]

# Letters and digits of any script, joined by single signs; signs at the end as in "C++".
_TOKENS = r"\w+(?:[-./\\:+#&]\w+)*[+#]*"
_LONGEST_TOKEN_BYTES = 128
_PIECE = re.compile(r"[^\W_]+")
_LETTERS_OR_DIGITS = re.compile(r"\d+|[^\W\d_]+")
_DIGIT = re.compile(r"\d")
# Longest run of neighbouring pieces that is a term of its own; the whole token always is one.
_LONGEST_RUN = 4
# Shorter ones say little without their separators: "3.5" must not become "35".
_SHORTEST_SQUEEZED = 5
# Scripts that put no spaces between words: Thai to Khmer, kana, Han. Their runs become overlapping pairs.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
# Hyphens and dashes that stand for the plain one in part numbers set by a typesetter; soft hyphens vanish.
_DASHES = dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212, 0xFE63, 0xFF0D), "-") | {0xAD: None}


def tokens(text: str) -> list[str]:
    """The tokens of a text in their order, case and accents folded, each with its inner separators."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_DASHES))
    return _analyzer().analyze(text.casefold())


def terms(text: str) -> set[str]:
    """All terms that an item with this text holds."""
    found: set[str] = set()
    for token in set(tokens(text)):
        if token.isascii() and token.isalpha():
            found.add(token)
        else:
            found.update(forms(token))
    return found


def kind(token: str) -> TokenKind:
    """Whether a token is a word, an identifier (with a digit, or of several pieces), or text without spaces."""
    if _UNSPACED.search(token):
        return "unspaced"
    return "identifier" if _DIGIT.search(token) or len(_PIECE.findall(token)) > 1 else "word"


def forms(token: str) -> Iterator[str]:
    """The terms that a token stands for.

    "xyz-4711/b" is found whole, by any run of its pieces ("xyz-4711", "4711/b", "4711"), by these without
    separators ("xyz4711"), and by letters or digits alone where a piece mixes them ("ab" and "12" of "ab12").
    """
    which = kind(token)
    if which == "word":
        yield token
    elif which == "unspaced":
        yield from pairs(token)
    else:
        yield WHOLE + token
        yield token
        for run in runs(token):
            yield run
            if (bare := squeezed(run)) is not None:
                yield bare
        yield from parts(token)


def runs(token: str) -> Iterator[str]:
    """Neighbouring pieces of an identifier with the separators between them; single pieces included."""
    spans = [match.span() for match in _PIECE.finditer(token)]
    for first in range(len(spans)):
        for last in range(first, min(len(spans), first + _LONGEST_RUN)):
            yield token[spans[first][0] : spans[last][1]]


def squeezed(token: str) -> str | None:
    """An identifier without separators; None for what is too short to be known again without them."""
    bare = "".join(_PIECE.findall(token))
    return bare if len(bare) >= _SHORTEST_SQUEEZED else None


def parts(token: str) -> list[str]:
    """Runs of letters or of digits, of at least two."""
    return [part for part in _LETTERS_OR_DIGITS.findall(token) if len(part) > 1]


def pairs(token: str) -> Iterator[str]:
    """Neighbouring letters of scripts without spaces; what stands between them in other scripts as it is."""
    for run in _UNSPACED.findall(token):
        yield from (run[i : i + 2] for i in range(max(1, len(run) - 1)))
    yield from (piece for piece in _PIECE.findall(_UNSPACED.sub("_", token)))


@cache
def _analyzer() -> TextAnalyzer:
    return (
        TextAnalyzerBuilder(Tokenizer.regex(_TOKENS))
        .filter(Filter.ascii_fold())
        .filter(Filter.remove_long(_LONGEST_TOKEN_BYTES))
        .build()
    )
