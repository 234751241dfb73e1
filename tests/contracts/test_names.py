import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InvalidInput
from contracts.names import safe_name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("C:\\Users\\me\\a b.pdf", "C:/Users/me/a b.pdf"),
        ("//manuals// pump .pdf", "manuals/pump .pdf"),
        ("annexe\u202efdp.exe", "annexefdp.exe"),
        ("a\x00b\nc\x7f.txt", "abc.txt"),
        ("u\u0308ber.txt", "über.txt"),
        ("👩\u200d🔬.png", "👩\u200d🔬.png"),
        ("half \ud800 character", "half  character"),
    ],
)
def test_what_misleads_is_taken_out_of_a_name(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@pytest.mark.parametrize("name", ["", " ", "\x00", "\u202e", "/ /"])
def test_a_name_of_which_nothing_is_left_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        safe_name(name)


@given(st.text(min_size=1))
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    try:
        safe = safe_name(name)
    except InvalidInput:
        return
    assert safe_name(safe) == safe
