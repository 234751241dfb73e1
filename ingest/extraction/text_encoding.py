"""Bytes of a text or a web page to characters."""

import codecs

from chardetng_py import EncodingDetector

from contracts.errors import DocumentFailed
from contracts.media import wide_encoding

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What browsers take these labels for (WHATWG Encoding, 4.2): supersets, because pages use those under their names.
_MEANT = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "big5": "big5hkscs",
}
# Text of an old encoding, read as UTF-8, is broken at nearly every letter beyond ASCII.
_WHOLE_TO_BROKEN = 8
# The detector's answer does not change any more behind so much text.
_ENOUGH_BYTES = 256 * 1024
_DAMAGED = "The text is damaged: its bytes do not match its encoding."


def decoded(data: bytes, declared: str | None = None) -> str:
    """Characters of a text: by its byte order mark, else UTF-8, else as declared, else as detected.

    Valid UTF-8 with letters beyond ASCII is UTF-8, whatever a page declares: by chance it hardly happens.

    Args:
        declared: the encoding that a page names for itself.

    Raises:
        DocumentFailed: cause "corrupt": the bytes are not what their mark says.
    """
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None) or wide_encoding(data)
    if marked is not None:
        try:
            return data.decode(marked)
        except UnicodeDecodeError as exc:
            raise DocumentFailed("corrupt", _DAMAGED) from exc
    text = _utf_8(data)
    if text is None and declared is not None:
        text = _strictly(data, declared)
    return _detected(data) if text is None else text


def _utf_8(data: bytes) -> str | None:
    """The text, where it is UTF-8 or was before some of its bytes were damaged or cut off."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if broken == 0:
        return None if "\x1b" in text else text  # ISO-2022-JP is ASCII with escapes
    whole = sum(character > "\x7f" for character in text) - broken
    return text if whole >= _WHOLE_TO_BROKEN * broken else None


def _strictly(data: bytes, declared: str) -> str | None:
    label = declared.strip().lower()
    try:
        return data.decode(_MEANT.get(label, label))
    except (UnicodeError, LookupError):  # LookupError: no text encoding of that name
        return None


def _detected(data: bytes) -> str:
    detector = EncodingDetector()
    detector.feed(data[:_ENOUGH_BYTES], last=len(data) <= _ENOUGH_BYTES)
    found = detector.guess(tld=None, allow_utf8=True)
    try:
        return data.decode(found, "replace")
    except LookupError:  # an encoding of the web that Python does not know, such as x-user-defined
        return data.decode("cp1252", "replace")
