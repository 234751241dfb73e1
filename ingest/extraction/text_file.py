"""Plain text and Markdown: bytes to characters, paragraphs to blocks."""

import codecs
import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from contracts.errors import DocumentFailed
from contracts.media import MARKDOWN
from ingest.extraction.text_builder import TextBuilder
from ingest.extraction.types import BlockKind
from ingest.extraction.wire import Finished

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
BULLET = re.compile(r"\s*(?:[-*+•‣▪◦–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+")


def read_text(data: bytes, content_type: str) -> Finished:
    """Text of a file without layout.

    Raises:
        DocumentFailed: cause "empty" where nothing visible is in it, "corrupt" where it is not text.
    """
    text = decoded(data)
    builder = TextBuilder()
    for kind, block in _markdown_blocks(text) if content_type == MARKDOWN else _plain_blocks(text):
        builder.add(kind, block)
    if not builder.blocks:
        raise DocumentFailed("empty", "The file holds no text.")
    return Finished(text=builder.build())


def decoded(data: bytes) -> str:
    """Characters of a text file: by its byte order mark, else UTF-8, else Windows-1252 (which reads anything).

    Raises:
        DocumentFailed: cause "corrupt": the bytes are not what their mark says.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is not None:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as exc:
            raise DocumentFailed("corrupt", "The text is damaged: its bytes do not match its encoding.") from exc
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


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
    kind: BlockKind = "paragraph"
    list_depth = 0
    cells: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        match token.type:
            case "heading_open":
                kind = "heading"
            case "list_item_open":
                list_depth += 1
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
                yield shown, _words(token.children or ())
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
