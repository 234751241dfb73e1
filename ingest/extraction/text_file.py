"""Plain text and Markdown: bytes to characters, paragraphs to blocks."""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from contracts.errors import DocumentFailed
from contracts.media import MARKDOWN
from ingest.extraction.text_builder import TextBuilder
from ingest.extraction.text_encoding import decoded
from ingest.extraction.types import BlockKind, ExtractionLimits
from ingest.extraction.wire import Finished

_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
# Quotations and lists inside each other; the parser takes some of Python's stack for each.
_DEEPEST = 60
BULLET = re.compile(r"\s*(?:[-*+•‣▪◦–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+")


def read_text(data: bytes, content_type: str, limits: ExtractionLimits) -> Finished:
    """Text of a file without layout.

    Raises:
        DocumentFailed: cause "empty" where nothing visible is in it, "corrupt" where it is not text.
    """
    text = decoded(data)
    builder = TextBuilder(limits.max_characters)
    for kind, block in _markdown_blocks(text) if content_type == MARKDOWN else _plain_blocks(text):
        builder.add(kind, block)
    if not builder.blocks:
        raise DocumentFailed("empty", "The file holds no text.")
    return Finished(text=builder.build())


def _plain_blocks(text: str) -> Iterator[tuple[BlockKind, str]]:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    for paragraph in _PARAGRAPH_END.split(text):
        lines = paragraph.split("\n")
        if sum(bool(BULLET.match(line)) for line in lines) < 2:
            yield "paragraph", paragraph
            continue
        item: list[str] = []
        for line in lines:
            if BULLET.match(line) and item:
                yield "list_item", "\n".join(item)
                item = []
            item.append(line)
        yield "list_item", "\n".join(item)


def _markdown_blocks(text: str) -> Iterator[tuple[BlockKind, str]]:
    tokens = MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable("table").parse(text)
    if any(token.nesting > 0 and token.level + 1 >= _DEEPEST for token in tokens):
        yield from _plain_blocks(text)  # the parser drops what is nested deeper
        return
    kind: BlockKind = "paragraph"
    list_depth = 0
    cells: list[str] = []
    number = ""  # of the item of a numbered list that begins
    for token in tokens:
        match token.type:
            case "heading_open":
                kind = "heading"
            case "list_item_open":
                list_depth += 1
                number = f"{token.info}{token.markup} " if token.info else ""
            case "list_item_close":
                list_depth -= 1
            case "tr_open":
                cells = []
            case "tr_close":
                yield "table_row", " | ".join(cells)
            case "th_open" | "td_open":
                kind = "table_row"
            case "inline" if kind == "table_row":
                cells.append(_words(token.children or ()))
            case "inline":
                shown: BlockKind = "list_item" if list_depth and kind == "paragraph" else kind
                yield shown, number + _words(token.children or ())
                number = ""
            case "fence" | "code_block":
                yield "paragraph", token.content
            case "heading_close" | "th_close" | "td_close":
                kind = "paragraph"


def _words(children: Sequence[Token]) -> str:
    """What a reader of the page sees: texts of links and descriptions of pictures, no markup, no addresses."""
    parts: list[str] = []
    for token in children:
        if token.type in ("text", "code_inline", "text_special"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif token.type == "image":
            parts.append(_words(token.children or ()))
    return "".join(parts)
