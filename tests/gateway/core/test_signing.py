"""Short-lived links."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import NotFound
from gateway.core.signing import UrlSigner

SIGNER = UrlSigner(b"sixteen bytes at least", ttl_s=600)
NOW_S = 1_000_000.0


def parts(url: str) -> tuple[str, int, str]:
    split = urlsplit(url)
    query = parse_qs(split.query)
    return unquote(split.path), int(query["expires"][0]), query["signature"][0]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_link_that_was_signed_is_accepted_whatever_is_in_its_path(name: str) -> None:
    path = f"/v1/media/{name}"
    SIGNER.check(*parts(SIGNER.sign(path, NOW_S)), NOW_S)
    assert parts(SIGNER.sign(path, NOW_S))[0] == path


def test_a_link_lives_at_least_its_time_and_at_most_twice_that() -> None:
    path, expires, signature = parts(SIGNER.sign("/a", NOW_S))
    SIGNER.check(path, expires, signature, NOW_S + 600)
    with pytest.raises(NotFound):
        SIGNER.check(path, expires, signature, NOW_S + 1200)


def test_a_link_stays_the_same_for_a_while_so_that_browsers_can_cache_it() -> None:
    assert SIGNER.sign("/a", 1_200_000) == SIGNER.sign("/a", 1_200_599)


def test_another_path_time_or_secret_is_refused() -> None:
    path, expires, signature = parts(SIGNER.sign("/a", NOW_S))
    for attempt in (
        ("/b", expires, signature),
        (path, expires + 1, signature),
        (path, expires, signature[:-1]),
        (path, expires, "é"),
        (path, expires, parts(UrlSigner(b"another secret of ours").sign("/a", NOW_S))[2]),
    ):
        with pytest.raises(NotFound):
            SIGNER.check(*attempt, NOW_S)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        UrlSigner(b"short")
