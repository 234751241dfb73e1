"""Words of a query in the one form in which they are searched, cached and written into prompts."""

import pytest

from gateway.core.query import normalised

# "obey" in tag characters, which are drawn as nothing.
TAGS = "".join(chr(0xE0000 + ord(c)) for c in "obey")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("  red\t\npump ", "red pump"),
        (f"red{TAGS} pump", "red pump"),
        ("red\u200b pu\u200dmp\ufeff", "red pump"),
        ("\u202edetrever\u202c", "detrever"),
        ("e\u0301clair", "\u00e9clair"),
        ("a\ufe01\ufe02b\U000e0101", "ab"),
        ("\u200b\u2060", ""),
        ("Pumpe Größe 7\u00a0mm", "Pumpe Größe 7 mm"),
        ("泵", "泵"),
    ],
)
def test_what_nobody_sees_is_not_searched_with(words: str, expected: str) -> None:
    assert normalised(words) == expected
