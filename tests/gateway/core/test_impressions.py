import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Conflict, InvalidInput
from gateway.core.impressions import Impression, ImpressionMember, ImpressionSigner

SIGNER = ImpressionSigner(b"sixteen bytes or more", ttl_s=3600)
SHOWN = Impression("default", "abcd", 1000, 10, (ImpressionMember("towers", 1, 0, "u1", b"\0\1"),))


def test_an_id_tells_what_was_shown() -> None:
    assert SIGNER.read(SIGNER.issue(SHOWN), 1500) == SHOWN


@given(st.integers(0, 10_000), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_an_id_that_was_changed_is_refused(place: int, letter: str) -> None:
    issued = SIGNER.issue(SHOWN)
    place %= len(issued)
    forged = issued[:place] + letter + issued[place + 1 :]
    # The last letter of Base64 has bits that mean nothing.
    if "." in forged and bytes_of(forged) == bytes_of(issued):
        return
    with pytest.raises(InvalidInput):
        SIGNER.read(forged, 1500)


def bytes_of(text: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.split(".")]


@pytest.mark.parametrize("text", ["", ".", "a.b", "\u00e9.\u00e9", "x" * 9000])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        SIGNER.read(text, 1500)


def test_another_gateways_secret_does_not_open_it() -> None:
    with pytest.raises(InvalidInput):
        ImpressionSigner(b"another secret of 16+", ttl_s=3600).read(SIGNER.issue(SHOWN), 1500)


def test_feedback_has_its_time() -> None:
    with pytest.raises(Conflict):
        SIGNER.read(SIGNER.issue(SHOWN), 1000 + 3601)
