"""Names of documents as people may give them, made safe to show and to compare. Pure."""

import unicodedata

from contracts.errors import InvalidInput

# Those that turn the direction of writing, so that "annexe\u202efdp.exe" looks like a PDF, and marks of no width.
# Joiners stay: emoji and several scripts are not written right without them.
_TURNING = frozenset("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def safe_name(name: str) -> str:
    """A name in composed characters, without controls and blanks at the ends of its parts.

    Folders in it are kept, also those that Windows writes with backslashes.

    Raises:
        InvalidInput: nothing is left.
    """
    composed = unicodedata.normalize("NFC", name.replace("\\", "/"))
    kept = "".join(c for c in composed if c not in _TURNING and unicodedata.category(c) not in {"Cc", "Cs"})
    parts = [part.strip() for part in kept.split("/")]
    safe = "/".join(part for part in parts if part)
    if not safe:
        raise InvalidInput("The file has no name that could be shown.")
    return safe
