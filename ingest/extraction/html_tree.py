"""A page's tree: parsed within limits, what of it is hidden, what is its frame, and which part is its own text."""

import re

from lxml import etree
from lxml.etree import _Element

from contracts.errors import DocumentFailed
from ingest.extraction.text_encoding import decoded
from ingest.extraction.types import ExtractionLimits

# Never shown as text: programs, styles, what stands in for another thing, controls of forms. Not the whole head:
# the parser puts the newer elements there where a page has no <body>.
_UNREAD_NAMES = """
    title script style template noscript iframe object embed applet audio video canvas map input button select
    textarea datalist dialog progress meter rp rt annotation annotation-xml frameset noframes
"""
_UNREAD = frozenset(_UNREAD_NAMES.split())
_FRAME_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary"})
_FRAME_UNLESS_INSIDE = frozenset({"header", "footer", "aside"})
_OWN = frozenset({"article", "main"})
_HIDING = re.compile(
    r"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d]))", re.I
)
_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{2,40})|<\?xml[^>]{0,80}?encoding\s*=\s*["']([A-Za-z0-9._:-]{2,40})""",
    re.I,
)
_DECLARED_WITHIN = 4096
_CORRUPT = "The page is damaged and cannot be read."


def parsed(data: bytes, limits: ExtractionLimits) -> _Element:
    """The tree of a page, repaired as browsers do; nothing outside of it is looked at.

    Raises:
        DocumentFailed: cause "empty", "too_much_text", "too_deep" or "corrupt".
    """
    if len(data) > limits.max_xml_bytes:
        raise DocumentFailed(
            "too_much_text",
            f"The page has {len(data) / 1e6:.0f} MB; at most {limits.max_xml_bytes / 1e6:.0f} are read.",
        )
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    declared = (found[1] or found[2]).decode("ascii") if found else None
    text = decoded(data, declared).replace("\x00", "")
    if not text.strip():
        raise DocumentFailed("empty", "The page holds no text.")
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        page = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.LxmlError as exc:
        raise DocumentFailed("corrupt", _CORRUPT) from exc
    if page is None:
        raise DocumentFailed("empty", "The page holds no text.")
    # The parser stops where elements are nested too deep; a page that is silently half there is refused.
    if any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        raise DocumentFailed("too_deep", "The page's elements are nested too deep.")
    return page


def is_unread(element: _Element) -> bool:
    """Whether an element is none that a reader of the page sees."""
    if element.tag in _UNREAD or element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    style = element.get("style")
    return style is not None and _HIDING.search(style) is not None


def is_frame(element: _Element) -> bool:
    """Whether an element is of the site rather than of the page: menus, banners, columns beside the text."""
    if element.tag == "nav" or element.get("role") in _FRAME_ROLES:
        return True
    return element.tag in _FRAME_UNLESS_INSIDE and not any(above.tag in _OWN for above in element.iterancestors())


def main_element(page: _Element) -> _Element:
    """The part of a page that says to be its own text, the page where none does or several do."""
    mains = [element for element in page.iter("main", "div", "section", "article") if _is_main(element)]
    return mains[0] if len(mains) == 1 else page


def title_of(page: _Element) -> str:
    """The page's title, empty where it has none."""
    title = page.find("head/title")
    return "".join(title.itertext()) if title is not None else ""


def has_top_heading(root: _Element) -> bool:
    """Whether a heading of the first rank stands in the text."""
    return any(
        not any(is_unread(above) or is_frame(above) for above in heading.iterancestors())
        for heading in root.iter("h1")
    )


def is_data_table(table: _Element) -> bool:
    """Whether a table is one of data: not one that only lays out the page, which older pages did."""
    if table.get("role") in ("presentation", "none") or next(table.iterdescendants("table"), None) is not None:
        return False
    return any(sum(cell.tag in ("td", "th") for cell in row) > 1 for row in table.iter("tr"))


def _is_main(element: _Element) -> bool:
    return "main" in (element.tag, element.get("role"))
