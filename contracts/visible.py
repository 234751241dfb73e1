"""Text without what nobody sees: in a document it can hide orders to a language model, in a question too. Pure."""

import re
import unicodedata

# Categories without a visible form: controls, format characters (zero-width, bidi, tags), surrogates, private use.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co"})
# Letters and marks that are drawn as nothing (Default_Ignorable_Code_Point of Unicode 15 outside Cf), and the
# empty Braille cell. Variation selectors are among them: 256 of them can spell a hidden message.
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_NONCHARACTERS = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")


def visible(text: str) -> str:
    """The text without invisible characters, line breaks apart."""
    text = _NONCHARACTERS.sub("", _BLANKS.sub("", text))
    return "".join(c for c in text if " " <= c <= "~" or c == "\n" or unicodedata.category(c) not in _INVISIBLE)
